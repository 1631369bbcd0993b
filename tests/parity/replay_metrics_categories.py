"""The packaged category lists beside the reference ones: section 12 of the metrics' README."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.parity.goldens import Comparison, Context
from tests.parity.metrics_files import PART, keys_of, read_json

from singleout.vocabularies.categories import Category, categories, number_table

__all__ = ["PART", "claims", "replay"]
TABLES = {"coco_stuff_raw_pixel_to_train": "coco_stuff_raw", "viposeg": "viposeg"}
# What an entry of the reference is called here; id and name are called the same.
NAMES = {"isthing": "thing", "trainId": "train_id"}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return path.suffix == ".json" and {"ytvis_2019", "vipseg"} <= keys_of(path)


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """One line for each list: its entries as text, which must be equal."""
    for name, content in read_json(path).items():
        if name in TABLES:
            yield Comparison(name, _text(number_table(TABLES[name])), _text(content))
            continue
        ours = categories(name)
        yield Comparison(f"{name} (number of categories)", len(ours), len(content))
        if isinstance(content[0], str):
            yield Comparison(name, [each.name for each in ours], content)
        else:
            wanted = [{NAMES.get(key, key): value for key, value in entry.items()} for entry in content]
            yield Comparison(name, [_text(_known(each)) for each in ours], [_text(entry) for entry in wanted])


def _known(category: Category) -> dict[str, Any]:
    """What the list says of a category, as the reference writes it."""
    values = {field.name: getattr(category, field.name) for field in fields(category)}
    return {name: int(value) if name == "thing" else value for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
