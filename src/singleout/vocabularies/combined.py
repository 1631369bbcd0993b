"""A combined names file: the category names of many data sets, one a line, in the form that UniVS uses.

A classifier made from such a file has a row for each line. Labels count from 1 in each data set, so the row of a label
is the offset of its data set + label - 1. Which data set stands where is not in the file: it is a table beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from singleout.errors import InputError
from singleout.vocabularies.categories import categories

# Of the names of a part that is packaged here too, this share may be spelt in another way.
_MAY_DIFFER = 0.02


@dataclass(frozen=True)
class Part:
    """Where the names of a data set stand.

    offset: row of its first name. count: number of its names. vocabulary: the packaged list of the same categories in
    the same order, or None. first, last: its first and last name, checked where there is no such list.
    """

    offset: int
    count: int
    vocabulary: str | None = None
    first: str | None = None
    last: str | None = None


# The rows of combined_datasets_cls_emb_rn50x4.pth (MinghanLI/UniVS). Several keys share a part.
UNIVS_PARTS: dict[str, Part] = {
    "imagenet": Part(0, 1000, first="tench", last="toilet tissue"),
    "lvis": Part(1000, 1203, "lvis_v1"),
    "burst": Part(1000, 1203, "lvis_v1"),
    "ytvis21": Part(2203, 40, "ytvis_2021"),
    "ovis": Part(2243, 25, "ovis"),
    "bdd_track": Part(2268, 8, first="pedestrian", last="bicycle"),
    "objects365": Part(2276, 365, first="Person", last="Table Tennis"),
    "coco_panoptic": Part(2641, 133, "coco_panoptic"),
    "coco": Part(2641, 80, first="person", last="toothbrush"),
    "ade20k": Part(2774, 150, "ade20k_150"),
    "vipseg": Part(2924, 124, "vipseg"),
    "vspw": Part(2924, 124, "vspw"),
    "viposeg": Part(2924, 124, "vipseg"),
    "ytvis19": Part(3048, 40, "ytvis_2019"),
    "entityseg_instance": Part(3088, 206, first="table", last="cable_car"),
    "entityseg_panoptic": Part(3294, 644, first="unknown", last="girl"),
}


@dataclass(frozen=True)
class CombinedNames:
    """names: one a row, as the file has them, without blanks at the ends. parts: where each data set stands."""

    path: Path
    names: tuple[str, ...]
    parts: Mapping[str, Part]

    def of(self, key: str) -> tuple[str, ...]:
        """The names of a data set. Raises InputError for an unknown one."""
        part = self._part(key)
        return self.names[part.offset : part.offset + part.count]

    def rows(self, key: str) -> range:
        """The rows of a data set. Raises InputError for an unknown one."""
        part = self._part(key)
        return range(part.offset, part.offset + part.count)

    def row(self, key: str, label: int) -> int:
        """The row of a label, which counts from 1. Raises InputError for an unknown data set or label."""
        part = self._part(key)
        if not 1 <= label <= part.count:
            raise InputError(f"{key} has no label {label}: its labels are 1 to {part.count}")
        return part.offset + label - 1

    def _part(self, key: str) -> Part:
        if key not in self.parts:
            raise InputError(f"{self.path.name} has no part {key!r}: choose one of {', '.join(self.parts)}")
        return self.parts[key]


def packaged_names(key: str, parts: Mapping[str, Part] = UNIVS_PARTS) -> tuple[str, ...]:
    """The names of a data set from the list that is packaged here, in the order of its rows.

    LVIS's rows also hold definitions in UniVS's own file, which are not packaged. Raises InputError for an unknown data
    set, and for one whose names are in no packaged list.
    """
    if key not in parts:
        raise InputError(f"there is no data set {key!r} among {', '.join(parts)}")
    part = parts[key]
    # A part may be the beginning of a longer one, as COCO's things are of its panoptic classes.
    same = [other.vocabulary for other in parts.values() if other.offset == part.offset and other.count >= part.count]
    found = next((name for name in (part.vocabulary, *same) if name is not None), None)
    if found is None:
        raise InputError(
            f"the names of {key} are in no list of singleout: take the official table, or names of your own"
        )
    return tuple(category.name for category in categories(found)[: part.count])


def read_names(path: Path) -> tuple[str, ...]:
    """The names of a file with one a line, without blanks at their ends.

    Raises InputError for a file that cannot be read, holds none, or has a line without a name.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a list of names: {error}") from error
    names = tuple(line.strip() for line in lines)
    blank = next((row for row, name in enumerate(names) if not name), None)
    if blank is not None:
        raise InputError(f"{path}, line {blank + 1}: there is no name, so all rows behind it may be shifted")
    if not names:
        raise InputError(f"{path} is empty: expected one name a line")
    return names


def read_combined(path: Path, parts: Mapping[str, Part] = UNIVS_PARTS) -> CombinedNames:
    """Read a combined names file and check that every part stands where the table says.

    A line is one name: it may hold synonyms ("tench, Tinca tinca,") or a definition behind " :". Raises InputError for
    another number of lines than the parts have together, a line without a name, a gap or overlap in the table, and a
    part whose names are not those of its data set.
    """
    names = read_names(path)
    total = _check_table(path, parts)
    if len(names) != total:
        raise InputError(f"{path} has {len(names)} lines where {total} are due, one for each row: take the whole file")
    for key, part in parts.items():
        _check_part(path, key, part, names[part.offset : part.offset + part.count])
    return CombinedNames(path, names, dict(parts))


def _check_table(path: Path, parts: Mapping[str, Part]) -> int:
    """The number of rows of all parts. Parts may share rows or be a beginning of another one, but not overlap else."""
    longest: dict[int, int] = {}
    for part in parts.values():
        longest[part.offset] = max(part.count, longest.get(part.offset, 0))
    end = 0
    for offset in sorted(longest):
        if offset != end:
            raise InputError(f"{path}: a part begins at row {offset}, but the one before it ends at row {end}")
        end = offset + longest[offset]
    return end


def _check_part(path: Path, key: str, part: Part, found: tuple[str, ...]) -> None:
    ends = {0: part.first, part.count - 1: part.last}
    expected = {place: name for place, name in ends.items() if name is not None}
    if part.vocabulary is not None:
        expected = {place: category.name for place, category in enumerate(categories(part.vocabulary))}
        if len(expected) != part.count:
            raise InputError(f"{path}: {key} has {part.count} rows for the {len(expected)} names of {part.vocabulary}")
    wrong = [place for place, name in expected.items() if not _plain(found[place]).startswith(_plain(name))]
    # UniVS's own file has lost the first letter of one name of LVIS; a shifted part is wrong nearly everywhere.
    if len(wrong) > _MAY_DIFFER * part.count:
        row = part.offset + wrong[0]
        raise InputError(
            f"{path}, line {row + 1}: expected {expected[wrong[0]]!r} of {key}, got {found[wrong[0]]!r:.40}: "
            "the rows are shifted, or of other data sets"
        )


def _plain(name: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", name.lower()))
