"""Panoptic quality (PQ) of images, and the sums and scores that windows of frames share with them.

Kirillov et al., "Panoptic Segmentation", CVPR 2019; as panopticapi 7bb4655 computes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from singleout.errors import InputError
from singleout.evaluation.metrics.panoptic import VOID, FramePairs, Ints, check_categories, place_of
from singleout.evaluation.metrics.pq_windows import Floats, WindowCounts, match_windows


@dataclass(frozen=True, slots=True)
class ClassQuality:
    """One category.

    pq, sq, rq: fractions, 0 where nothing matched; iou: the sum over the matches; tp, fp, fn: numbers of segments.
    """

    pq: float
    sq: float
    rq: float
    iou: float
    tp: int
    fp: int
    fn: int


@dataclass(frozen=True, slots=True)
class MeanQuality:
    """Mean over the categories that occur in truth or prediction, as fractions; NaN if none does."""

    pq: float
    sq: float
    rq: float
    num_categories: int


@dataclass(frozen=True, slots=True)
class PanopticQuality:
    """PQ, SQ and RQ of a whole set. categories: id to quality, only those that occur."""

    all: MeanQuality
    things: MeanQuality
    stuff: MeanQuality
    categories: dict[int, ClassQuality]


class QualitySums:
    """Matches, misses and false alarms of a whole set, per category. categories: id to whether it is a thing.

    numbers: (num_categories,) int64, the ids in ascending order; iou, tp, fp and fn are in this order.
    """

    def __init__(self, categories: Mapping[int, bool]) -> None:
        self.categories = dict(sorted(categories.items()))
        self.numbers: Ints = np.array(list(self.categories), np.int64)
        self.iou: Floats = np.zeros(len(self.categories))
        self.tp, self.fp, self.fn = (np.zeros(len(self.categories), np.int64) for _ in range(3))

    def add(self, counts: WindowCounts) -> None:
        """Add what was counted in windows or images."""
        self.iou += counts.iou
        self.tp += counts.tp
        self.fp += counts.fp
        self.fn += counts.fn

    def result(self) -> PanopticQuality:
        """The scores of what was added."""
        found: dict[int, ClassQuality] = {}
        for number, iou, tp, fp, fn in zip(self.categories, self.iou, self.tp, self.fp, self.fn, strict=True):
            size = tp + fp / 2 + fn / 2
            if size:
                found[number] = ClassQuality(
                    pq=float(iou / size),
                    sq=float(iou / tp) if tp else 0.0,
                    rq=float(tp / size),
                    iou=float(iou),
                    tp=int(tp),
                    fp=int(fp),
                    fn=int(fn),
                )
        things = [quality for number, quality in found.items() if self.categories[number]]
        stuff = [quality for number, quality in found.items() if not self.categories[number]]
        return PanopticQuality(_mean(list(found.values())), _mean(things), _mean(stuff), found)


class ImagePanopticQuality:
    """PQ of single images, added one after the other.

    categories: id to whether it is a thing. Two quirks of panopticapi are kept: it takes the area of a true segment
    from the list, whatever the pixels say, and of several crowd segments of a category it forgives a prediction only
    what lies on the last one. corrected: count the pixels, and forgive all crowd segments.
    """

    def __init__(self, categories: Mapping[int, bool], *, corrected: bool = False) -> None:
        self._sums = QualitySums(categories)
        self._corrected = corrected

    def add(self, frames: Iterable[FramePairs], *, where: str = "images") -> None:
        """Count images. Raises InputError as `VideoPanopticQuality.add` does, and for a true segment without area."""
        frames = list(frames)
        check_frames(frames, self._sums.categories, where)
        counts = match_windows(
            frames, 1, self._sums.numbers, stated_areas=not self._corrected, every_crowd=self._corrected, where=where
        )
        self._sums.add(counts)

    def result(self) -> PanopticQuality:
        """The scores of all images so far."""
        return self._sums.result()


def check_frames(frames: Sequence[FramePairs], categories: Mapping[int, bool], where: str) -> None:
    """Raise InputError where the official tools stop: what a prediction lists is not what its pixels show."""
    check_categories(frames, categories, where)
    for number, frame in enumerate(frames):
        place = place_of(frame, number, where)
        if frame.resized:
            raise InputError(f"{place}: the truth was resized, but PQ needs truth and prediction of one size")
        ids, inverse = np.unique(frame.prediction_ids, return_inverse=True)
        shown = dict(zip(ids.tolist(), np.bincount(inverse, frame.pixels).astype(np.int64).tolist(), strict=True))
        listed = {segment.id for segment in frame.prediction}
        if unlisted := shown.keys() - listed - {VOID}:
            raise InputError(f"{place}: the predicted picture has id {min(unlisted)}, which its list of segments lacks")
        if unseen := listed - shown.keys():
            raise InputError(f"{place}: segment {min(unseen)} is listed in the prediction but has no pixel")
        for segment in frame.prediction:
            if segment.area is not None and segment.area != shown[segment.id]:
                raise InputError(
                    f"{place}: segment {segment.id} of the prediction has {shown[segment.id]} pixels, but its list "
                    f"says {segment.area}"
                )


def _mean(qualities: Sequence[ClassQuality]) -> MeanQuality:
    if not qualities:
        return MeanQuality(np.nan, np.nan, np.nan, 0)
    pq, sq, rq = np.mean([(quality.pq, quality.sq, quality.rq) for quality in qualities], axis=0).tolist()
    return MeanQuality(pq, sq, rq, len(qualities))
