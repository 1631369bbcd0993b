"""ViPOSeg: mask and boundary IoU of things and stuff, seen and unseen in training, and their decay with many objects.

Xu, Yang and Yang, "Video Object Segmentation in Panoptic Wild Scenes", IJCAI 2023. Boundary IoU: Cheng et al.,
"Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.evaluation.metrics import bitmaps
from singleout.evaluation.metrics.bitmaps import Window
from singleout.evaluation.metrics.frames import Floats, Ids, same_size
from singleout.vocabularies.categories import number_table

Bool = npt.NDArray[np.bool_]

GROUPS = ("thing_seen", "thing_unseen", "stuff_seen", "stuff_unseen")
_DILATION_RATIO = 0.02
_MOST_OBJECTS = 60
_CLASS_OF_BOTH_KINDS = 98


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Means over all (frame, object) values of a group, as fractions; NaN where there are none."""

    miou: float
    biou: float

    @property
    def iou(self) -> float:
        """The mean of both."""
        return (self.miou + self.biou) / 2


@dataclass(frozen=True)
class ViposegResult:
    """groups: by the names of `GROUPS`. decay: how fast IoU falls with the number of objects, per 100 objects."""

    groups: Mapping[str, GroupResult]
    decay: float

    @property
    def overall_iou(self) -> float:
        """The mean of the four groups."""
        return float(np.mean([group.iou for group in self.groups.values()]))

    def row(self) -> dict[str, float]:
        """The numbers by their official names, in the order of the official output."""
        values = {
            f"{name}_{kind}": float(getattr(group, kind))
            for kind in ("miou", "biou", "iou")
            for name, group in self.groups.items()
        }
        return {**values, "overall_iou": self.overall_iou, "decay": self.decay}


@dataclass(frozen=True)
class ViposegScores:
    """Values of a video: one for each object in each frame after the one in which it is given.

    frames, object_ids, num_tracked: (num_values,) int64; the last is how many objects were given before that frame.
    j, boundary: (num_values,) float64, mask and boundary IoU.
    """

    frames: npt.NDArray[np.int64]
    object_ids: npt.NDArray[np.int64]
    num_tracked: npt.NDArray[np.int64]
    j: Floats
    boundary: Floats


def group_of(video: str, class_id: int) -> str:
    """The group, of `GROUPS`, of a class (0 to 123) in a video. Raises InputError for another number."""
    table = number_table("viposeg")
    if class_id == _CLASS_OF_BOTH_KINDS:
        return "stuff_unseen" if video in table["class_98_is_unseen_in"] else "stuff_seen"
    for group in GROUPS:
        if class_id in table[group]:
            return group
    raise InputError(f"{video}: there is no class {class_id} in ViPOSeg, whose classes are 0 to 123")


def boundary_distance(shape: tuple[int, ...]) -> int:
    """How many pixels wide the boundary of a mask is in a frame of (height, width): 2 % of its diagonal."""
    return max(1, round(_DILATION_RATIO * math.hypot(*shape)))


def mask_and_boundary_iou(prediction: Bool, truth: Bool) -> tuple[float, float]:
    """IoU of two masks and of their inner boundaries; both 1 if both masks are empty, both 0 if one is.

    prediction, truth: (height, width) bool.
    """
    reach = boundary_distance(truth.shape)
    window = Window.around(prediction | truth, 1)
    if window is None:
        return 1.0, 1.0
    found, wanted = (window.pack(mask[window.rows, window.columns]) for mask in (prediction, truth))
    if not found or not wanted:
        return 0.0, 0.0
    found_edge, wanted_edge = (mask & ~bitmaps.erode_square(mask, window.stride, reach) for mask in (found, wanted))
    return _iou(found, wanted), _iou(found_edge, wanted_edge)


def video_scores(
    frames: Iterable[tuple[Ids | None, Ids]], enters: Mapping[int, int], *, where: str = "the video"
) -> ViposegScores:
    """Mask and boundary IoU of each object in each frame after the one in which it is given.

    frames: prediction and truth of each frame in order, (height, width) ids; a prediction may be None up to the first
    frame in which an object is given. enters: object id to the index of the frame in which it is given.

    Raises InputError, naming `where`, for a prediction that is missing or of another size than its truth.
    """
    rows = []
    for index, (prediction, truth) in enumerate(frames):
        tracked = [number for number in sorted(enters) if enters[number] < index]
        if not tracked:
            continue
        if prediction is None:
            raise InputError(f"{where}, frame {index}: there is no prediction")
        same_size(prediction, truth, f"{where}, frame {index}")
        rows += [
            (index, number, len(tracked), *mask_and_boundary_iou(prediction == number, truth == number))
            for number in tracked
        ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    whole = table[:, :3].astype(np.int64)
    return ViposegScores(whole[:, 0], whole[:, 1], whole[:, 2], table[:, 3], table[:, 4])


class Viposeg:
    """Gathers the videos of a set."""

    def __init__(self) -> None:
        self._values: dict[str, list[Floats]] = {group: [] for group in GROUPS}
        self._by_count: dict[int, list[Floats]] = defaultdict(list)

    def add(self, scores: ViposegScores, groups: Mapping[int, str]) -> None:
        """Count a video. groups: object id to its group, of `GROUPS`, as `group_of` says."""
        values = np.stack([scores.j, scores.boundary], axis=1)
        for number in np.unique(scores.object_ids).tolist():
            self._values[groups[number]].append(values[scores.object_ids == number])
        for count in np.unique(scores.num_tracked).tolist():
            self._by_count[count].append(values[scores.num_tracked == count])

    def result(self) -> ViposegResult:
        """The numbers of all videos so far."""
        groups = {group: GroupResult(*_mean(values)) for group, values in self._values.items()}
        return ViposegResult(groups, self._decay())

    def _decay(self) -> float:
        """The slope, through the origin, of -ln(mean IoU) against the number of objects in hundreds."""
        counts = sorted(count for count in self._by_count if count < _MOST_OBJECTS)
        if not counts:
            return float("nan")
        x = np.array(counts) / 100
        # A count at which nothing is found has no logarithm, and makes the decay infinite as in the official evaluator.
        with np.errstate(divide="ignore"):
            y = -np.log([np.mean(_mean(self._by_count[count])) for count in counts])
        return float(x @ y / (x @ x))


def _iou(found: int, wanted: int) -> float:
    union = (found | wanted).bit_count()
    return (found & wanted).bit_count() / union if union else 0.0


def _mean(values: list[Floats]) -> tuple[float, float]:
    if not values:
        return float("nan"), float("nan")
    j, boundary = np.concatenate(values).mean(axis=0)
    return float(j), float(boundary)
