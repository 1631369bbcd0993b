"""From soft masks at the network's resolution to hard ones at the video's size, one object at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Crop = tuple[slice, slice]


def to_numpy(values: Any) -> npt.NDArray[Any]:
    """An array as it is; a torch tensor of any device and float type as an array, without importing torch."""
    if hasattr(values, "detach"):
        values = values.detach()
        if values.is_floating_point():
            values = values.float()
        values = values.cpu().numpy()
    return np.asarray(values)


def hard_masks(
    masks: Any, scores: npt.NDArray[np.float32], height: int, width: int, *, exclusive: bool, threshold: float
) -> Iterator[tuple[Crop, Bool]]:
    """For each mask in turn, the part of the picture that it can touch and its pixels there.

    masks: (num_objects, mask_height, mask_width) float or bool, array or tensor. A pixel belongs to a mask where its
    value lies above the threshold. exclusive: the largest value wins a pixel, at equal values the larger score, then
    the first in the list. Besides the masks, memory is two pictures, whatever the number of objects.
    """
    if not exclusive:
        for mask in masks:
            crop, values = _enlarged(to_numpy(mask), height, width, threshold)
            yield crop, np.greater(values, threshold)
        return
    best = np.full((height, width), threshold, np.float32)
    owner = np.zeros((height, width), np.int32)
    crops: dict[int, Crop] = {}
    for index in np.argsort(-scores, kind="stable"):
        crop, values = _enlarged(to_numpy(masks[index]), height, width, threshold)
        wins = values > best[crop]
        np.copyto(best[crop], values, where=wins)
        np.copyto(owner[crop], index + 1, where=wins)
        crops[int(index)] = crop
    for index in range(len(masks)):
        yield crops[index], owner[crops[index]] == index + 1


def full_size(mask: Any, height: int, width: int) -> npt.NDArray[np.float32]:
    """Probabilities of one object, of whatever size, at that of the video: (height, width) float32."""
    values = np.zeros((height, width), np.float32)
    crop, part = _enlarged(to_numpy(mask), height, width, 0.0)
    values[crop] = part
    return values


def _enlarged(
    mask: npt.NDArray[Any], height: int, width: int, threshold: float
) -> tuple[Crop, npt.NDArray[np.float32] | Bool]:
    """The values at the video's size, bilinear with half-pixel centres, where they can exceed the threshold."""
    # An interpolated value lies between its four neighbours, so nothing outside their reach can exceed.
    above: Bool = mask if mask.dtype == np.bool_ else mask > threshold
    rows = _reach(np.any(above, axis=1), height)
    columns = _reach(np.any(above, axis=0), width)
    if mask.shape == (height, width):
        return (rows, columns), mask[rows, columns]
    low, high, share = _neighbours(mask.shape[0], height, rows)
    source = mask.astype(np.float32, copy=False)
    tall = _blend(source, low, high, share[:, None], axis=0)
    low, high, share = _neighbours(mask.shape[1], width, columns)
    return (rows, columns), _blend(tall, low, high, share, axis=1)


def _reach(occupied: Bool, target: int) -> slice:
    """The target rows (or columns) that have an occupied source row among their two neighbours."""
    found = np.flatnonzero(occupied)
    if not len(found):
        return slice(0, 0)
    source = len(occupied)
    if source == target:
        return slice(int(found[0]), int(found[-1]) + 1)
    scale = target / source
    start = int(np.floor((found[0] - 0.5) * scale - 0.5))
    stop = int(np.ceil((found[-1] + 1.5) * scale - 0.5)) + 1
    return slice(max(start, 0), min(stop, target))


def _neighbours(
    source: int, target: int, wanted: slice
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """For each wanted target row, the two source rows between which its centre lies and the share of the second."""
    centres = (np.arange(wanted.start, wanted.stop) + 0.5) * (source / target) - 0.5
    centres = np.clip(centres, 0, source - 1)
    low = np.floor(centres).astype(np.intp)
    return low, np.minimum(low + 1, source - 1), (centres - low).astype(np.float32)


def _blend(
    values: npt.NDArray[np.float32],
    low: npt.NDArray[np.intp],
    high: npt.NDArray[np.intp],
    share: npt.NDArray[np.float32],
    axis: int,
) -> npt.NDArray[np.float32]:
    first = values.take(low, axis=axis)
    second = values.take(high, axis=axis)
    second -= first
    second *= share
    first += second
    return first


def stacked(parts: Iterator[tuple[Crop, Bool]], num_objects: int, height: int, width: int) -> Bool:
    """The parts of `hard_masks` in whole pictures: (num_objects, height, width) bool."""
    masks = np.zeros((num_objects, height, width), np.bool_)
    for mask, (crop, pixels) in zip(masks, parts, strict=True):
        mask[crop] = pixels
    return masks
