"""A2D-Sentences, RefCOCO in two variants, and LVIS, one image a sentence or scene: sections 8 to 10 and 12."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.parity.goldens import CannotReplayError, Comparison, Context
from tests.parity.metrics_files import PART, code_of, expects, owner, read_json

from singleout.data.records import ImageAnnotation, ImageResult
from singleout.evaluation.metrics.image_ap import LvisAP
from singleout.evaluation.metrics.refcoco import RefCocoMetrics, UninextRefCocoMetrics
from singleout.evaluation.metrics.sentences import SentenceMetrics, best_of

__all__ = ["PART", "claims", "golden_of", "replay"]
A2D, REFCOCO, LVIS = "mAP 0.5:0.95", "refexp_giou_P@1,5,10", "APr"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return any(expects(path, key) for key in (A2D, REFCOCO, LVIS))


def golden_of(path: Path) -> Path | None:
    """See `tests.parity.check`."""
    found = owner(path, ("gt.json", "results.json"))
    return found if found and claims(found) else None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    if expects(path, A2D):
        yield from _a2d(path, context)
    elif expects(path, REFCOCO):
        yield from _refcoco(path, context)
    else:
        yield from _lvis(path, context)


def _a2d(path: Path, context: Context) -> Iterator[Comparison]:
    golden = context.open(path)
    metric = SentenceMetrics()
    for _, truths, results in _images(path):
        (truth,) = truths
        metric.add(truth, results)
    scores = metric.result()
    for name, value in scores.summary.items():
        yield golden.compare(name, value)
    yield golden.compare("coco_stats", list(scores.ap.values()))


def _refcoco(path: Path, context: Context) -> Iterator[Comparison]:
    golden = context.open(path)
    metric, uninext = RefCocoMetrics(), UninextRefCocoMetrics()
    for image, truths, results in _images(path):
        (truth,) = truths
        metric.add(truth, results, dataset_name=image["dataset_name"])
        best = best_of(results, image["id"])
        assert best.box is not None
        left, top, right, bottom = best.box
        box = (left, top, right - left, bottom - top)
        uninext.add(truth, ImageResult(best.image_id, best.category_id, best.score, best.segmentation, box))
    scores, others = metric.result(), uninext.result()
    for name, values in scores.box_precision.items():
        yield golden.compare(f"{REFCOCO}/{name}", [values[rank] for rank in (1, 5, 10)])
    for kind, overlaps in (("bbox", scores.boxes), ("segm", scores.masks)):
        for name, value in overlaps.table().items():
            yield golden.compare(f"{kind}/{name}", value)
    yield golden.compare("coco_segm_stats_with_bbox_present", list(scores.ap.values()))
    for level, value in others.box_precision_at.items():
        yield golden.compare(f"uninext_top1_percent/bbox/P@{level}", value)
    yield golden.compare("uninext_top1_percent/segm/oIoU", others.overall_iou)
    yield golden.compare("uninext_top1_percent/segm/mIoU", others.mean_iou)


def _lvis(path: Path, context: Context) -> Iterator[Comparison]:
    golden = context.open(path)
    categories = read_json(path.parent / "gt.json")["categories"]
    metric = LvisAP({entry["id"]: entry["frequency"] for entry in categories})
    for image, truths, results in _images(path):
        metric.add(
            image["id"],
            truths,
            results,
            negative=image["neg_category_ids"],
            not_exhaustive=image["not_exhaustive_category_ids"],
        )
    for name, value in metric.result().summary.items():
        yield golden.compare(name, value)


def _images(path: Path) -> Iterator[tuple[dict[str, Any], list[ImageAnnotation], list[ImageResult]]]:
    """Every image of the truth with its annotations and its results, in the order of the files."""
    truth = read_json(path.parent / "gt.json")
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    annotations: dict[Any, list[ImageAnnotation]] = defaultdict(list)
    results: dict[Any, list[ImageResult]] = defaultdict(list)
    for entry in truth["annotations"]:
        annotations[entry["image_id"]].append(
            ImageAnnotation(
                entry["id"],
                entry["image_id"],
                entry["category_id"],
                code_of(entry["segmentation"], *sizes[entry["image_id"]]),
                tuple(entry["bbox"]),
                entry["area"],
                bool(entry.get("iscrowd", 0)),
            )
        )
    for entry in read_json(path.parent / "results.json"):
        if entry["image_id"] not in sizes:
            raise CannotReplayError(f"a result is of the unknown image {entry['image_id']}")
        box = entry.get("bbox_xyxy") or entry.get("bbox")
        results[entry["image_id"]].append(
            ImageResult(
                entry["image_id"],
                entry["category_id"],
                entry["score"],
                code_of(entry["segmentation"], *sizes[entry["image_id"]]),
                tuple(box) if box else None,
            )
        )
    for image in truth["images"]:
        yield image, annotations[image["id"]], results[image["id"]]
