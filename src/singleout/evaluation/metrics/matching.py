"""Detections of one scene, an image or a video, put in order and matched to its truths."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

Bool: TypeAlias = npt.NDArray[np.bool_]
Float: TypeAlias = npt.NDArray[np.float64]

THRESHOLDS: Float = np.linspace(0.5, 0.95, 10)
# No overlap is asked to be larger than this, so that equal masks match at a threshold of 1 in spite of rounding.
_LARGEST_THRESHOLD = 1 - 1e-10


def ranked(scores: Sequence[float], limit: int | None = None) -> npt.NDArray[np.intp]:
    """Places of the best scores, best first, equal ones in order. Raises InputError for one that is no number."""
    values = np.asarray(scores, np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InputError(f"the score of detection {wrong[0]} is {values[wrong[0]]}: expected a finite number")
    return np.argsort(-values, kind="stable")[:limit]


class Scored(Protocol):
    """A detection of any kind."""

    @property
    def category_id(self) -> int:
        """Number of its category."""

    @property
    def score(self) -> float:
        """How sure the system is; only the order counts."""


Detection = TypeVar("Detection", bound=Scored)


def best_of_each(detections: Sequence[Detection], categories: Container[int], limit: int) -> dict[int, list[Detection]]:
    """The detections of a scene by category, best first, no more than `limit` of each, none of other categories.

    Raises InputError for a score that is no number.
    """
    found: dict[int, list[Detection]] = {}
    for place in ranked([detection.score for detection in detections]):
        detection = detections[place]
        if detection.category_id in categories:
            group = found.setdefault(detection.category_id, [])
            if len(group) < limit:
                group.append(detection)
    return found


def match(ious: Float, ignored: Bool, crowd: Bool) -> tuple[Bool, Bool]:
    """Which detections find a truth, and which of them one that is ignored, both (areas, thresholds, detections).

    ious: (detections, truths), best score first. ignored: (areas, truths). crowd: (truths,), truths that any number of
    detections may take. Each detection takes the free truth of largest overlap, the later one of equals; an ignored
    truth only if there is no other.
    """
    num_detections, num_truths = ious.shape
    shape = (len(ignored), len(THRESHOLDS), num_detections)
    matched, on_ignored = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    if not num_truths:
        return matched, on_ignored
    least = np.minimum(THRESHOLDS, _LARGEST_THRESHOLD)
    free = np.ones((*shape[:2], num_truths), np.bool_)
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    for place in np.flatnonzero(ious.max(axis=1) >= least[0]):
        candidates = np.flatnonzero(ious[place] >= least[0])
        if len(candidates) == 1:
            only = candidates[0]
            found = free[..., only] & (ious[place, only] >= least)
            matched[..., place] = found
            on_ignored[..., place] = found & ignored[:, only, None]
            if not crowd[only]:
                free[..., only] &= ~found
            continue
        possible = free & (ious[place] >= least[:, None])
        counted = possible & ~ignored[:, None]
        possible = np.where(counted.any(axis=-1, keepdims=True), counted, possible)
        # argmax finds the first of equals, so it looks from the end.
        best = num_truths - 1 - np.argmax(np.where(possible, ious[place], -1.0)[..., ::-1], axis=-1)
        found = possible.any(axis=-1)
        matched[..., place] = found
        on_ignored[..., place] = found & ignored[rows, best]
        free[rows, columns, best] &= ~found | crowd[best]
    return matched, on_ignored
