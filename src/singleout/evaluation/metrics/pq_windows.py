"""Matching the segments of truth and prediction in every window of a video, each window one tall image.

All windows are matched together, in tables with one row for each (window, true id, predicted id); no pixel is looked at
here, since the overlaps of a window are sums over those of its frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.evaluation.metrics.panoptic import ID_BITS, VOID, FramePairs, Ints, Segment

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class WindowCounts(NamedTuple):
    """Per category, in the order they were given: the sum of IoU over matches, matches, false alarms, misses."""

    iou: Floats
    tp: Ints
    fp: Ints
    fn: Ints


def match_windows(
    frames: Sequence[FramePairs],
    num_frames: int,
    categories: Ints,
    *,
    stated_areas: bool = False,
    every_crowd: bool = False,
    where: str = "video",
) -> WindowCounts:
    """Match the segments in every window of num_frames frames, step 1.

    The category of an id is that of the first frame of the window that lists it. categories: (num_categories,) int64,
    ascending. stated_areas: areas of the truth are those of its lists (windows of one frame only). every_crowd: forgive
    a prediction what lies on any crowd segment of its category, not only on the last one listed.
    """
    size = len(categories)
    if len(frames) < num_frames:
        return WindowCounts(np.zeros(size), *(np.zeros(size, np.int64) for _ in range(3)))
    truth = _Listed([frame.truth for frame in frames], num_frames, categories)
    prediction = _Listed([frame.prediction for frame in frames], num_frames, categories)
    window, true_ids, predicted_ids, overlap = _overlaps(frames, num_frames)
    true, predicted = truth.find(window, true_ids), prediction.find(window, predicted_ids)
    true_areas = truth.stated_areas(where) if stated_areas else _sum(true, overlap, len(truth))
    predicted_areas = _sum(predicted, overlap, len(prediction))
    forgiven = _sum(np.where(true_ids == VOID, predicted, -1), overlap, len(prediction))

    pair = np.flatnonzero((true >= 0) & (predicted >= 0))
    pair = pair[truth.category[true[pair]] == prediction.category[predicted[pair]]]
    true, predicted, overlap = true[pair], predicted[pair], overlap[pair]
    rival = ~truth.iscrowd[true]
    union = (true_areas[true] + predicted_areas[predicted] - overlap - forgiven[predicted])[rival]
    if stated_areas and bool((union == 0).any()):
        raise InputError(f"{where}: the area that the truth lists for a segment is smaller than what covers it")
    iou = overlap[rival] / union
    match = iou > 0.5
    found, used = np.zeros(len(truth), np.bool_), np.zeros(len(prediction), np.bool_)
    found[true[rival][match]] = True
    used[predicted[rival][match]] = True

    on_crowd = (truth.iscrowd if every_crowd else truth.last_crowds())[true]
    forgiven += _sum(predicted[on_crowd], overlap[on_crowd], len(prediction))
    false_alarm = ~used & (forgiven / predicted_areas <= 0.5)
    matched = truth.category[true[rival][match]]
    return WindowCounts(
        iou=np.bincount(matched, iou[match], size).astype(np.float64),
        tp=np.bincount(matched, minlength=size),
        fp=np.bincount(prediction.category[false_alarm], minlength=size),
        fn=np.bincount(truth.category[~found & ~truth.iscrowd], minlength=size),
    )


class _Listed:
    """The segments of every window, each once, as its first frame lists it; category: place in the categories."""

    def __init__(self, lists: Sequence[Sequence[Segment]], num_frames: int, categories: Ints) -> None:
        segments = [segment for listed in lists for segment in listed]
        frame = np.repeat(np.arange(len(lists)), [len(listed) for listed in lists])
        window, row = _in_windows(frame, num_frames, len(lists) - num_frames + 1)
        ids = np.array([segment.id for segment in segments], np.int64)[row]
        # The rows of a window come frame by frame, so the first row of an id is that of its first frame.
        self._keys, self._order = np.unique((window << ID_BITS) | ids, return_index=True)
        self._row = row[self._order]
        self._window = window[self._order]
        self._areas = [segment.area for segment in segments]
        listed = np.array([segment.category for segment in segments], np.int64)[self._row]
        self.category: Ints = np.searchsorted(categories, listed).astype(np.int64)
        self.iscrowd: Bools = np.array([segment.iscrowd for segment in segments], np.bool_)[self._row]

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, window: Ints, ids: Ints) -> Ints:
        """The places of ids in their windows, -1 for what is void or not listed: (num_pairs,)."""
        keys = (window << ID_BITS) | ids
        place = np.searchsorted(self._keys, keys)
        hit = place < len(self._keys)
        hit[hit] = self._keys[place[hit]] == keys[hit]
        return np.where(hit, place, -1)

    def stated_areas(self, where: str) -> Ints:
        """The areas of the lists, of windows of one frame: (num_segments,)."""
        if any(area is None for area in self._areas):
            raise InputError(
                f"{where}: the truth lists a segment without its area, which PQ of images takes from there"
            )
        return np.array(self._areas, np.int64)[self._row]

    def last_crowds(self) -> Bools:
        """Of the crowd segments of each window and category only the one listed last: (num_segments,)."""
        crowd = np.flatnonzero(self.iscrowd)
        crowd = crowd[np.argsort(-self._order[crowd])]
        group = (self._window[crowd] << ID_BITS) | self.category[crowd]
        last = np.zeros(len(self), np.bool_)
        last[crowd[np.unique(group, return_index=True)[1]]] = True
        return last


def _overlaps(frames: Sequence[FramePairs], num_frames: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Window, true id, predicted id and pixels of every pair, each once a window: four of (num_pairs,) int64."""
    frame = np.repeat(np.arange(len(frames)), [len(pairs.pixels) for pairs in frames])
    window, row = _in_windows(frame, num_frames, len(frames) - num_frames + 1)
    true_ids, true = np.unique(np.concatenate([pairs.truth_ids for pairs in frames]), return_inverse=True)
    found_ids, found = np.unique(np.concatenate([pairs.prediction_ids for pairs in frames]), return_inverse=True)
    pixels = np.concatenate([pairs.pixels for pairs in frames])
    # Ids become their ranks, so that a whole row fits into 64 bits.
    keys, inverse = np.unique((window * len(true_ids) + true[row]) * len(found_ids) + found[row], return_inverse=True)
    keys, found = np.divmod(keys, len(found_ids))
    window, true = np.divmod(keys, len(true_ids))
    return window, true_ids[true], found_ids[found], _sum(inverse, pixels[row], len(window))


def _in_windows(frame: Ints, num_frames: int, num_windows: int) -> tuple[Ints, Ints]:
    """Every row once for each window that its frame lies in: (window, row), the rows of a window frame by frame."""
    window = frame - np.arange(num_frames)[:, None]
    turn, row = np.nonzero((window >= 0) & (window < num_windows))
    return window[turn, row], row


def _sum(places: Ints, pixels: Ints, size: int) -> Ints:
    """The pixels of each place, -1 being none: (size,) int64."""
    inside = places >= 0
    return np.bincount(places[inside], pixels[inside], size).astype(np.int64)
