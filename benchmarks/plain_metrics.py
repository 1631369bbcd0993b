"""The plainest correct way to compute five metrics: what the fast ones are tested against and measured beside.

Written from the definitions, frame by frame and window by window, with no regard to speed beyond array arithmetic.
Every definition is named in `singleout.evaluation.metrics`; here they are only spelled out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as codes
from scipy.ndimage import distance_transform_edt

Bool = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


def region(found: Bool, truth: Bool) -> float:
    """J of two (height, width) masks: intersection over union, 1 where both are empty."""
    union = np.count_nonzero(found | truth)
    return 1.0 if union == 0 else float(np.count_nonzero(found & truth) / union)


def contour(found: Bool, truth: Bool) -> float:
    """F of two (height, width) masks, by the distance of every pixel of the picture to both boundaries."""
    radius = math.ceil(0.008 * math.hypot(*truth.shape))
    mine, theirs = boundary(found), boundary(truth)
    if not mine.any() or not theirs.any():
        return float(mine.any() == theirs.any())
    precision = np.count_nonzero(distance_transform_edt(~theirs)[mine] <= radius) / np.count_nonzero(mine)
    recall = np.count_nonzero(distance_transform_edt(~mine)[theirs] <= radius) / np.count_nonzero(theirs)
    return 0.0 if precision + recall == 0 else float(2 * precision * recall / (precision + recall))


def boundary(mask: Bool) -> Bool:
    """Pixels that differ from their right, lower or lower right neighbour; none of those is beyond the picture."""
    right, below = np.zeros_like(mask), np.zeros_like(mask)
    right[:, :-1] = mask[:, :-1] != mask[:, 1:]
    below[:-1] = mask[:-1] != mask[1:]
    across = np.zeros_like(mask)
    across[:-1, :-1] = mask[:-1, :-1] != mask[1:, 1:]
    # On the last row and column only the neighbour along the border is looked at.
    right[:, -1], below[-1] = False, False
    return right | below | across


@dataclass(frozen=True)
class PanopticVideo:
    """Id maps (num_frames, height, width), and the category of each id by frame; id 0 is void, no segment is crowd."""

    truth: Ids
    truth_categories: Sequence[Mapping[int, int]]
    found: Ids
    found_categories: Sequence[Mapping[int, int]]


def video_panoptic_quality(videos: Iterable[PanopticVideo], window: int) -> float:
    """PQ of windows of so many frames, as a fraction; each window is one picture (Kim et al., CVPR 2020)."""
    true_positives: dict[int, int] = defaultdict(int)
    false_positives: dict[int, int] = defaultdict(int)
    false_negatives: dict[int, int] = defaultdict(int)
    overlap: dict[int, float] = defaultdict(float)
    for video in videos:
        for start in range(len(video.truth) - window + 1):
            frames = slice(start, start + window)
            wanted = _first_categories(video.truth_categories[frames])
            offered = _first_categories(video.found_categories[frames])
            truth, found = video.truth[frames], video.found[frames]
            true_area, found_area = _counts(truth), _counts(found)
            both = _pair_counts(truth, found)
            matched_truth, matched_found = set(), set()
            for (one, other), common in both.items():
                if one == 0 or other == 0 or wanted[one] != offered[other]:
                    continue
                union = true_area[one] + found_area[other] - common - both.get((0, other), 0)
                if common / union > 0.5:
                    true_positives[wanted[one]] += 1
                    overlap[wanted[one]] += common / union
                    matched_truth.add(one)
                    matched_found.add(other)
            for one, category in wanted.items():
                if one not in matched_truth:
                    false_negatives[category] += 1
            for other, category in offered.items():
                if other not in matched_found and both.get((0, other), 0) / found_area[other] <= 0.5:
                    false_positives[category] += 1
    qualities = [
        overlap[name] / (true_positives[name] + false_positives[name] / 2 + false_negatives[name] / 2)
        for name in sorted({*true_positives, *false_positives, *false_negatives})
    ]
    return float(np.mean(qualities))


def segmentation_tracking_quality(
    videos: Iterable[PanopticVideo], things: Iterable[int], num_classes: int = 124
) -> float:
    """STQ (Weber et al., 2021) as VIPSeg's evaluator computes it, its two oddities included.

    The first segment of a video that is a thing counts as crowd, and predicted void counts as a class.
    """
    confusion = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    quality, num_tubes = 0.0, 0
    is_thing = np.zeros(256, bool)
    is_thing[list(things)] = True
    for video in videos:
        truth_class, truth_tube = _coded(video.truth, video.truth_categories)
        found_class, found_tube = _coded(video.found, video.found_categories)
        rows, columns = (np.where(part == 255, num_classes, part) for part in (truth_class, found_class))
        pairs = (rows * (num_classes + 1) + columns).ravel()
        confusion += np.bincount(pairs, minlength=confusion.size).reshape(confusion.shape)
        crowd = is_thing[truth_class] & (truth_tube == 0)
        of_truth = is_thing[truth_class] & ~crowd
        of_found = is_thing[found_class] & ~crowd
        one, other = truth_class * 65536 + truth_tube, found_class * 65536 + found_tube
        sizes, found_sizes = _counts(one[of_truth]), _counts(other[of_found])
        shared = of_truth & of_found
        for (mine, theirs), common in _pair_counts(one[shared], other[shared]).items():
            union = sizes[mine] + found_sizes[theirs] - common
            quality += common * (common / union) / sizes[mine]
        num_tubes += len(sizes)
    confusion[num_classes] = 0
    right = np.diagonal(confusion)
    either = confusion.sum(0) + confusion.sum(1) - right
    return math.sqrt(quality / num_tubes * float(np.mean(right[either > 0] / either[either > 0])))


@dataclass(frozen=True)
class PlainTrack:
    """A track of a video: a code or None for each frame; the area is stated for truth, the score for results."""

    video: int
    category: int
    codes: Sequence[dict[str, Any] | None]
    score: float = 0.0


def track_average_precision(truth: Sequence[PlainTrack], found: Sequence[PlainTrack]) -> float:
    """AP of tracks over all sizes, up to 100 results for each video and category, no crowd (Yang et al., ICCV 2019)."""
    thresholds = np.linspace(0.5, 0.95, 10)
    groups: dict[tuple[int, int], tuple[list[PlainTrack], list[PlainTrack]]] = defaultdict(lambda: ([], []))
    for track in truth:
        groups[track.category, track.video][0].append(track)
    for track in found:
        groups[track.category, track.video][1].append(track)
    precisions = []
    for category in sorted({track.category for track in truth}):
        scores: list[float] = []
        hits: list[Bool] = []
        num_wanted = 0
        for (_, _), (wanted, offered) in sorted(item for item in groups.items() if item[0][0] == category):
            best = sorted(offered, key=lambda track: -track.score)[:100]
            overlaps = np.array([[track_iou(one, other) for other in wanted] for one in best])
            num_wanted += len(wanted)
            scores += [track.score for track in best]
            hits.append(_matches(overlaps.reshape(len(best), len(wanted)), thresholds))
        order = np.argsort(-np.array(scores), kind="stable")
        all_hits = np.concatenate(hits)[order] if hits else np.zeros((0, len(thresholds)), bool)
        precisions.append([_average_precision(all_hits[:, index], num_wanted) for index in range(len(thresholds))])
    return float(np.mean(precisions))


def track_iou(one: PlainTrack, other: PlainTrack) -> float:
    """Intersection over union of two tracks, summed over the frames."""
    common = union = 0.0
    for mine, theirs in zip(one.codes, other.codes, strict=True):
        if mine is not None and theirs is not None:
            common += float(codes.area(codes.merge([mine, theirs], intersect=True)))
            union += float(codes.area(codes.merge([mine, theirs])))
        elif mine is not None or theirs is not None:
            union += float(codes.area(mine if mine is not None else theirs))
    return common / union if union else 0.0


def semantic_quality(
    pairs: Iterable[tuple[Ids, Ids]], num_classes: int, ignored: int
) -> tuple[float, list[dict[str, Any]]]:
    """OVSeg's mIoU in percent over (found, truth) maps, and the run-length code of every class found in every map."""
    confusion = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    written = []
    for found, truth in pairs:
        rows = np.where(truth == ignored, num_classes, truth).astype(np.int64)
        confusion += np.bincount((found * (num_classes + 1) + rows).ravel(), minlength=confusion.size).reshape(
            confusion.shape
        )
        for label in np.unique(found):
            written.append(codes.encode(np.asfortranarray(found == label).astype(np.uint8)))
    common = np.diagonal(confusion)[:-1].astype(float)
    wanted, offered = confusion[:-1, :-1].sum(0), confusion[:-1, :-1].sum(1)
    union = wanted + offered - common
    return float(100 * (common[wanted > 0] / union[wanted > 0]).sum() / np.count_nonzero(union)), written


def _first_categories(frames: Sequence[Mapping[int, int]]) -> dict[int, int]:
    merged: dict[int, int] = {}
    for categories in frames:
        merged = {**categories, **merged}
    return merged


def _counts(values: Ids) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _pair_counts(first: Ids, second: Ids) -> dict[tuple[int, int], int]:
    pairs = _counts(first.astype(np.int64) * 2**32 + second)
    return {(pair >> 32, pair % 2**32): count for pair, count in pairs.items()}


def _coded(ids: Ids, categories: Sequence[Mapping[int, int]]) -> tuple[Ids, Ids]:
    """Class and tube of every pixel, 255 where no segment is; tubes are numbered as the listings first name them."""
    classes, tubes = np.full(ids.shape, 255, np.int64), np.full(ids.shape, 255, np.int64)
    numbers: dict[int, int] = {}
    for frame, listed in enumerate(categories):
        for name, category in listed.items():
            where = ids[frame] == name
            classes[frame][where] = category
            tubes[frame][where] = numbers.setdefault(name, len(numbers))
    return classes, tubes


def _matches(overlaps: Floats, thresholds: Floats) -> Bool:
    """Which results take a truth at each threshold, (num_results, num_thresholds); rows are in order of score."""
    hits = np.zeros((len(overlaps), len(thresholds)), bool)
    for column, threshold in enumerate(thresholds):
        free = set(range(overlaps.shape[1]))
        for row, values in enumerate(overlaps):
            fitting = [index for index in sorted(free) if values[index] >= min(threshold, 1 - 1e-10)]
            if fitting:
                # Of equal overlaps the later truth wins.
                free.discard(max(fitting, key=lambda index: (values[index], index)))
                hits[row, column] = True
    return hits


def _average_precision(hits: Bool, num_wanted: int) -> float:
    positives = np.cumsum(hits)
    precision = positives / (np.arange(len(hits)) + 1 + np.spacing(1.0))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(positives / num_wanted, np.linspace(0, 1, 101), side="left")
    return float(np.mean([precision[place] if place < len(hits) else 0.0 for place in places]))
