"""Semantic segmentation: mIoU, fwIoU, mACC and pACC of label maps, in the variants of three evaluators.

As OVSeg 36f49d4, detectron2 02b5c4e and the matrix evaluator of VSPW (2dcd3fc) compute them. They count alike and
differ in what they divide by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer]
Variant = Literal["ovseg", "detectron2", "vspw"]

# Of the diagonal of the picture: how far a boundary reaches inwards (Cheng et al., "Boundary IoU", CVPR 2021).
_BOUNDARY = 0.02


@dataclass(frozen=True, slots=True)
class SubsetScores:
    """Scores of the classes of an evaluation set, and of all others, as fractions.

    hiou: the harmonic mean of both mIoU.
    """

    miou: float
    pacc: float
    miou_others: float
    pacc_others: float
    hiou: float


@dataclass(frozen=True, slots=True)
class SemanticScores:
    """Scores of a set of label maps, as fractions.

    miou, fwiou, macc, pacc: see `SemanticConfusion.result`. iou, acc: (num_classes,) float64, NaN for classes that are
    not in the truth. boundary_iou: likewise, NaN where no boundary has the class; None if it was not asked for.
    subsets: name of an evaluation set to its scores.
    """

    miou: float
    fwiou: float
    macc: float
    pacc: float
    iou: Floats
    acc: Floats
    boundary_iou: Floats | None = None
    subsets: dict[str, SubsetScores] = field(default_factory=dict)


class SemanticConfusion:
    """Counts of (true class, predicted class) over label maps, added one after the other.

    num_classes: classes are 0 … num_classes - 1. ignore: the label of true pixels that do not count. boundary: count
    boundaries as well, which is slow; only detectron2 reports them, and only for fewer than 255 classes.
    """

    def __init__(self, num_classes: int, *, ignore: int = 255, boundary: bool = False) -> None:
        if num_classes < 1:
            raise InputError(f"the number of classes must be 1 or more, got {num_classes}")
        if boundary and num_classes >= 255:
            raise InputError(f"boundary IoU is for fewer than 255 classes, got {num_classes}")
        self._num_classes = num_classes
        self._ignore = ignore
        size = (num_classes + 1) ** 2
        self._confusion: Ints = np.zeros(size, np.int64)
        self._boundary: Ints | None = np.zeros(size, np.int64) if boundary else None

    @property
    def confusion(self) -> Ints:
        """Pixels so far: (num_classes + 1, num_classes + 1) int64, rows truth, columns prediction.

        The last row holds what is predicted on ignored pixels; the last column is empty.
        """
        return self._square(self._confusion).copy()

    def add(self, truth: Labels, prediction: Labels, *, where: str = "map") -> None:
        """Count one map. truth, prediction: (height, width) int.

        where: the map, for messages. Raises InputError for unequal sizes and for labels beyond the classes.
        """
        if truth.shape != prediction.shape or truth.ndim != 2:
            raise InputError(f"{where}: the truth is {truth.shape} but the prediction is {prediction.shape}")
        if not truth.size:
            return
        most = self._num_classes
        true = truth.astype(np.int64)
        ignored = truth == self._ignore
        # What is ignored becomes one more class, so no label of the truth may be that already.
        if bool((((true < 0) | (true >= most)) & ~ignored).any()):
            raise InputError(
                f"{where}: the truth has labels beyond the {most} classes that are not the ignore label {self._ignore}"
            )
        if int(prediction.min()) < 0 or int(prediction.max()) >= most:
            raise InputError(f"{where}: the prediction has labels beyond the {most} classes (0 to {most - 1})")
        true[ignored] = most
        self._confusion += self._count(true, prediction)
        if self._boundary is not None:
            self._boundary += self._count(_boundaries(true), _boundaries(prediction))

    def result(self, variant: Variant = "ovseg", *, sets: Mapping[str, Sequence[int]] | None = None) -> SemanticScores:
        """The scores of all maps so far.

        pacc: share of right pixels. macc: mean over the classes in the truth of their share of right pixels. fwiou: IoU
        weighted by the pixels of the truth. miou: the sum of IoU over the classes in the truth, divided by the number
        of classes in truth or prediction (variant "ovseg", so a class that is only predicted lowers the mean) or in the
        truth ("detectron2" and "vspw"). sets: name to classes, scored apart as OVSeg's evaluation sets are.
        """
        counts = self._square(self._confusion)[:-1, :-1]
        classes = np.arange(self._num_classes)
        scores = _scores(counts, classes, variant)
        subsets: dict[str, SubsetScores] = {}
        for name, members in (sets or {}).items():
            inside = np.isin(classes, list(members))
            here, others = (_scores(counts, classes[chosen], variant) for chosen in (inside, ~inside))
            with np.errstate(invalid="ignore", divide="ignore"):
                hiou = float(np.float64(2 * here.miou * others.miou) / (here.miou + others.miou))
            subsets[name] = SubsetScores(here.miou, here.pacc, others.miou, others.pacc, hiou)
        boundary = self._boundary_iou() if self._boundary is not None else None
        return SemanticScores(
            scores.miou, scores.fwiou, scores.macc, scores.pacc, scores.iou, scores.acc, boundary, subsets
        )

    def _count(self, truth: Ints, prediction: Labels) -> Ints:
        keys = truth * (self._num_classes + 1)
        np.add(keys, prediction, out=keys, casting="unsafe")
        return np.bincount(keys.ravel(), minlength=len(self._confusion)).astype(np.int64, copy=False)

    def _square(self, counts: Ints) -> Ints:
        return counts.reshape(self._num_classes + 1, self._num_classes + 1)

    def _boundary_iou(self) -> Floats:
        assert self._boundary is not None
        counts = self._square(self._boundary)[:-1, :-1]
        hits = counts.diagonal()
        return _ratio(hits, counts.sum(axis=0) + counts.sum(axis=1) - hits)


def _scores(counts: Ints, classes: Ints, variant: Variant) -> SemanticScores:
    """The scores of some classes, whatever they are mixed up with; NaN if the truth has none of them."""
    true = counts.sum(axis=1)[classes]
    predicted = counts.sum(axis=0)[classes]
    hits = counts.diagonal()[classes]
    occurs = true > 0
    acc = _ratio(hits, true)
    iou = np.where(occurs, _ratio(hits, true + predicted - hits), np.nan)
    divisor = (true + predicted > 0) if variant == "ovseg" else occurs
    return SemanticScores(
        miou=float(_ratio(iou[occurs].sum(), divisor.sum())),
        fwiou=float(_ratio((iou[occurs] * true[occurs]).sum(), true.sum())),
        macc=float(_ratio(acc[occurs].sum(), occurs.sum())),
        pacc=float(_ratio(hits.sum(), true.sum())),
        iou=iou,
        acc=acc,
    )


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    ratio: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return ratio


def _boundaries(labels: Labels) -> Ints:
    """What detectron2 compares as boundaries: labels minus the smallest label near by, with 0 outside of the picture.

    That is the boundary of a mask of 0 and 1; of a map of labels it is a difference of class numbers, which lands in
    the row of an unrelated class. Kept, since these are the numbers that detectron2 prints.
    """
    from scipy import ndimage

    reach = max(1, round(_BOUNDARY * float(np.hypot(*labels.shape))))
    smallest = ndimage.minimum_filter(labels.astype(np.uint8), size=2 * reach + 1, mode="constant", cval=0)
    differences: Ints = labels.astype(np.int64) - smallest
    return differences
