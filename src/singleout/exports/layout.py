"""What all formats share about files: names that stay inside, refusing to replace, JSON bit by bit, zips."""

from __future__ import annotations

import gc
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from singleout.errors import InputError
from singleout.media.atomic import atomic_path

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Destination:
    """Where one video is written, and what things are called there; the names are checked.

    video_name: without suffix. frame_names: one name a frame. categories: number of each name, None for those that
    occur. overwrite: whether files that exist are replaced.
    """

    folder: Path
    video_name: str
    frame_names: tuple[str, ...]
    categories: Mapping[str, int] | None = None
    overwrite: bool = False


def check_names(video_name: str, frame_names: Sequence[str], num_frames: int) -> None:
    """Refuse names that could leave the folder or replace each other.

    Raises InputError for a name with a slash, a backslash or a control character, for ``.`` and ``..``, an empty or
    overlong one, for frame names that repeat, and for more or fewer of them than frames.
    """
    check_name(video_name, "video name")
    if len(frame_names) != num_frames:
        raise InputError(f"{video_name}: {len(frame_names)} frame names were given for {num_frames} frames")
    for name in frame_names:
        check_name(name, "frame name")
    # Some file systems do not tell capital from small letters.
    folded = [name.casefold() for name in frame_names]
    if len(set(folded)) != len(folded):
        twice = next(name for name, other in zip(frame_names, folded, strict=True) if folded.count(other) > 1)
        raise InputError(f"{video_name}: two frames are named {twice!r}, so one file would replace the other")


def check_name(name: str, what: str) -> None:
    """Refuse a name that cannot be that of one file or folder; `what` it is goes into the InputError."""
    if not name or name in {".", ".."} or any(character in "/\\" or ord(character) < 32 for character in name):
        raise InputError(
            f"the {what} {name!r} cannot be the name of a file: use one without slashes and control characters"
        )
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        raise InputError(f"the {what} {name[:40]!r}… is too long for a file: at most {_LONGEST_NAME} bytes")


def check_free(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to write where something is, before any work is done. Raises InputError that names the first one."""
    if overwrite:
        return
    for path in paths:
        if path.is_dir() and not any(path.iterdir()):
            continue
        if path.exists() or path.is_symlink():
            raise InputError(f"{path} is there already: choose another folder, or ask to overwrite it")


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text file that appears when the block ends well, and not at all otherwise."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        yield file


def write_json_list(file: TextIO, items: Iterable[Any]) -> None:
    """A JSON list, an item a line, so that no more than one item is in memory."""
    file.write("[")
    separator = "\n"
    for item in items:
        file.write(separator + dump(item))
        separator = ",\n"
    file.write("\n]")


def dump(value: Any) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def write_shared(path: Path, text: str, *, overwrite: bool) -> None:
    """A small file that the videos of one folder share, such as the list of classes.

    The same text again is fine. Raises InputError where another text is there already, unless `overwrite`.
    """
    if path.exists() and not overwrite:
        if path.read_text(encoding="utf-8", errors="replace") == text:
            return
        raise InputError(
            f"{path} is there already and has other classes: give the same categories for all videos of a folder, "
            "choose another folder, or ask to overwrite it"
        )
    with text_file(path) as file:
        file.write(text)


def read_json(path: Path, *, finite: bool = False) -> Any:
    """The content of a JSON file. Raises InputError, naming it, where it is missing, cut off or not JSON.

    finite: refuse NaN and Infinity too, which are no JSON, but which Python reads and writes.
    """
    try:
        with without_collection():
            content = path.read_bytes()
            return json.loads(content, parse_constant=_refuse) if finite else json.loads(content)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a whole JSON file ({error}): it may be cut off, so write it again") from error


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep Python from looking for cycles, of which plain values have none, while very many of them are made.

    Looking takes as long as the parsing of a large file, because every value that is there is looked at again.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _refuse(constant: str) -> Any:
    raise ValueError(f"it holds {constant}")


def pack(folder: Path, archive: Path, *, top: str = "") -> Path:
    """Put every PNG below `folder` into a zip, under the folder `top` inside it, or directly at its root.

    The same pictures give the same bytes: names are sorted and carry no time. PNGs are compressed already and are
    stored as they are.
    """
    with atomic_path(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(folder.rglob("*.png")):
            inside = path.relative_to(folder)
            # Hidden parts are another run's unfinished work.
            if any(part.startswith(".") for part in inside.parts):
                continue
            entry = zipfile.ZipInfo((Path(top) / inside).as_posix())
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes())
    return archive
