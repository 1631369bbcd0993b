"""One sentence, one object: P@K, overall and mean IoU, and mAP of A2D-Sentences and JHMDB-Sentences.

The definitions are those of Gavrilyuk et al., "Actor and Action Video Segmentation from a Sentence", CVPR 2018, as
ReferFormer (06fc218), SOC and MUTR compute them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from singleout.data.records import ImageAnnotation, ImageResult
from singleout.errors import InputError
from singleout.evaluation.metrics.image_ap import ImageAP, mask_of
from singleout.evaluation.metrics.matching import ranked
from singleout.evaluation.metrics.precision import SceneId
from singleout.evaluation.metrics.rles import shared_and_union

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
# Added above and below the bar by the official code, so that two empty masks agree.
EPSILON = np.float32(1e-6)
_AP_NAMES = {
    "AP": "mAP 0.5:0.95",
    "AP50": "AP 0.5",
    "AP75": "AP 0.75",
    "APs": "AP 0.5:0.95 S",
    "APm": "AP 0.5:0.95 M",
    "APl": "AP 0.5:0.95 L",
}


@dataclass(frozen=True)
class OverlapScores:
    """Scores of the best result of each sentence, as fractions.

    precision_at: for each of `LEVELS` the share of sentences with a larger IoU. overall_iou: pixels that results share
    with their truths over pixels that either has. mean_iou: over sentences. ious: of each sentence.
    """

    precision_at: Mapping[float, float]
    overall_iou: float
    mean_iou: float
    ious: Mapping[SceneId, float]

    def table(self) -> dict[str, float]:
        """The numbers by their official names: P@0.5, …, overall_iou, mean_iou."""
        return {
            **{f"P@{level}": value for level, value in self.precision_at.items()},
            "overall_iou": self.overall_iou,
            "mean_iou": self.mean_iou,
        }


class Overlaps:
    """Collects what the chosen result of each sentence shares with its truth."""

    def __init__(self) -> None:
        self._ious: dict[SceneId, float] = {}
        self._shared = 0.0
        self._union = 0.0

    def add(self, sentence_id: SceneId, iou: float, shared: float, union: float) -> None:
        """Note one sentence."""
        self._ious[sentence_id] = iou
        self._shared += shared
        self._union += union

    def result(self) -> OverlapScores:
        """The scores of all sentences. Raises InputError if there were none."""
        if not self._ious:
            raise InputError("no sentence was scored: there is nothing to average")
        ious = np.array(list(self._ious.values()))
        return OverlapScores(
            {level: float(np.count_nonzero(ious > level) / len(ious)) for level in LEVELS},
            self._shared / self._union if self._union else 0.0,
            float(ious.mean()),
            dict(self._ious),
        )


@dataclass(frozen=True)
class SentenceScores:
    """The scores of A2D or JHMDB. summary: all numbers by their official names. ap: COCO's twelve numbers."""

    summary: Mapping[str, float]
    overlaps: OverlapScores
    ap: Mapping[str, float]


class SentenceMetrics:
    """Scores sentence by sentence.

    mAP looks at all masks that a model returns, each with its score; keeping only the best one lowers it by some points
    (wjn922/ReferFormer#39). The other numbers look at the best one.
    """

    def __init__(self) -> None:
        self._ap = ImageAP(None)
        self._overlaps = Overlaps()

    def add(self, truth: ImageAnnotation, results: Sequence[ImageResult]) -> None:
        """Score one sentence; its id is the `image_id` of truth and results, results in the order of the file.

        Raises InputError for a sentence without a result or added before, and as `ImageAP.add` does.
        """
        chosen = best_of(results, truth.image_id)
        self._ap.add(truth.image_id, [truth], results)
        shared, union = shared_and_union(mask_of(chosen), mask_of(truth))
        self._overlaps.add(truth.image_id, smoothed_iou(shared, union), shared, union)

    def result(self) -> SentenceScores:
        """The scores of all sentences that were added. Raises InputError if there were none."""
        overlaps = self._overlaps.result()
        ap = self._ap.result().summary
        named = {name: ap[key] for key, name in _AP_NAMES.items()}
        return SentenceScores({**named, **overlaps.table()}, overlaps, ap)


def best_of(results: Sequence[ImageResult], sentence_id: SceneId) -> ImageResult:
    """The result of highest score. Raises InputError if there is none, or for a score that is no number.

    Of equal ones the last is taken: the official code sorts upwards and takes the end, while its AP takes the first.
    """
    if not results:
        raise InputError(f"sentence {sentence_id!r} has no result: a mask, even an empty one, is due for each sentence")
    best = results[ranked([result.score for result in results], 1)[0]].score
    return next(result for result in reversed(results) if result.score == best)


def smoothed_iou(shared: float, union: float) -> float:
    """IoU as the official code computes it, in single precision with `EPSILON`."""
    return float((np.float32(shared) + EPSILON) / (np.float32(union) + EPSILON))
