"""Archives of files of several kinds, the same bytes for the same files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from singleout.media.atomic import atomic_path

_PACKED_ALREADY = frozenset({".png", ".zip", ".jpg"})


def pack_files(files: Mapping[str, Path], archive: Path) -> Path:
    """Put files into a zip. files: by their names inside it. Entries are sorted and carry no time."""
    with atomic_path(archive) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        for inside, path in sorted(files.items()):
            entry = zipfile.ZipInfo(inside)
            entry.external_attr = 0o644 << 16
            stored = path.suffix.lower() in _PACKED_ALREADY
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                while block := source.read(1 << 20):
                    target.write(block)
    return archive


def below(folder: Path, pattern: str = "*") -> dict[str, Path]:
    """The files below a folder by their names in it, without hidden ones."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob(pattern) if path.is_file()}
    return {name: path for name, path in found.items() if not any(part.startswith(".") for part in Path(name).parts)}
