"""Names, numbers and templates that OVSeg is evaluated with, beside the packaged lists (section 7 of its README)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.parity.goldens import CannotReplayError, Comparison, Context

from singleout.data.semantic import LAYOUTS
from singleout.vocabularies import IMAGENET, VILD
from singleout.vocabularies.categories import categories, number_table

PART = "ovseg"
LISTS = {
    "a150": "ade20k_150",
    "a847": "ade20k_847",
    "pc59": "pascal_context_59",
    "pc459": "pascal_context_459",
    "pas20": "pascal_voc_20",
    "coco_stuff_171": "coco_stuff_171",
}
TEMPLATES = {"vild": VILD, "imagenet": IMAGENET}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    found = _read(path) if path.suffix == ".json" else {}
    return "templates" in found and bool(set(found) & set(LISTS))


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    for name in golden.names():
        golden.input(name)
    for key, content in _read(path).items():
        if key == "templates":
            for name, templates in content.items():
                # As a set: the mean over templates does not depend on their order.
                yield Comparison(f"templates/{name}", np.array(sorted(TEMPLATES[name])), np.array(sorted(templates)))
            continue
        if key not in LISTS:
            raise CannotReplayError(f"unknown names {key}")
        layout = LAYOUTS[LISTS[key]]
        # Blanks around a name are taken off before it is asked.
        yield Comparison(
            f"{key}/names", np.array([name.strip() for name in layout.class_names]), np.array(content["names"])
        )
        yield Comparison(f"{key}/ignore", layout.ignore, content["ignore"])
        if "source_ids" in content:
            yield Comparison(f"{key}/source_ids", np.array(_source_ids(LISTS[key])), np.array(content["source_ids"]))


def _source_ids(name: str) -> list[int]:
    """The number of each class in the pictures that the authors convert from."""
    if name == "coco_stuff_171":
        table = {train_id: int(number) for number, train_id in number_table("coco_stuff_raw").items() if train_id < 255}
        return [table[place] for place in range(len(table))]
    return [each.id for each in sorted(categories(name), key=lambda each: each.train_id or 0)]


def _read(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
