"""Class names and numbers: which number the label of an object gets in a format that wants numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from singleout.errors import InputError

if TYPE_CHECKING:
    from singleout.tracks import ObjectInfo, Tracks

WITHOUT_LABEL = "object"


def label_of(info: ObjectInfo) -> str:
    """The class name of an object: its label in one line, or "object" where it has none."""
    return " ".join(info.label.split()) or WITHOUT_LABEL


def numbering(tracks: Tracks, categories: Mapping[str, int] | None, *, first: int = 1) -> dict[str, int]:
    """The number of every class name, by ascending number.

    categories: used as they are, also names that do not occur; None numbers the labels of the tracks from `first` in
    the order of the object ids. Raises InputError for a label that `categories` lacks, a negative number, and one
    number for two names.
    """
    found = list(dict.fromkeys(label_of(tracks.objects[key]) for key in sorted(tracks.objects)))
    if categories is None:
        return {name: first + index for index, name in enumerate(found)}
    by_number: dict[int, str] = {}
    for name, number in categories.items():
        if number < 0:
            raise InputError(f"the category {name!r} has the number {number}: it must not be negative")
        if number in by_number:
            raise InputError(f"the categories {by_number[number]!r} and {name!r} have the same number, {number}")
        by_number[number] = name
    missing = [name for name in found if name not in categories]
    if missing:
        raise InputError(
            f"the label {missing[0]!r} has no number in the categories that were given: add it, or give the object "
            "one of their names"
        )
    return {by_number[number]: number for number in sorted(by_number)}
