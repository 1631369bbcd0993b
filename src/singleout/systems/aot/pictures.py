"""Between pictures and the network: sizes, the official cubic filter, normalisation, labels.

The official code resizes frames by OpenCV, in float and without clipping. The filter here is the same sum of the same
weights (Keys' cubic with a = -0.75), so that OpenCV is not needed.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.aot.values import Size

Picture = npt.NDArray[np.uint8]

LONGEST = 480 * 1.3 * 800 / 480  # pixels of the longer side, which the published evaluation allows
_STEP = 16
_SHARPNESS = -0.75
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network_size(
    size: Size, *, align_corners: bool, scale: float = 1.0, shortest: float | None = None, longest: float = LONGEST
) -> Size:
    """The size at which a frame of `size` is looked at; proportions change a little.

    shortest, longest: what the sides may have at the most, before the scale. Pictures are not enlarged but by `scale`.
    Sizes are multiples of 16, plus 1 where corners are aligned, rounded half to even as published.
    """
    height, width = float(size[0]), float(size[1])
    if shortest is not None and min(height, width) > shortest:
        shrink = shortest / min(height, width)
        height, width = height * shrink, width * shrink
    if max(height, width) > longest:
        shrink = longest / max(height, width)
        height, width = height * shrink, width * shrink
    extra = 1 if align_corners else 0
    sides = [round((int(side * scale) - extra) / _STEP) * _STEP + extra for side in (height, width)]
    return max(sides[0], _STEP + extra), max(sides[1], _STEP + extra)


@lru_cache(maxsize=32)
def _taps(source: int, target: int) -> tuple[Tensor, Tensor]:
    """For each target row the four source rows, (4, target), and their weights, (4, target) float32."""
    # Half of this in double, half in float, as OpenCV does it.
    centres = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    first = np.floor(centres)
    x = (centres - first).astype(np.float32)
    a, one = np.float32(_SHARPNESS), np.float32(1)
    before = ((a * (x + one) - 5 * a) * (x + one) + 8 * a) * (x + one) - 4 * a
    here = ((a + 2) * x - (a + 3)) * x * x + one
    there = ((a + 2) * (one - x) - (a + 3)) * (one - x) * (one - x) + one
    weights = np.stack([before, here, there, one - before - here - there]).astype(np.float32)
    rows = np.clip(first.astype(np.int64) + np.arange(-1, 3)[:, None], 0, source - 1)
    return torch.from_numpy(rows), torch.from_numpy(weights)


def resize_cubic(picture: Tensor, size: Size) -> Tensor:
    """picture: (height, width, channels) float32, to (*size, channels), without clipping."""
    for axis in (1, 0):
        if picture.shape[axis] == size[axis]:
            continue
        rows, weights = _taps(picture.shape[axis], size[axis])
        shape = (-1, 1, 1) if axis == 0 else (-1, 1)
        picture = sum(  # type: ignore[assignment]
            picture.index_select(axis, rows[tap].to(picture.device)) * weights[tap].to(picture.device).view(shape)
            for tap in range(4)
        )
    return picture


def prepare(picture: Picture, size: Size, device: torch.device | None = None) -> Tensor:
    """A frame (height, width, 3) uint8 RGB as the network takes it: (1, 3, *size) float32, normalised."""
    # Torch cannot promise not to write, so it is not handed an array that must not be written to.
    own = np.ascontiguousarray(picture) if picture.flags.writeable else picture.copy()
    resized = resize_cubic(torch.from_numpy(own).to(device).float(), size) / 255
    mean, std = resized.new_tensor(_MEAN), resized.new_tensor(_STD)
    return ((resized - mean) / std).permute(2, 0, 1)[None]


def resize_labels(labels: Tensor, size: Size) -> Tensor:
    """Labels (height, width) to (*size), nearest: place i takes floor(i * ratio)."""
    if labels.shape == size:
        return labels
    return F.interpolate(labels[None, None].float(), size, mode="nearest")[0, 0].to(labels.dtype)


def davis_size(size: Size) -> Size:
    """The size at which the DAVIS evaluation decides and writes: 480 rows, whatever the frames have."""
    return 480, math.ceil(size[1] * 480 / size[0])
