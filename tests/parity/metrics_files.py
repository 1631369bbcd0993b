"""Reading the inputs of the metrics' goldens, in the layouts that the official evaluators read.

Plain readers on purpose: the readers of the package are not what a metric's golden tests, and what they would refuse
must reach the metric here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as codes
from tests.parity.goldens import CannotReplayError

PART = "metrics"
EXPECTED = "expected.json"


def read_json(path: Path) -> Any:
    """What a json file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def keys_of(path: Path) -> set[str]:
    """The outermost keys of a json file; none where it holds no object or cannot be read."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return set()
    return set(content) if isinstance(content, dict) else set()


def expects(path: Path, *keys: str) -> bool:
    """Whether a file is the ``expected.json`` of an evaluator whose results have these outermost keys."""
    return path.name == EXPECTED and path.suffix == ".json" and set(keys) <= keys_of(path)


def owner(path: Path, inputs: Iterable[str]) -> Path | None:
    """The ``expected.json`` that an input goes with; `inputs` are names of files or folders beside it."""
    names = set(inputs)
    for folder in path.parents[:5]:
        if (folder / EXPECTED).is_file():
            return folder / EXPECTED if path.relative_to(folder).parts[0] in names else None
    return None


def read_ids(path: Path) -> npt.NDArray[np.int32]:
    """A picture of ids: palette indices, grey values, or R + 256 G + 65536 B. (height, width) int32."""
    if not path.is_file():
        raise CannotReplayError(f"{path} is missing")
    with Image.open(path) as picture:
        values = np.asarray(picture).astype(np.int32)
    return values if values.ndim == 2 else values[..., 0] + 256 * values[..., 1] + 65536 * values[..., 2]


def same_frames(truth: Path, found: Path) -> list[str]:
    """Names of the pictures of two folders, which must have the same ones."""
    wanted, offered = ({entry.name for entry in folder.glob("*.png")} for folder in (truth, found))
    for folder, lacks in ((found, wanted - offered), (truth, offered - wanted)):
        if lacks:
            raise CannotReplayError(f"{folder / min(lacks)} is missing")
    if not wanted:
        raise CannotReplayError(f"{truth} has no frames")
    return sorted(wanted)


def code_of(segmentation: Any, height: int, width: int) -> dict[str, Any] | None:
    """A run-length code as pycocotools takes it, from polygons, a list of counts, a string, or nothing."""
    if segmentation is None:
        return None
    code: dict[str, Any] = segmentation
    if isinstance(segmentation, list):
        code = codes.merge(codes.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        code = codes.frPyObjects(segmentation, height, width)
    return code
