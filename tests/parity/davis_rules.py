"""Predictions that are drawn from true masks by rule: what the goldens of J and F were made with.

The rules are those of section 12 of the metrics' README. They use no random numbers, so anybody can draw them again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int32]
VOID = 255


def read_mask(path: Path) -> Mask:
    """The true mask of a DAVIS-2016 picture, (height, width) bool."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L")) > 127


def predicted(mask: Mask, frame: int) -> Mask:
    """The prediction for a true mask (height, width) in frame number `frame`."""
    return RULES[frame % len(RULES)](mask)


def semi_supervised_pair(mask: Mask, frame: int) -> tuple[Ids, Ids]:
    """Truth with two objects and void, and a prediction in which the two are in order."""
    found, upper = predicted(mask, frame), _rows(mask) <= _middle(mask) + 3
    return two_objects(mask), np.where(found, np.where(upper, 1, 2), 0).astype(np.int32)


def unsupervised_pair(mask: Mask, frame: int, rule_offset: int = 0) -> tuple[Ids, Ids]:
    """Truth with two objects and void, and proposals: the two exchanged, and a third one that is nothing.

    `rule_offset` is the number of the annotator in Ref-DAVIS.
    """
    found, upper = predicted(mask, frame + rule_offset), _rows(mask) <= _middle(mask) + 3
    proposals = np.where(found, np.where(upper, 2, 1), 0).astype(np.int32)
    corner = proposals[10:60, 10:110]
    corner[corner == 0] = 3
    return two_objects(mask), proposals


def two_objects(mask: Mask) -> Ids:
    """The upper half of the object as 1, the lower as 2, and stripes of void around it."""
    truth = np.where(mask, np.where(_rows(mask) <= _middle(mask), 1, 2), 0).astype(np.int32)
    stripes = np.arange(mask.shape[1]) % 16 < 4
    truth[_dilated(mask, 3) & ~mask & stripes] = VOID
    return truth


def _same(mask: Mask) -> Mask:
    return mask.copy()


def _grown(mask: Mask) -> Mask:
    return _dilated(mask, 5)


def _shrunk(mask: Mask) -> Mask:
    # What lies beyond the picture does not eat into the mask.
    shrunk: Mask = ndimage.minimum_filter(mask, size=9, mode="constant", cval=True)
    return shrunk


def _moved(mask: Mask) -> Mask:
    return _shifted(mask, 6, -9)


def _nothing(mask: Mask) -> Mask:
    return np.zeros_like(mask)


def _moved_and_grown(mask: Mask) -> Mask:
    return _dilated(_shifted(mask, -4, 12), 2)


def _left_half(mask: Mask) -> Mask:
    result = mask.copy()
    result[:, mask.shape[1] // 2 :] = False
    return result


def _with_a_box(mask: Mask) -> Mask:
    height, width = mask.shape
    result = mask.copy()
    result[height // 3 : height // 2, width // 4 : width // 3] = True
    return result


RULES: tuple[Callable[[Mask], Mask], ...] = (
    _same,
    _grown,
    _shrunk,
    _moved,
    _nothing,
    _moved_and_grown,
    _left_half,
    _with_a_box,
)


def _dilated(mask: Mask, times: int) -> Mask:
    """Dilation by a square of 3, so many times over."""
    grown: Mask = ndimage.maximum_filter(mask, size=2 * times + 1, mode="constant", cval=False)
    return grown


def _shifted(mask: Mask, down: int, right: int) -> Mask:
    result = np.zeros_like(mask)
    height, width = mask.shape
    result[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = mask[
        max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return result


def _rows(mask: Mask) -> npt.NDArray[np.intp]:
    return np.arange(mask.shape[0])[:, None]


def _middle(mask: Mask) -> int:
    rows = np.flatnonzero(mask.any(axis=1))
    return int(rows[0] + rows[-1]) // 2 if rows.size else -1
