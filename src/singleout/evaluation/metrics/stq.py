"""Segmentation and tracking quality (STQ) = sqrt(AQ · IoU), of Weber et al., "STEP", NeurIPS 2021 (data sets track).

As google-research/deeplab2 64bc1c1 computes it and VIPSeg's evaluator feeds it: AQ asks whether the pixels of a thing
keep one identity through the video, IoU whether every pixel has the right category.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from singleout.evaluation.metrics.panoptic import ID_BITS, FramePairs, Ints, Segment, check_categories


@dataclass(frozen=True, slots=True)
class TrackingQuality:
    """STQ, AQ and IoU as fractions.

    aq is 0 where the truth has no tube; iou is NaN, and so is stq, where it has no labelled pixel.
    """

    stq: float
    aq: float
    iou: float


@dataclass(frozen=True, slots=True)
class VideoTrackingQuality(TrackingQuality):
    """The same for one video alone. name: of the video; num_frames: how many of its frames were counted."""

    name: str
    num_frames: int


@dataclass(frozen=True, slots=True)
class SetTrackingQuality(TrackingQuality):
    """The same for a set. videos: each alone, in the order they were added.

    confusion: (num_categories + 1, num_categories + 1) int64 pixels, rows truth in order of category, the last row and
    column void; the row of void truth is 0, since what is predicted there does not count.
    """

    videos: tuple[VideoTrackingQuality, ...]
    confusion: Ints


class SegmentationTrackingQuality:
    """STQ over videos, added one after the other.

    categories: id to whether it is a thing. Two quirks of the official evaluators are kept. Predicting void on a
    labelled pixel makes void one more category, with IoU 0, in the mean. And VIPSeg numbers the segments of a video
    from 0 on, where number 0 means crowd to deeplab2: the first segment that the truth lists, if it is a thing, is left
    out of AQ. corrected: void joins no mean, and crowd is what the truth marks as such.
    """

    def __init__(self, categories: Mapping[int, bool], *, corrected: bool = False) -> None:
        self._categories = dict(sorted(categories.items()))
        self._place = {category: place for place, category in enumerate(self._categories)}
        self._corrected = corrected
        self._confusion: Ints = np.zeros((len(self._place) + 1,) * 2, np.int64)
        self._aq = 0.0
        self._num_tubes = 0
        self._videos: list[VideoTrackingQuality] = []

    def add(self, frames: Iterable[FramePairs], *, name: str = "video") -> None:
        """Count a video: its annotated frames in order. Raises InputError for a category unknown to the truth."""
        frames = list(frames)
        check_categories(frames, self._categories, name)
        table = self._table(frames)
        confusion = np.zeros_like(self._confusion)
        np.add.at(confusion, (table.true_place, table.predicted_place), table.pixels)
        confusion[-1] = 0
        aq, num_tubes = self._association(table)
        self._confusion += confusion
        self._aq += aq
        self._num_tubes += num_tubes
        scores = _quality(aq, num_tubes, self._iou(confusion))
        self._videos.append(VideoTrackingQuality(*scores, name=name, num_frames=len(frames)))

    def result(self) -> SetTrackingQuality:
        """The scores of all videos so far."""
        scores = _quality(self._aq, self._num_tubes, self._iou(self._confusion))
        return SetTrackingQuality(*scores, videos=tuple(self._videos), confusion=self._confusion.copy())

    def _table(self, frames: list[FramePairs]) -> _Table:
        void = len(self._place)
        things = np.array([*self._categories.values(), False], np.bool_)
        first = next((segment.id for frame in frames for segment in frame.truth), None)
        columns: list[list[npt.NDArray[np.int64]]] = []
        for frame in frames:
            crowds = {segment.id for segment in frame.truth if segment.iscrowd} if self._corrected else {first}
            true_place = self._places(frame.truth, frame.truth_ids, void)
            predicted_place = self._places(frame.prediction, frame.prediction_ids, void)
            iscrowd = np.isin(frame.truth_ids, [crowd for crowd in crowds if crowd is not None]) & things[true_place]
            columns.append(
                [
                    true_place,
                    predicted_place,
                    frame.pixels,
                    # A tube is a category and an id; -1 where there is none, or none that counts.
                    np.where(things[true_place] & ~iscrowd, (true_place << ID_BITS) | frame.truth_ids, -1),
                    np.where(
                        things[predicted_place] & ~iscrowd, (predicted_place << ID_BITS) | frame.prediction_ids, -1
                    ),
                ]
            )
        if not columns:
            return _Table(*(np.zeros(0, np.int64) for _ in range(5)))
        return _Table(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))

    def _places(self, segments: tuple[Segment, ...], ids: Ints, void: int) -> Ints:
        known = {segment.id: self._place[segment.category] for segment in segments}
        return np.array([known.get(number, void) for number in ids.tolist()], np.int64)

    @staticmethod
    def _association(table: _Table) -> tuple[float, int]:
        """The sum over true tubes of how well predicted tubes of any category cover them, and how many there are."""
        true, true_areas, true_inverse = _areas(table.true_tube, table.pixels)
        _, predicted_areas, predicted_inverse = _areas(table.predicted_tube, table.pixels)
        both = (table.true_tube >= 0) & (table.predicted_tube >= 0)
        num_predicted = max(len(predicted_areas), 1)
        keys, inverse = np.unique(true_inverse[both] * num_predicted + predicted_inverse[both], return_inverse=True)
        overlap = np.bincount(inverse, table.pixels[both], len(keys))
        true_areas, predicted_areas = true_areas[keys // num_predicted], predicted_areas[keys % num_predicted]
        shares = overlap * (overlap / (predicted_areas + true_areas - overlap)) / true_areas
        return float(shares.sum()), len(true) - int(len(true) > 0 and true[0] < 0)

    def _iou(self, confusion: Ints) -> float:
        hits = confusion.diagonal()
        union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
        if self._corrected:
            hits, union = hits[:-1], union[:-1]
        occurs = union > 0
        return float((hits[occurs] / union[occurs]).mean()) if occurs.any() else np.nan


@dataclass(frozen=True, slots=True)
class _Table:
    """One row a pair of ids in a frame.

    Places count the sorted categories, void last; a tube is -1 where none counts.
    """

    true_place: Ints
    predicted_place: Ints
    pixels: Ints
    true_tube: Ints
    predicted_tube: Ints


def _areas(tubes: Ints, pixels: Ints) -> tuple[Ints, npt.NDArray[np.float64], Ints]:
    values, inverse = np.unique(tubes, return_inverse=True)
    return (
        values.astype(np.int64),
        np.bincount(inverse, pixels, len(values)).astype(np.float64),
        inverse.astype(np.int64),
    )


def _quality(aq: float, num_tubes: int, iou: float) -> tuple[float, float, float]:
    mean = aq / num_tubes if num_tubes else 0.0
    return float(np.sqrt(mean * iou)), mean, iou
