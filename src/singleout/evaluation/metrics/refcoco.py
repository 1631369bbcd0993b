"""RefCOCO, RefCOCO+ and RefCOCOg, as ReferFormer's pre-training and as UNINEXT score them.

The three sets: Yu et al., "Modeling Context in Referring Expressions", ECCV 2016, and Mao et al., "Generation and
Comprehension of Unambiguous Object Descriptions", CVPR 2016. Evaluators: ReferFormer (06fc218) and UNINEXT (5ab0386).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from singleout.data.records import ImageAnnotation, ImageResult
from singleout.errors import InputError
from singleout.evaluation.metrics.image_ap import ImageAP, mask_of
from singleout.evaluation.metrics.precision import SceneId
from singleout.evaluation.metrics.rles import shared_and_union
from singleout.evaluation.metrics.sentences import LEVELS, Overlaps, OverlapScores, best_of, smoothed_iou

Box: TypeAlias = tuple[float, float, float, float]
Float32: TypeAlias = npt.NDArray[np.float32]
_Numbers: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]

RANKS = (1, 5, 10)
_LEAST_GIOU = 0.5


@dataclass(frozen=True)
class RefCocoScores:
    """Scores as fractions.

    box_precision: for each data set and each of `RANKS` the share of sentences of which one of the first results has a
    generalised IoU of 0.5 or more. boxes, masks: of the best result. ap: COCO's twelve numbers of masks; its sizes are
    not sizes, see `RefCocoMetrics`.
    """

    box_precision: Mapping[str, Mapping[int, float]]
    boxes: OverlapScores
    masks: OverlapScores
    ap: Mapping[str, float]


class RefCocoMetrics:
    """Scores sentence by sentence, as ReferFormer, SOC and MUTR do in pre-training.

    The boxes of results are left, top, right, bottom; those of truths left, top, width, height. The official code hands
    its results to COCO's evaluator with these boxes, which takes the third number times the fourth for the size of the
    object, so that APs, APm, APl, ARs, ARm and ARl have no meaning. They are kept as published.

    sizes_of_masks: take the pixels of the masks for sizes instead.
    """

    def __init__(self, *, sizes_of_masks: bool = False) -> None:
        self._hits: dict[str, list[list[bool]]] = {}
        self._boxes = Overlaps()
        self._masks = Overlaps()
        self._ap = ImageAP(None, box_areas=not sizes_of_masks)

    def add(self, truth: ImageAnnotation, results: Sequence[ImageResult], *, dataset_name: str) -> None:
        """Score one sentence; its id is the `image_id` of truth and results, results in the order of the file.

        Raises InputError for a sentence without a result or added before, a box of negative size, and as `ImageAP.add`
        does.
        """
        key = truth.image_id
        best = best_of(results, key)
        box = np.array([_corner_box_of(best, key)], np.float32)
        self._ap.add(key, [truth], results)
        # Equal scores are put in order by their boxes, largest numbers first.
        ordered = sorted(((result.score, _corner_box_of(result, key)) for result in results), reverse=True)
        true = _corners(truth.box)
        likeness = generalized_ious([corners for _, corners in ordered], true)
        hits = [bool(likeness[:rank].max() >= _LEAST_GIOU) for rank in RANKS]
        self._hits.setdefault(dataset_name, []).append(hits)
        shared, union = _box_overlap(box, np.array(true, np.float32))
        self._boxes.add(key, smoothed_iou(shared[0], union[0]), float(shared[0]), float(union[0]))
        pixels = shared_and_union(mask_of(best), mask_of(truth))
        self._masks.add(key, smoothed_iou(*pixels), *pixels)

    def result(self) -> RefCocoScores:
        """The scores of all sentences that were added. Raises InputError if there were none."""
        precision = {
            name: dict(zip(RANKS, np.mean(hits, axis=0).tolist(), strict=True)) for name, hits in self._hits.items()
        }
        return RefCocoScores(precision, self._boxes.result(), self._masks.result(), self._ap.result().summary)


@dataclass(frozen=True)
class UninextScores:
    """Scores in percent. box_precision_at: for each of the five levels. overall_iou, mean_iou: of masks."""

    box_precision_at: Mapping[float, float]
    overall_iou: float
    mean_iou: float


class UninextRefCocoMetrics:
    """Scores sentence by sentence with one result each, as UNINEXT does: double precision, boxes with width, height."""

    def __init__(self) -> None:
        self._boxes = Overlaps()
        self._masks = Overlaps()
        self._seen: set[SceneId] = set()

    def add(self, truth: ImageAnnotation, result: ImageResult) -> None:
        """Score one sentence. Raises InputError for one added before, and where the result is of another sentence."""
        key = truth.image_id
        if result.image_id != key:
            raise InputError(f"a result of sentence {result.image_id!r} was given for sentence {key!r}")
        if key in self._seen:
            raise InputError(f"sentence {key!r} was scored before: give one result for each sentence")
        self._seen.add(key)
        corners = np.array([_corners(_box_of(result, key))])
        shared, union = _box_overlap(corners, np.array(_corners(truth.box)))
        self._boxes.add(key, float(shared[0] / union[0]) if union[0] else 0.0, float(shared[0]), float(union[0]))
        both, either = shared_and_union(mask_of(result), mask_of(truth))
        self._masks.add(key, both / either if either else 0.0, both, either)

    def result(self) -> UninextScores:
        """The scores of all sentences that were added. Raises InputError if there were none."""
        boxes, masks = self._boxes.result(), self._masks.result()
        return UninextScores(
            {level: 100 * boxes.precision_at[level] for level in LEVELS},
            100 * masks.overall_iou,
            100 * masks.mean_iou,
        )


def generalized_ious(boxes: Sequence[Box], truth: Box) -> Float32:
    """Generalised IoU of boxes with one, all left, top, right, bottom: (boxes,), in single precision as published.

    Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019.
    """
    first, second = np.array(boxes, np.float32).reshape(-1, 4), np.array(truth, np.float32)
    shared, union = _box_overlap(first, second)
    sides = np.maximum(first[:, 2:], second[2:]) - np.minimum(first[:, :2], second[:2])
    around = sides[:, 0] * sides[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Two boxes without area have nothing in common that could be told.
        found: Float32 = np.nan_to_num(shared / union - (around - union) / around)
    return found


def _box_overlap(boxes: _Numbers, truth: _Numbers) -> tuple[_Numbers, _Numbers]:
    """What boxes share with one, and what either covers, (boxes,) each, in the precision of the input."""
    sides = np.clip(np.minimum(boxes[:, 2:], truth[2:]) - np.maximum(boxes[:, :2], truth[:2]), 0, None)
    shared = sides[:, 0] * sides[:, 1]
    own, other = boxes[:, 2:] - boxes[:, :2], truth[2:] - truth[:2]
    return shared, own[:, 0] * own[:, 1] + other[0] * other[1] - shared


def _box_of(result: ImageResult, sentence_id: SceneId) -> Box:
    if result.box is None:
        raise InputError(f'sentence {sentence_id!r}: a result has no "bbox", and boxes are compared here')
    return result.box


def _corner_box_of(result: ImageResult, sentence_id: SceneId) -> Box:
    box = _box_of(result, sentence_id)
    if box[2] < box[0] or box[3] < box[1]:
        raise InputError(f"sentence {sentence_id!r}: a box is {box}: expected left, top, right, bottom")
    return box


def _corners(box: Box) -> Box:
    left, top, width, height = box
    return left, top, left + width, top + height
