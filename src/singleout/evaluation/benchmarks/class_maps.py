"""What the benchmarks share that score a class at each pixel: asking for classes, and pictures of class numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Benchmark
from singleout.exports.flat import Flat
from singleout.exports.labels import label_of
from singleout.exports.pictures import index_picture
from singleout.media.atomic import atomic_path
from singleout.tracks import FrameCodes, FrameMasks, Tracks

Labels = npt.NDArray[np.integer[Any]]
# Below every probability: the most probable class takes the pixel, however little probable it is.
_ANYTHING = -1.0


@dataclass(frozen=True)
class ClassMaps(Benchmark):
    """Predictions are pictures of class numbers from 0 on, one at every pixel."""

    def adapt(self, masks: FrameMasks | FrameCodes) -> FrameCodes:
        """The most probable class takes each pixel; in the reference that is the first of the largest scores."""
        if isinstance(masks, FrameCodes):
            return masks
        return replace(masks, exclusive=True).coded(_ANYTHING)


def class_numbers(names: Sequence[str]) -> dict[str, int]:
    """The number of each class by its name in one line; of a name that comes again, the first."""
    numbers: dict[str, int] = {}
    for number, name in enumerate(names):
        numbers.setdefault(" ".join(name.split()), number)
    return numbers


def label_maps(tracks: Tracks, names: Sequence[str]) -> list[Labels]:
    """The class number at each pixel of each frame, (height, width).

    A pixel that no object claims takes the class of the nearest one that has any, since a prediction must not have
    holes; a frame without anything is class 0. Raises InputError for an object of another class.
    """
    numbers = {name.casefold(): number for name, number in class_numbers(names).items()}
    place_of = np.full(max(tracks.ids, default=0) + 1, -1, np.int32)
    for key in tracks.ids:
        label = label_of(tracks.objects[key])
        if label.casefold() not in numbers:
            raise InputError(
                f"the model gave the class {label!r}, which is not one of the {len(names)} it was asked for"
            )
        place_of[key] = numbers[label.casefold()]
    flat = Flat(tracks, "semantic")
    return [_filled(place_of[flat.ids(frame)]) for frame in range(tracks.num_frames)]


def write_map(labels: Labels, path: Path, *, sixteen_bit: bool) -> None:
    """A picture of class numbers: a grey PNG of 8 bits, or of 16."""
    with atomic_path(path) as temporary:
        index_picture(labels, sixteen_bit=sixteen_bit).save(temporary, format="PNG")


def _filled(labels: Labels) -> Labels:
    from scipy.ndimage import distance_transform_edt

    empty = labels < 0
    if not empty.any():
        return labels
    if empty.all():
        return np.zeros_like(labels)
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    filled: Labels = labels[tuple(nearest)]
    return filled
