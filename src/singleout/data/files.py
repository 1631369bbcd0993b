"""What all readers do with files: lists of names, folders of pictures, and JSON whose parts must be of a kind."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from singleout.data.records import Rle
from singleout.errors import InputError
from singleout.exports.layout import check_name, read_json
from singleout.exports.pictures import natural_key
from singleout.exports.rle import from_json

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
# Both halves of a training set are looked for where its pictures lie.
_HALVES = ("train_sub", "valid_sub")


class Numbered(Protocol):
    """An entry of a list that has an id."""

    @property
    def id(self) -> int | str:
        """Its id in the file."""


T = TypeVar("T", bound=Numbered)


def by_id(entries: Iterable[T], path: Path, what: str) -> dict[int | str, T]:
    """Entries by their ids. Raises InputError, naming the file, where two have the same. what: such as "videos"."""
    known: dict[int | str, T] = {}
    for entry in entries:
        if entry.id in known:
            raise InputError(f"{path}: two {what} have the id {entry.id!r}")
        known[entry.id] = entry
    return known


def base_split(split: str) -> str:
    """The official split that a part was cut from: "val_dev" is of "val", "train_sub" and "valid_sub" of "train"."""
    return "train" if split in _HALVES else split.removesuffix("_dev")


def the_folder(path: Path, what: str) -> Path:
    """`path` if it is a folder. Raises InputError that names it, and the one a level deeper where that fits."""
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{path} is a file where a folder is due: it should hold {what}")
    if path.parent.is_dir():
        deeper = sorted(entry for entry in path.parent.iterdir() if (entry / path.name).is_dir())
        if deeper:
            raise InputError(f"{path} is missing, but {deeper[0] / path.name} is there: give {deeper[0]} as the folder")
        packed = path.with_name(f"{path.name}.zip")
        if packed.is_file():
            raise InputError(f"{path} is missing, but {packed.name} lies beside it: unpack it there")
    raise InputError(f"{path} is missing: it should hold {what}")


def first_of(root: Path, candidates: Sequence[str], what: str) -> Path:
    """The first of several places that is there. Raises InputError that names all of them."""
    the_folder(root, what)
    for candidate in candidates:
        if (root / candidate).exists():
            return root / candidate
    others = f" (or {', '.join(candidates[1:])})" if len(candidates) > 1 else ""
    deeper = sorted(
        entry for entry in root.iterdir() if entry.is_dir() and any((entry / each).exists() for each in candidates)
    )
    hint = f", but {deeper[0]} has it: give that folder" if deeper else f": it should hold {what}"
    raise InputError(f"{root / candidates[0]}{others} is missing{hint}")


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file without blank ones. Raises InputError where it is missing or says a name twice."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path} is empty: download it again")
    if len(set(lines)) < len(lines):
        twice = next(line for line in lines if lines.count(line) > 1)
        raise InputError(f"{path} lists {twice!r} twice: take one of them out")
    return tuple(lines)


def read_names(path: Path) -> tuple[str, ...]:
    """The names of videos in a text file, one a line. Raises InputError for one that cannot be a folder's name."""
    names = read_lines(path)
    for name in names:
        check_name(name, f"name of a video in {path}")
    return names


def subfolders(path: Path) -> list[str]:
    """Names of the folders in a folder, in order, without hidden ones; none where the folder is missing."""
    if not path.is_dir():
        return []
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def stems(*folders: Path) -> tuple[str, ...]:
    """Names without suffix of the pictures in one or several folders, each once, in natural order (2 before 10)."""
    found: set[str] = set()
    for folder in folders:
        if folder.is_dir():
            found |= {entry.stem for entry in folder.iterdir() if is_picture(entry)}
    return tuple(sorted(found, key=natural_key))


def is_picture(path: Path) -> bool:
    """Whether the name is that of a picture and neither hidden nor a Mac's resource fork."""
    return path.suffix.lower() in PICTURES and not path.name.startswith(".")


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises InputError otherwise, also where it has NaN in it."""
    return an_object(read_json(path, finite=True), str(path))


def an_object(value: Any, where: str) -> dict[str, Any]:
    """`value` if it is a JSON object. Raises InputError otherwise."""
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected a JSON object, got {value!r:.40}")
    return value


def a_part(content: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """content[key], which must be of a kind. Raises InputError otherwise."""
    value = content.get(key)
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        said = "nothing" if value is None else f"{value!r:.40}"
        raise InputError(f'{where}: expected {_KINDS[kind]} as "{key}", got {said}')
    return value


def a_number(content: Mapping[str, Any], key: str, where: str) -> float:
    """content[key], a finite number. Raises InputError otherwise: NaN would pass every comparison unseen."""
    value = content.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f'{where}: expected a finite number as "{key}", got {value!r:.40}')
    return float(value)


def an_id(content: Mapping[str, Any], key: str, where: str) -> int | str:
    """content[key], a whole number or a string. Raises InputError otherwise."""
    value = content.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(f'{where}: expected a number or a string as "{key}", got {value!r:.40}')
    return value


def a_box(value: Any, where: str) -> tuple[float, float, float, float]:
    """A box of four finite numbers. Raises InputError otherwise."""
    if isinstance(value, list) and len(value) == 4 and set(map(type, value)) <= {int, float}:
        left, top, width, height = map(float, value)
        # Of four finite numbers and one that is not, the sum is not finite.
        if math.isfinite(left + top + width + height) or all(map(math.isfinite, (left, top, width, height))):
            return left, top, width, height
    raise InputError(f"{where}: expected a box of four numbers, got {value!r:.60}")


def a_code(value: Any, height: int, width: int, where: str) -> Rle:
    """A segmentation in any of COCO's forms as a run-length code. Raises InputError where it is none."""
    return {"size": [height, width], "counts": from_json(value, height, width, where)}


def strings(value: Any, where: str) -> tuple[str, ...]:
    """A JSON list of strings. Raises InputError otherwise."""
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise InputError(f"{where}: expected a list of strings, got {value!r:.60}")
    return tuple(value)


def paths_for(folder: Path, names: Iterable[str], suffix: str) -> tuple[Path, ...]:
    """folder/name.suffix for each name."""
    return tuple(folder / f"{name}{suffix}" for name in names)


_KINDS: dict[type, str] = {
    dict: "a JSON object",
    list: "a list",
    str: "a string",
    int: "a whole number",
    float: "a number",
}
