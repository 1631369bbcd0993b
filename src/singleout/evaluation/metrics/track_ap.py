"""AP and AR of tracks: YouTube-VIS 2019 and 2021, OVIS, and LV-VIS with base and novel categories.

The evaluators are those of Yang et al., "Video Instance Segmentation", ICCV 2019 (cocoapi f3f9948), and of Wang et al.,
"Towards Open-Vocabulary Video Instance Segmentation", ICCV 2023 (LVVIS cc3cdf4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from singleout.data.records import TrackAnnotation, TrackResult
from singleout.errors import InputError
from singleout.evaluation.metrics.matching import Float
from singleout.evaluation.metrics.precision import Accumulator, Curves, Rules, SceneId, area_ranges, naming, summary
from singleout.evaluation.metrics.track_iou import ious, stacks

YTVIS = Rules(area_ranges(128, 256))
# The LV-VIS evaluator reads `iscrowd` when it matches, but does not set crowds aside: a missed crowd is a miss.
LVVIS = Rules(area_ranges(128, 256), crowds_are_ignored=False)


@dataclass(frozen=True)
class TrackScores:
    """AP and AR as fractions, -1 where there is no truth.

    summary: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl, and for each group of categories the names
    AP, AP50, AP75, AR1, AR10 with the group's suffix. per_category: AP, AP50, AP75, AR1, AR10 of each. ious: for each
    video and category that has both, (detections best score first, truths).
    """

    summary: Mapping[str, float]
    per_category: Mapping[int, Mapping[str, float]]
    curves: Curves
    ious: Mapping[tuple[SceneId, int], Float]


class TrackAP:
    """Scores tracks video by video.

    categories: numbers of all categories of the data set. groups: sets of categories that are also averaged apart, by
    the suffix of their names; see `lvvis_groups`.
    """

    def __init__(
        self, categories: Iterable[int], rules: Rules = YTVIS, groups: Mapping[str, Iterable[int]] | None = None
    ):
        self._accumulator = Accumulator(categories, rules)
        self._groups = {suffix: tuple(group) for suffix, group in (groups or {}).items()}
        self._ious: dict[tuple[SceneId, int], Float] = {}

    def add(self, video_id: SceneId, truths: Sequence[TrackAnnotation], results: Sequence[TrackResult]) -> None:
        """Score one video: all its truths and all its results, in the order of their files.

        Every video of the data set is to be added, also one without results. Results of categories that the data set
        does not have are left out, as the official evaluators do. Raises InputError for a video that was added before,
        a track of another video, a true track of an unlisted category, a score that is no number, masks of different
        sizes, and damaged codes.
        """
        with naming(f"video {video_id!r}"):
            tracks: list[TrackAnnotation | TrackResult] = [*truths, *results]
            for track in tracks:
                if track.video_id != video_id:
                    raise InputError(f"a track of video {track.video_id!r} was given for it")
            self._accumulator.open(video_id, [truth.category_id for truth in truths])
            self._match(video_id, truths, self._accumulator.best(results))

    def result(self) -> TrackScores:
        """The scores of all videos that were added."""
        curves = self._accumulator.curves()
        table = summary(curves)
        for suffix, group in self._groups.items():
            table.update({f"{name}{suffix}": value for name, value in _short(curves, group).items()})
        per_category = {category: _short(curves, (category,)) for category in curves.categories}
        return TrackScores(table, per_category, curves, dict(self._ious))

    def _match(
        self, video_id: SceneId, truths: Sequence[TrackAnnotation], best: Mapping[int, Sequence[TrackResult]]
    ) -> None:
        true: dict[int, list[TrackAnnotation]] = {}
        for truth in truths:
            true.setdefault(truth.category_id, []).append(truth)
        groups = [(category, best.get(category, ()), true.get(category, ())) for category in sorted({*true, *best})]
        tracks = [track.segmentations for _, *group in groups for part in group for track in part]
        stacked = iter(stacks(tracks))
        for category, detections, objects in groups:
            found = list(islice(stacked, len(detections)))
            overlap = ious(found, list(islice(stacked, len(objects))))
            if overlap.size:
                self._ious[video_id, category] = overlap
            self._accumulator.add(
                video_id,
                category,
                ious=overlap,
                scores=np.array([detection.score for detection in detections], np.float64),
                areas=np.array([stack.mean_area for stack in found], np.float64),
                truth_areas=np.array([mean_area(truth.areas) for truth in objects], np.float64),
                crowd=np.array([truth.iscrowd for truth in objects], np.bool_),
            )


def mean_area(areas: Sequence[float | None]) -> float:
    """The size of a true track: mean of the stated areas that are not 0 or missing, 0 if there is none."""
    stated = [area for area in areas if area]
    return float(np.mean(stated)) if stated else 0.0


def lvvis_groups(partitions: Mapping[int, int]) -> dict[str, tuple[int, ...]]:
    """Base ("b") and novel ("n") categories of LV-VIS from the `partition` of each: 0 and 1 are base, 2 and 3 novel.

    Raises InputError unless the categories are numbered 1, 2, 3, …: the official evaluator takes the number less one
    for the place in its table, so that it would average others than the ones that are meant.
    """
    if sorted(partitions) != list(range(1, len(partitions) + 1)):
        raise InputError("LV-VIS categories must be numbered 1, 2, 3, … without gaps, as its evaluator counts them")
    wrong = sorted(category for category, partition in partitions.items() if partition not in (0, 1, 2, 3))
    if wrong:
        raise InputError(
            f'LV-VIS category {wrong[0]} has the "partition" {partitions[wrong[0]]}: expected 0, 1, 2 or 3'
        )
    return {
        suffix: tuple(category for category in sorted(partitions) if partitions[category] in members)
        for suffix, members in (("b", (0, 1)), ("n", (2, 3)))
    }


def _short(curves: Curves, group: Sequence[int]) -> dict[str, float]:
    return {
        "AP": curves.average_precision(categories=group),
        "AP50": curves.average_precision(categories=group, threshold=0.5),
        "AP75": curves.average_precision(categories=group, threshold=0.75),
        "AR1": curves.average_recall(categories=group, max_detections=1),
        "AR10": curves.average_recall(categories=group, max_detections=10),
    }
