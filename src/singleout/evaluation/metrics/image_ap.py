"""AP and AR of masks in images: COCO, and LVIS with its federated truth.

The evaluators are those of Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014 (pycocotools), and of
Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019 (lvis-api 7d7f07d).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from singleout.data.records import ImageAnnotation, ImageResult, Rle
from singleout.errors import InputError
from singleout.evaluation.metrics.matching import Bool, Float, ranked
from singleout.evaluation.metrics.precision import Accumulator, Curves, Rules, SceneId, area_ranges, naming, summary
from singleout.evaluation.metrics.rles import checked
from singleout.tracks import codes

COCO = Rules(area_ranges(32, 96))
# How many detections of an image LVIS looks at, all categories together.
LVIS_DETECTIONS = 300
LVIS = Rules(area_ranges(32, 96), max_detections=(LVIS_DETECTIONS,))
_ANY = 0


@dataclass(frozen=True)
class ImageScores:
    """AP and AR as fractions, -1 where there is no truth.

    summary: AP, AP50, AP75, APs, APm, APl and either AR1, AR10, AR100, ARs, ARm, ARl (COCO) or APr, APc, APf, AR@300,
    ARs@300, ARm@300, ARl@300 (LVIS). per_category: AP, AP50 and AP75 of each.
    """

    summary: Mapping[str, float]
    per_category: Mapping[int, Mapping[str, float]]
    curves: Curves


class ImageAP:
    """Scores masks image by image, as COCO's evaluator does.

    categories: numbers of all categories; None: categories are not told apart. box_areas: take width times height of a
    result's box for its size, as the official tools do wherever results carry boxes; False: the pixels of its mask.
    """

    def __init__(self, categories: Iterable[int] | None, *, box_areas: bool = False):
        self._accumulator = Accumulator((_ANY,) if categories is None else categories, COCO)
        self._told_apart = categories is not None
        self._box_areas = box_areas

    def add(self, image_id: SceneId, truths: Sequence[ImageAnnotation], results: Sequence[ImageResult]) -> None:
        """Score one image: all its truths and all its results, in the order of their files.

        Every image of the data set is to be added, also one without results. Results of categories that the data set
        does not have are left out, as the official evaluator does. Raises InputError for an image that was added
        before, an entry of another image or without a mask, a truth of an unlisted category, a score that is no number,
        and masks of different sizes.
        """
        if not self._told_apart:
            # The official evaluator goes through the categories here, too, so that ties come in their order.
            truths = [replace(truth, category_id=_ANY) for truth in sorted(truths, key=lambda each: each.category_id)]
            results = [replace(each, category_id=_ANY) for each in sorted(results, key=lambda each: each.category_id)]
        _add(self._accumulator, image_id, truths, results, box_areas=self._box_areas)

    def result(self) -> ImageScores:
        """The scores of all images that were added."""
        curves = self._accumulator.curves()
        return ImageScores(summary(curves), _per_category(curves), curves)


class LvisAP:
    """Scores masks image by image, as LVIS's evaluator does.

    frequencies: r, c or f for every category: rare, common, frequent. box_areas: as in `ImageAP`.
    """

    def __init__(self, frequencies: Mapping[int, str], *, box_areas: bool = False):
        wrong = sorted(category for category, said in frequencies.items() if said not in ("r", "c", "f"))
        if wrong:
            said = frequencies[wrong[0]]
            raise InputError(f'LVIS category {wrong[0]} has the "frequency" {said!r}: expected r, c or f')
        self._accumulator = Accumulator(frequencies, LVIS)
        self._frequencies = dict(frequencies)
        self._box_areas = box_areas

    def add(
        self,
        image_id: SceneId,
        truths: Sequence[ImageAnnotation],
        results: Sequence[ImageResult],
        *,
        negative: Collection[int],
        not_exhaustive: Collection[int],
    ) -> None:
        """Score one image; see `ImageAP.add`.

        negative: categories that are known not to be there. Results of categories that are neither negative nor among
        the truths are left out. not_exhaustive: categories of which not every object is a truth, so that a result
        without a truth is not held against the system.
        """
        # The best of the image are taken first, then those of categories that were looked for.
        best = [results[place] for place in ranked([each.score for each in results], LVIS_DETECTIONS)]
        looked_for = {*negative, *(truth.category_id for truth in truths)}
        best = [result for result in best if result.category_id in looked_for]
        _add(self._accumulator, image_id, truths, best, box_areas=self._box_areas, unmatched_are_ignored=not_exhaustive)

    def result(self) -> ImageScores:
        """The scores of all images that were added."""
        curves = self._accumulator.curves()
        of_all = summary(curves)
        limit = f"@{LVIS_DETECTIONS}"
        groups = {
            f"AP{said}": curves.average_precision(
                categories=[category for category in curves.categories if self._frequencies[category] == said]
            )
            for said in ("r", "c", "f")
        }
        table = {
            **{name: of_all[name] for name in ("AP", "AP50", "AP75", "APs", "APm", "APl")},
            **groups,
            f"AR{limit}": of_all[f"AR{LVIS_DETECTIONS}"],
            **{f"{name}{limit}": of_all[name] for name in ("ARs", "ARm", "ARl")},
        }
        return ImageScores(table, _per_category(curves), curves)


def _add(
    accumulator: Accumulator,
    image_id: SceneId,
    truths: Sequence[ImageAnnotation],
    results: Sequence[ImageResult],
    *,
    box_areas: bool,
    unmatched_are_ignored: Collection[int] = (),
) -> None:
    with naming(f"image {image_id!r}"):
        entries: list[ImageAnnotation | ImageResult] = [*truths, *results]
        for entry in entries:
            if entry.image_id != image_id:
                raise InputError(f"an entry of image {entry.image_id!r} was given for it")
        accumulator.open(image_id, [truth.category_id for truth in truths])
        best = accumulator.best(results)
        _match(accumulator, image_id, truths, best, box_areas=box_areas, unmatched_are_ignored=unmatched_are_ignored)


def _match(
    accumulator: Accumulator,
    image_id: SceneId,
    truths: Sequence[ImageAnnotation],
    best: Mapping[int, Sequence[ImageResult]],
    *,
    box_areas: bool,
    unmatched_are_ignored: Collection[int],
) -> None:
    # All masks of the image are checked and measured at once, and compared by category.
    kept = [result for category in sorted(best) for result in best[category]]
    masks = checked([*(mask_of(each) for each in kept), *(mask_of(each) for each in truths)])
    found, wanted = masks[: len(kept)], masks[len(kept) :]
    areas = np.array([_box_area(result) for result in kept]) if box_areas else _areas(found)
    start = 0
    for category in sorted({*best, *(truth.category_id for truth in truths)}):
        end = start + len(best.get(category, ()))
        places = [place for place, truth in enumerate(truths) if truth.category_id == category]
        crowd = np.array([truths[place].iscrowd for place in places], np.bool_)
        accumulator.add(
            image_id,
            category,
            ious=_overlaps(found[start:end], [wanted[place] for place in places], crowd),
            scores=np.array([result.score for result in kept[start:end]], np.float64),
            areas=areas[start:end],
            truth_areas=np.array([truths[place].area for place in places], np.float64),
            crowd=crowd,
            unmatched_are_ignored=category in unmatched_are_ignored,
        )
        start = end


def _areas(masks: Sequence[Rle]) -> Float:
    if not masks:
        return np.zeros(0)
    return codes.areas([mask["counts"] for mask in masks], *masks[0]["size"]).astype(np.float64)


def _overlaps(detections: Sequence[Rle], truths: Sequence[Rle], crowd: Bool) -> Float:
    """IoU of each pair, (detections, truths), for a crowd over the detection alone."""
    from pycocotools import mask as coco

    if not detections or not truths:
        return np.zeros((len(detections), len(truths)))
    return np.asarray(coco.iou(detections, truths, crowd.astype(np.uint8)), np.float64)


def mask_of(entry: ImageAnnotation | ImageResult) -> Rle:
    """The mask of a truth or result. Raises InputError where it has none."""
    if entry.segmentation is None:
        raise InputError('an entry has no "segmentation", and masks are compared here')
    return entry.segmentation


def _box_area(result: ImageResult) -> float:
    if result.box is None:
        raise InputError('a result has no "bbox", and sizes are to be read from boxes')
    return result.box[2] * result.box[3]


def _per_category(curves: Curves) -> dict[int, dict[str, float]]:
    return {
        category: {
            "AP": curves.average_precision(categories=(category,)),
            "AP50": curves.average_precision(categories=(category,), threshold=0.5),
            "AP75": curves.average_precision(categories=(category,), threshold=0.75),
        }
        for category in curves.categories
    }
