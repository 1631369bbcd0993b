"""Looks at the files that a data set should have, and says which are missing, damaged or of another kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from singleout.data.panoptic import Numbers
from singleout.errors import InputError
from singleout.exports.panoptic import read_segment_ids
from singleout.exports.pictures import read_numbers

Kind = Literal["image", "numbers", "segments", "file", "folder"]
Size: TypeAlias = tuple[int, int]
Judge: TypeAlias = Callable[[Numbers], str | None]
"""Told the numbers of a picture, says what is wrong with them."""

_NUMBERS = frozenset({"1", "L", "P", "I", "I;16", "I;16B"})
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
_SHOWN = 3
_AGAIN = "download it again, or copy it from a whole copy of the data set"


@dataclass(frozen=True)
class Expected:
    """A file that should be there.

    kind: "image" is a picture of any kind, "numbers" one with a number at each pixel, "segments" one in RGB whose
    colours are ids, "file" anything that is not empty, "folder" a folder that is not empty. group: usually the video;
    all pictures of a group have one size. size: height and width, where the data set states them. judge: looks at the
    numbers themselves, in thorough checks only.
    """

    path: Path
    kind: Kind
    group: str
    size: Size | None = None
    judge: Judge | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Finding:
    """One thing that is missing or wrong. note: True where it may be meant so, as in a part of a data set."""

    path: Path
    problem: str
    advice: str
    note: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.advice}"


def examine(
    root: Path,
    expected: Iterable[Expected],
    *,
    thorough: bool = False,
    on_file: Callable[[], None] = lambda: None,
) -> Iterator[Finding]:
    """What is wrong with the files, group by group: one finding for each folder and kind of problem.

    Pictures are opened and their ends looked at; thorough also decodes every one and judges the numbers. on_file is
    called after each file.
    """
    gone: set[Path] = set()
    for _, members in groupby(expected, key=lambda each: each.group):
        group = list(members)
        size = next((each.size for each in group if each.size), None)
        faults: dict[tuple[Path, str, str], list[str]] = {}
        for each in group:
            on_file()
            lost = _highest_missing(root, each.path)
            if lost is not None and lost != each.path:
                if lost not in gone:
                    gone.add(lost)
                    yield Finding(lost, "this folder is missing", _where_is(lost))
                continue
            fault: tuple[str, str] | None = ("is missing", _AGAIN)
            if lost is None:
                fault, found = _look(each, size, thorough)
                size = size or found
            if fault is not None:
                faults.setdefault((each.path.parent, *fault), []).append(each.path.name)
        totals: dict[Path, int] = {}
        for each in group:
            totals[each.path.parent] = totals.get(each.path.parent, 0) + 1
        for (folder, problem, advice), names in faults.items():
            yield _finding(folder, problem, advice, names, totals[folder])


def only(allowed: Iterable[int], why: str) -> Judge:
    """A judge that takes these numbers and no others. why: what is said of another one."""
    known = np.fromiter(allowed, np.int64)

    def judge(numbers: Numbers) -> str | None:
        strange = np.setdiff1d(np.unique(numbers), known)
        return f"has the number {strange[0]}, {why}" if strange.size else None

    return judge


def exactly(listed: Iterable[int], where: str) -> Judge:
    """A judge that wants each of these numbers and, but for 0, no others. where: the file that lists them."""
    known = np.fromiter(listed, np.int64)

    def judge(numbers: Numbers) -> str | None:
        shown = np.setdiff1d(np.unique(numbers), [0])
        strange, unseen = np.setdiff1d(shown, known), np.setdiff1d(known, shown)
        if strange.size:
            return f"shows segment {strange[0]}, which {where} does not list"
        return f"does not show segment {unseen[0]}, which {where} lists" if unseen.size else None

    return judge


def _finding(folder: Path, problem: str, advice: str, names: list[str], total: int) -> Finding:
    if len(names) == 1:
        return Finding(folder / names[0], problem, advice)
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return Finding(folder, f"{len(names)} of {total} files, each of which {problem}: {shown}", advice)


def _look(each: Expected, size: Size | None, thorough: bool) -> tuple[tuple[str, str] | None, Size | None]:
    """What is wrong with a file, with advice, or None; and its size where it is a picture."""
    if each.kind == "folder":
        filled = each.path.is_dir() and any(not entry.name.startswith(".") for entry in each.path.iterdir())
        return (None if filled else ("is an empty folder", _AGAIN)), None
    try:
        if each.path.is_dir():
            return ("is a folder, not a file", "give the data set as it was released"), None
        if not each.path.stat().st_size:
            return ("is empty", _AGAIN), None
        if each.kind == "file":
            return None, None
        return _look_at_picture(each, size, thorough)
    except OSError as error:
        return (f"cannot be read ({error.strerror or error})", "mend its permissions, or download it again"), None


def _look_at_picture(each: Expected, size: Size | None, thorough: bool) -> tuple[tuple[str, str] | None, Size | None]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(each.path) as picture:
            warnings.simplefilter("ignore")
            found = (picture.height, picture.width)
            mode = picture.mode
            end = _ENDS.get(picture.format or "")
            if thorough or (end and not _ends_with(each.path, end)):
                picture.load()
    except UnidentifiedImageError:
        return ("is not a picture", _AGAIN), None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return (f"is damaged ({str(error) or type(error).__name__})", _AGAIN), None
    if each.kind == "numbers" and mode not in _NUMBERS:
        return (f"is in colour (mode {mode}) where a palette or grey PNG is due", "do not convert masks to RGB"), found
    if each.kind == "segments" and mode != "RGB":
        return (f"has the mode {mode} where an RGB PNG is due", "convert the data set again"), found
    wanted = each.size or size
    if wanted is not None and wanted != found:
        stated = f"{wanted[1]}x{wanted[0]}"
        return (f"is {found[1]}x{found[0]} where {stated} is due", "take pictures and masks of one resolution"), found
    if thorough and each.judge is not None:
        try:
            numbers = read_segment_ids(each.path) if each.kind == "segments" else read_numbers(each.path)
        except InputError as error:
            return (f"is damaged ({error})", _AGAIN), found
        wrong = each.judge(numbers)
        if wrong is not None:
            return (wrong, _AGAIN), found
    return None, found


def _ends_with(path: Path, end: bytes) -> bool:
    """Whether the last bytes that are not zero are those that end a whole file of its kind."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 256))
        return file.read().rstrip(b"\0").endswith(end)


def _highest_missing(root: Path, path: Path) -> Path | None:
    """The path, or the highest folder above it, that is not there; None where it is."""
    if path.exists():
        return None
    lost = path
    while lost.parent not in {root, lost.parent.parent} and not lost.parent.exists():
        lost = lost.parent
    return lost


def _where_is(lost: Path) -> str:
    for suffix in (".zip", ".tar", ".tar.gz", ".tgz"):
        if lost.with_name(lost.name + suffix).is_file():
            return f"unpack {lost.name}{suffix}, which lies beside it"
    above = lost.parent
    if above.is_dir():
        deeper = sorted(entry for entry in above.iterdir() if entry.is_dir() and (entry / lost.name).is_dir())
        if deeper:
            return f"it lies in {deeper[0]}: move it up, or give that folder"
    return "download and unpack it here"
