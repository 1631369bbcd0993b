"""The category lists and number tables of the data sets, packaged as data, each with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from singleout.errors import InputError

_FOLDER = "lists"


@dataclass(frozen=True)
class Category:
    """One category as a data set numbers it.

    id: the number in annotation files. thing: whether it is countable; None where the data set does not say.
    frequency: r, c or f in LVIS. partition: LV-VIS's group, 0 and 1 are base, 2 and 3 novel. color: RGB in VIPSeg.
    train_id: the number in converted truth where that is another one (ADE20K-847).
    """

    id: int
    name: str
    thing: bool | None = None
    frequency: str | None = None
    partition: int | None = None
    color: tuple[int, int, int] | None = None
    train_id: int | None = None

    @property
    def base(self) -> bool | None:
        """Whether LV-VIS counts it among the base categories; None outside LV-VIS."""
        return None if self.partition is None else self.partition < 2


def list_names() -> tuple[str, ...]:
    """The lists that are there: "ytvis_2019", "ovis", "coco_panoptic", …"""
    found = (entry.name for entry in (files(__package__) / _FOLDER).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in found if name.endswith(".json")))


def categories(name: str) -> tuple[Category, ...]:
    """The categories of a list in its own order. Raises InputError for an unknown list and for a table of numbers."""
    content = _content(name)
    if "categories" not in content:
        raise InputError(f"{name} is a table of numbers, not a list of categories: read it with number_table")
    return parse(content["categories"], f"the list {name}")


def number_table(name: str) -> dict[str, Any]:
    """A table of numbers as it stands: "coco_stuff_raw" (pixel value to train id) or "viposeg" (groups of classes).

    Raises InputError for an unknown name and for a list of categories.
    """
    content = _content(name)
    if "table" not in content:
        raise InputError(f"{name} is a list of categories, not a table of numbers: read it with categories")
    table: dict[str, Any] = json.loads(json.dumps(content["table"]))
    return table


def source(name: str) -> str:
    """Where a list comes from, in one line."""
    return str(_content(name)["source"])


def parse(entries: Any, where: str) -> tuple[Category, ...]:
    """Categories of a data set's JSON, in file order.

    where: the file, for messages. Raises InputError for an entry without number and name, and a number given twice.
    """
    if not isinstance(entries, list):
        raise InputError(f'{where}: expected a list as "categories", got {entries!r:.40}')
    found: dict[int, Category] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or type(entry.get("id")) is not int or not isinstance(entry.get("name"), str):
            raise InputError(f'{where}: a category needs a whole number "id" and a "name", got {entry!r:.60}')
        if entry["id"] in found:
            raise InputError(f"{where}: two categories have the number {entry['id']}")
        found[entry["id"]] = _category(entry)
    return tuple(found.values())


def _category(entry: Mapping[str, Any]) -> Category:
    color = entry.get("color")
    return Category(
        entry["id"],
        entry["name"],
        thing=None if entry.get("isthing") is None else bool(entry["isthing"]),
        frequency=entry.get("frequency"),
        partition=entry.get("partition"),
        color=tuple(color) if isinstance(color, list) and len(color) == 3 else None,
        train_id=entry.get("trainId"),
    )


@cache
def _content(name: str) -> dict[str, Any]:
    known = list_names()
    if name not in known:
        raise InputError(f"there is no category list {name!r}: choose one of {', '.join(known)}")
    content: dict[str, Any] = json.loads((files(__package__) / _FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content
