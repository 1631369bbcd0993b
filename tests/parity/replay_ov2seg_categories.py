"""The names of the rows of OV2Seg's tables beside the packaged lists: section 2 of its README."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.parity.goldens import Comparison, Context

from singleout.vocabularies import categories

PART = "ov2seg"
LISTS = {"lvvis": "lvvis", "ytvis19": "ytvis_2019", "ytvis21": "ytvis_2021", "ovis": "ovis"}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return path.suffix == ".json" and set(_read(path)) == set(LISTS)


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    for key, content in _read(path).items():
        ours = categories(LISTS[key])
        names = content["names"] if isinstance(content, dict) else content
        yield Comparison(f"{key}/names", np.array([each.name for each in ours]), np.array(names))
        if isinstance(content, dict):
            partitions = content["partition"]
            yield Comparison(f"{key}/partitions", np.array([each.partition for each in ours]), np.array(partitions))


def _read(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
