"""Average precision and recall over scenes: the engine that tracks of videos and masks of images share.

A scene is a video or an image. Detections of a scene and category are matched to its truths, best score first, and the
outcomes of all scenes are merged into curves. The method is that of COCO's evaluator (Lin et al. 2014), to the last
rounding: 10 thresholds of IoU from 0.5 to 0.95, precision read at 101 points of recall.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.evaluation.metrics.matching import THRESHOLDS, Bool, Detection, Float, best_of_each, match

SceneId: TypeAlias = int | str

RECALL_POINTS: Float = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class AreaRange:
    """Truths and detections of low <= area <= high pixels. name: all, small, medium or large."""

    name: str
    low: float
    high: float


def area_ranges(small: float, large: float) -> tuple[AreaRange, ...]:
    """The four ranges of an evaluator, split at squares of these sides in pixels."""
    end = 1e10
    return (
        AreaRange("all", 0.0, end),
        AreaRange("small", 0.0, small**2),
        AreaRange("medium", small**2, large**2),
        AreaRange("large", large**2, end),
    )


@dataclass(frozen=True)
class Rules:
    """What evaluators of this family differ in.

    areas: ranges that are scored apart, "all" among them. max_detections: ascending; how many detections of
    a scene and category count, and the largest is what is matched at all. crowds_are_ignored: a detection that matches
    a crowd is neither right nor wrong; False: a crowd is a truth like others, but for taking any number of detections.
    """

    areas: tuple[AreaRange, ...]
    max_detections: tuple[int, ...] = (1, 10, 100)
    crowds_are_ignored: bool = True


@dataclass(frozen=True)
class Curves:
    """Precision and recall of every category.

    precision: (thresholds, recall points, categories, areas, max_detections) float64, -1 for a category without truth.
    recall: (thresholds, categories, areas, max_detections). scores: like precision, the score of the detection at which
    the precision was read. The axes are those of rules and of `THRESHOLDS`, `RECALL_POINTS` and categories.
    """

    rules: Rules
    categories: tuple[int, ...]
    precision: Float
    recall: Float
    scores: Float

    def average_precision(
        self,
        *,
        threshold: float | None = None,
        area: str = "all",
        max_detections: int | None = None,
        categories: Iterable[int] | None = None,
    ) -> float:
        """Mean precision over thresholds, recall points and categories; -1 where no category has truth.

        threshold: one of `THRESHOLDS`, None for all. max_detections: None for the largest. categories: None for all.
        """
        return self._mean(self.precision, threshold, area, max_detections, categories)

    def average_recall(
        self,
        *,
        threshold: float | None = None,
        area: str = "all",
        max_detections: int | None = None,
        categories: Iterable[int] | None = None,
    ) -> float:
        """Mean recall over thresholds and categories; parameters as in `average_precision`."""
        return self._mean(self.recall, threshold, area, max_detections, categories)

    def _mean(
        self,
        values: Float,
        threshold: float | None,
        area: str,
        max_detections: int | None,
        categories: Iterable[int] | None,
    ) -> float:
        limits = self.rules.max_detections
        limit = limits.index(limits[-1] if max_detections is None else max_detections)
        part = values[..., [each.name for each in self.rules.areas].index(area), limit]
        if categories is not None:
            part = part[..., [self.categories.index(category) for category in categories]]
        if threshold is not None:
            part = part[np.isclose(THRESHOLDS, threshold)]
        known = part[part > -1]
        return float(np.mean(known)) if known.size else -1.0


@dataclass(frozen=True)
class _Outcome:
    """What became of the detections of one scene and category, best score first; num_truths that count, by area."""

    scores: Float
    right: Bool
    wrong: Bool
    num_truths: npt.NDArray[np.intp]


@contextmanager
def naming(scene: str) -> Iterator[None]:
    """Say of which video or image it is that something is wrong."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{scene}: {error}") from error


class Accumulator:
    """Matches scene by scene and keeps the outcomes only, some bytes a detection."""

    def __init__(self, categories: Iterable[int], rules: Rules):
        self.rules = rules
        self.categories = tuple(sorted(set(categories)))
        self._outcomes: dict[int, dict[SceneId, _Outcome]] = {category: {} for category in self.categories}
        self._scenes: set[SceneId] = set()
        self._low = np.array([each.low for each in rules.areas])[:, None]
        self._high = np.array([each.high for each in rules.areas])[:, None]

    def open(self, scene: SceneId, truth_categories: Iterable[int]) -> None:
        """Announce a scene. Raises InputError if it was there before or has truths of an unlisted category."""
        if scene in self._scenes:
            raise InputError("it was scored before: give everything of a video or image at once")
        unknown = sorted(set(truth_categories).difference(self._outcomes))
        if unknown:
            raise InputError(f"there is truth of category {unknown[0]}, which is not in the list of categories")
        self._scenes.add(scene)

    def best(self, detections: Sequence[Detection]) -> dict[int, list[Detection]]:
        """The detections of a scene that are matched, by category, best first. Raises InputError as `ranked` does."""
        return best_of_each(detections, self._outcomes, self.rules.max_detections[-1])

    def add(
        self,
        scene: SceneId,
        category: int,
        *,
        ious: Float,
        scores: Float,
        areas: Float,
        truth_areas: Float,
        crowd: Bool,
        unmatched_are_ignored: bool = False,
    ) -> None:
        """Match the detections of a scene and category.

        ious: (detections, truths). scores, areas: (detections,), of those that `best` gives. truth_areas, crowd:
        (truths,). unmatched_are_ignored: a detection without a truth is not held against the system.
        """
        ignored = (truth_areas < self._low) | (truth_areas > self._high)
        if self.rules.crowds_are_ignored:
            ignored |= crowd
        matched, on_ignored = match(ious, ignored, crowd)
        beyond = ((areas < self._low) | (areas > self._high) | unmatched_are_ignored)[:, None]
        self._outcomes[category][scene] = _Outcome(
            scores,
            right=matched & ~on_ignored,
            wrong=~matched & ~beyond,
            num_truths=np.count_nonzero(~ignored, axis=1),
        )

    def curves(self) -> Curves:
        """Precision and recall of what was added so far."""
        places = (len(self.categories), len(self.rules.areas), len(self.rules.max_detections))
        precision = np.full((len(THRESHOLDS), len(RECALL_POINTS), *places), -1.0)
        recall = np.full((len(THRESHOLDS), *places), -1.0)
        scores = np.full_like(precision, -1.0)
        for place, category in enumerate(self.categories):
            found = self._outcomes[category]
            if found:
                # Scenes in order of their ids, as equal scores stay in that order.
                outcomes = [found[scene] for scene in sorted(found, key=_order)]
                _read_curves(
                    outcomes, self.rules.max_detections, precision[:, :, place], recall[:, place], scores[:, :, place]
                )
        return Curves(self.rules, self.categories, precision, recall, scores)


def summary(curves: Curves) -> dict[str, float]:
    """The twelve numbers of COCO's evaluator, by the names that papers use: AP, AP50, AP75, APs, …, AR1, …, ARl."""
    return {
        "AP": curves.average_precision(),
        "AP50": curves.average_precision(threshold=0.5),
        "AP75": curves.average_precision(threshold=0.75),
        **{f"AP{area[0]}": curves.average_precision(area=area) for area in ("small", "medium", "large")},
        **{f"AR{limit}": curves.average_recall(max_detections=limit) for limit in curves.rules.max_detections},
        **{f"AR{area[0]}": curves.average_recall(area=area) for area in ("small", "medium", "large")},
    }


def _order(scene: SceneId) -> tuple[bool, SceneId]:
    return isinstance(scene, str), scene


def _read_curves(
    outcomes: Sequence[_Outcome], limits: Sequence[int], precision: Float, recall: Float, scores: Float
) -> None:
    """Fill in one category: (thresholds, points, areas, limits), (thresholds, areas, limits), and like the first."""
    num_truths = np.sum([outcome.num_truths for outcome in outcomes], axis=0)
    merged = np.concatenate([outcome.scores for outcome in outcomes])
    order = np.argsort(-merged, kind="stable")
    merged = merged[order]
    rank = np.concatenate([np.arange(len(outcome.scores)) for outcome in outcomes])[order]
    right = np.concatenate([outcome.right for outcome in outcomes], axis=-1)[..., order]
    wrong = np.concatenate([outcome.wrong for outcome in outcomes], axis=-1)[..., order]
    for area in np.flatnonzero(num_truths):
        for place, limit in enumerate(limits):
            if place and limits[place - 1] > rank.max(initial=-1):
                for curves in (precision, recall, scores):
                    curves[..., area, place] = curves[..., area, place - 1]
                continue
            within = rank < limit
            num_right = np.cumsum(right[area][:, within], axis=1).astype(np.float64)
            num_wrong = np.cumsum(wrong[area][:, within], axis=1).astype(np.float64)
            reached = num_right / num_truths[area]
            # What lies beyond the recall that was reached reads the zero behind the last detection.
            curve = np.pad(num_right / (num_wrong + num_right + np.spacing(1)), ((0, 0), (0, 1)))
            curve = np.maximum.accumulate(curve[:, ::-1], axis=1)[:, ::-1]
            at = np.stack([np.searchsorted(row, RECALL_POINTS, side="left") for row in reached])
            precision[..., area, place] = np.take_along_axis(curve, at, axis=1)
            recall[:, area, place] = reached[:, -1] if reached.size else 0.0
            scores[..., area, place] = np.append(merged[within], 0.0)[at]
