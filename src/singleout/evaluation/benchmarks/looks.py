"""Frames of an object for the report, read from disk when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.evaluation.report.values import Look

Bool = npt.NDArray[np.bool_]
Masks = Callable[[str], Bool]
"""Gives the mask of an object in a frame, (height, width), by the name of the frame."""


def look_at(frames: Sequence[str], images: Mapping[str, Path], truth: Masks, predicted: Masks) -> Callable[[int], Look]:
    """How to see one of these frames. images: the picture of each frame by its name; it need not be there."""

    def look(index: int) -> Look:
        name = frames[index]
        return Look(f"frame {name}", truth(name), predicted(name), read_picture(images.get(name)))

    return look


def one_id(read: Callable[[str], npt.NDArray[np.integer[Any]]], number: int) -> Masks:
    """The mask of one object, where `read` gives the ids of a frame."""

    def mask(frame: str) -> Bool:
        found: Bool = read(frame) == number
        return found

    return mask


def read_picture(path: Path | None) -> npt.NDArray[np.uint8] | None:
    """A picture as (height, width, 3) uint8 RGB; None where there is none or it cannot be read."""
    from PIL import Image

    if path is None or not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        # A report without this picture is better than none: scores need the truth only.
        return None
