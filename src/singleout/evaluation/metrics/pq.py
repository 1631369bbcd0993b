"""Panoptic quality over images and over windows of frames: matching segments, and the scores of the matches.

PQ is from Kirillov et al., "Panoptic Segmentation", CVPR 2019; a window of frames counts as one tall image in VPQ, Kim
et al., "Video Panoptic Segmentation", CVPR 2020. Equal to panopticapi 7bb4655 and to the tool of VIPSeg (92e1459).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.evaluation.metrics.panoptic import VOID, FramePairs, Ints, Segment, check_categories

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


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
    """Matches, misses and false alarms per category. categories: id to whether it is a thing."""

    def __init__(self, categories: Mapping[int, bool]) -> None:
        self.categories = dict(sorted(categories.items()))
        self.numbers: Ints = np.array(list(self.categories), np.int64)
        self.iou: Floats = np.zeros(len(self.categories))
        self.tp, self.fp, self.fn = (np.zeros(len(self.categories), np.int64) for _ in range(3))

    def add(self, other: QualitySums) -> None:
        """Add what was counted elsewhere, over the same categories."""
        self.iou += other.iou
        self.tp += other.tp
        self.fp += other.fp
        self.fn += other.fn

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
        counted = match_windows(
            frames, 1, self._sums.categories, stated_areas=not self._corrected, every_crowd=self._corrected, where=where
        )
        self._sums.add(counted)

    def result(self) -> PanopticQuality:
        """The scores of all images so far."""
        return self._sums.result()


def check_frames(frames: Sequence[FramePairs], categories: Mapping[int, bool], where: str) -> None:
    """Raise InputError where the official tools stop: what a prediction lists is not what its pixels show."""
    check_categories(frames, categories, where)
    for number, frame in enumerate(frames):
        place = f"{where}, frame {number}"
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


def match_windows(
    frames: Sequence[FramePairs],
    num_frames: int,
    categories: Mapping[int, bool],
    *,
    stated_areas: bool = False,
    every_crowd: bool = False,
    where: str = "video",
) -> QualitySums:
    """Match the segments in every window of num_frames frames, step 1, each window one tall image.

    The category of an id is that of the first frame of the window that lists it. stated_areas: true areas are those of
    the lists (one frame only). every_crowd: see `ImagePanopticQuality`. All windows are counted in one pass over tables
    of (window, true id, predicted id, pixels).
    """
    sums = QualitySums(categories)
    num_windows = len(frames) - num_frames + 1
    if num_windows < 1:
        return sums
    truth = _Listed([frame.truth for frame in frames], num_frames, sums.numbers)
    prediction = _Listed([frame.prediction for frame in frames], num_frames, sums.numbers)
    frame = np.repeat(np.arange(len(frames)), [len(pairs.pixels) for pairs in frames])
    window, row = _in_windows(frame, num_frames, num_windows)
    true_ids, predicted_ids, pixels = (
        np.concatenate([getattr(pairs, name) for pairs in frames])[row]
        for name in ("truth_ids", "prediction_ids", "pixels")
    )
    # A pair is (window, true id, predicted id); ids become their rank so that a pair fits into 64 bits.
    true_values, true_rank = np.unique(true_ids, return_inverse=True)
    predicted_values, predicted_rank = np.unique(predicted_ids, return_inverse=True)
    keys = (window * len(true_values) + true_rank) * len(predicted_values) + predicted_rank
    keys, inverse = np.unique(keys, return_inverse=True)
    overlap = np.bincount(inverse, pixels).astype(np.int64)
    keys, predicted_rank = np.divmod(keys, len(predicted_values))
    window, true_rank = np.divmod(keys, len(true_values))
    on_void = true_values[true_rank] == VOID
    true = truth.find(window, true_values[true_rank])
    predicted = prediction.find(window, predicted_values[predicted_rank])

    true_areas = _sum(true, overlap, len(truth))
    if stated_areas:
        true_areas = truth.stated_areas(where)
    predicted_areas = _sum(predicted, overlap, len(prediction))
    ignored = _sum(np.where(on_void, predicted, -1), overlap, len(prediction))
    same = (true >= 0) & (predicted >= 0)
    same[same] = truth.category[true[same]] == prediction.category[predicted[same]]

    pair = np.flatnonzero(same)
    pair = pair[~truth.iscrowd[true[pair]]]
    union = true_areas[true[pair]] + predicted_areas[predicted[pair]] - overlap[pair] - ignored[predicted[pair]]
    if stated_areas and bool((union == 0).any()):
        raise InputError(f"{where}: the area that the truth states for a segment is smaller than the segment")
    iou = overlap[pair] / union
    matched, iou = pair[iou > 0.5], iou[iou > 0.5]

    found = np.zeros(len(truth), np.bool_)
    found[true[matched]] = True
    used = np.zeros(len(prediction), np.bool_)
    used[predicted[matched]] = True
    crowd = truth.iscrowd if every_crowd else truth.last_crowds()
    on_crowd = np.flatnonzero(same)
    on_crowd = on_crowd[crowd[true[on_crowd]]]
    ignored += _sum(predicted[on_crowd], overlap[on_crowd], len(prediction))
    used |= ignored / predicted_areas > 0.5

    size = len(sums.numbers)
    sums.iou += np.bincount(truth.category[true[matched]], iou, size)
    sums.tp += np.bincount(truth.category[true[matched]], minlength=size)
    sums.fn += np.bincount(truth.category[~found & ~truth.iscrowd], minlength=size)
    sums.fp += np.bincount(prediction.category[~used], minlength=size)
    return sums


class _Listed:
    """The segments of every window, each once, as first listed; category: place in the sorted categories."""

    def __init__(self, lists: Sequence[Sequence[Segment]], num_frames: int, categories: Ints) -> None:
        entries = [segment for segments in lists for segment in segments]
        frame = np.repeat(np.arange(len(lists)), [len(segments) for segments in lists])
        self._window, row = _in_windows(frame, num_frames, len(lists) - num_frames + 1)
        ids = np.array([segment.id for segment in entries], np.int64)[row]
        # Rows of a window come frame by frame, so the first of an id is that of its first frame.
        self._keys, first = np.unique((self._window << 31) | ids, return_index=True)
        row = row[first]
        self._window = self._window[first]
        self._order = first
        self._areas = [entries[index].area for index in row] if num_frames == 1 else []
        listed = np.array([segment.category for segment in entries], np.int64)[row]
        self.category: Ints = np.searchsorted(categories, listed).astype(np.int64)
        self.iscrowd: Bools = np.array([segment.iscrowd for segment in entries], np.bool_)[row]

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, window: Ints, ids: Ints) -> Ints:
        """The places of ids in their windows, -1 for what is void or not listed: (num_pairs,)."""
        keys = (window << 31) | ids
        place = np.searchsorted(self._keys, keys)
        hit = place < len(self._keys)
        hit[hit] = self._keys[place[hit]] == keys[hit]
        return np.where(hit, place, -1)

    def stated_areas(self, where: str) -> Ints:
        """The areas of the lists: (num_segments,)."""
        if any(area is None for area in self._areas):
            raise InputError(
                f"{where}: the truth lists a segment without its area, which PQ of images takes from there"
            )
        return np.array(self._areas, np.int64)

    def last_crowds(self) -> Bools:
        """Of the crowd segments of each window and category only the one listed last: (num_segments,)."""
        crowd = np.flatnonzero(self.iscrowd)
        crowd = crowd[np.argsort(self._order[crowd])][::-1]
        group = self._window[crowd] * (int(self.category.max(initial=0)) + 1) + self.category[crowd]
        last = np.zeros(len(self), np.bool_)
        last[crowd[np.unique(group, return_index=True)[1]]] = True
        return last


def _in_windows(frame: Ints, num_frames: int, num_windows: int) -> tuple[Ints, Ints]:
    """Every row once for each window that its frame lies in: (window, row), the rows of a window frame by frame."""
    window = frame - np.arange(num_frames)[:, None]
    turn, row = np.nonzero((window >= 0) & (window < num_windows))
    return window[turn, row], row


def _sum(places: Ints, pixels: Ints, size: int) -> Ints:
    inside = places >= 0
    return np.bincount(places[inside], pixels[inside], size).astype(np.int64)


def _mean(qualities: Sequence[ClassQuality]) -> MeanQuality:
    if not qualities:
        return MeanQuality(np.nan, np.nan, np.nan, 0)
    pq, sq, rq = np.mean([(quality.pq, quality.sq, quality.rq) for quality in qualities], axis=0).tolist()
    return MeanQuality(pq, sq, rq, len(qualities))
