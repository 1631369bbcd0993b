"""RefCOCO, RefCOCO+ and RefCOCOg: a sentence that means one object of a picture.

Two evaluators are in use and both are reported: that of ReferFormer, SOC and MUTR in pre-training, which looks at all
results of a sentence, and that of UNINEXT, which looks at the best one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from singleout.data import images, refcoco
from singleout.data.files import a_box
from singleout.data.records import ImageResult, ImageSet, ListedImage
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.listed import blaming, refuse_nothing, results_file
from singleout.evaluation.benchmarks.single import SingleFrames, best_result, result_look
from singleout.evaluation.metrics.refcoco import RefCocoMetrics, UninextRefCocoMetrics
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.exports.layout import read_json
from singleout.prompts import Phrase, Prompt


@dataclass(frozen=True)
class RefCoco(SingleFrames):
    """See the module."""

    unit: str = "sentences"

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        truth = self._truth(data)
        path = results_file(predictions)
        results = _read_results(path, truth)
        found: Mapping[int | str, list[ImageResult]] = defaultdict(list)
        cornered: Mapping[int | str, list[ImageResult]] = defaultdict(list)
        for result, corners in results:
            found[result.image_id].append(result)
            # ReferFormer's evaluator takes boxes as left, top, right, bottom.
            cornered[result.image_id].append(replace(result, box=corners))
        missing = [each.image_id for each in truth.annotations if not found[each.image_id]]
        if missing:
            raise InputError(
                f"{path} has no result for sentence {missing[0]!r} ({len(missing)} of {len(truth.annotations)} have "
                "none): each sentence needs a box and a mask"
            )
        listed = {image.id: image for image in truth.images}
        metric, uninext = RefCocoMetrics(), UninextRefCocoMetrics()
        for done, each in enumerate(truth.annotations, 1):
            name = listed[each.image_id].dataset_name or self.name
            with blaming(path, truth.path, [each.segmentation]):
                metric.add(each, cornered[each.image_id], dataset_name=name)
                uninext.add(each, best_result(found[each.image_id]))
            on_video(str(each.image_id), done, len(truth.annotations))
        scores, top = metric.result(), uninext.result()
        table: dict[str, float] = {}
        for name, row in scores.box_precision.items():
            before = f"{name} " if len(scores.box_precision) > 1 else ""
            table |= {f"{before}Precision@{rank}": value for rank, value in row.items()}
        table |= {f"bbox {name}": value for name, value in scores.boxes.table().items()}
        table |= {f"segm {name}": value for name, value in scores.masks.table().items()}
        table |= {f"segm {name}": scores.ap[name] for name in ("AP", "AP50", "AP75")}
        table |= {f"UNINEXT P@{level}": value for level, value in top.box_precision_at.items()}
        table |= {"UNINEXT oIoU": top.overall_iou, "UNINEXT mIoU": top.mean_iou}
        ious = scores.masks.ious
        objects = tuple(
            ObjectResult(
                str(each.image_id),
                listed[each.image_id].caption or "",
                {"IoU": ious[each.image_id], "box IoU": scores.boxes.ious[each.image_id]},
                ious[each.image_id],
                look=partial(result_look, listed[each.image_id], each, best_result(found[each.image_id])),
            )
            for each in truth.annotations
        )
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            table,
            decimals=4,
            objects=objects,
            notes=("lines of UNINEXT are in percent and take the best result of each sentence",),
            about={"results": len(results)},
        )

    def open(self, data: Source) -> list[Job]:
        """A picture a job; each of its sentences is asked by itself."""
        by_picture: Mapping[Path, list[ListedImage]] = defaultdict(list)
        for image in self._truth(data).images:
            by_picture[image.path].append(image)
        return [
            Job(
                path.stem,
                path,
                partial(_asked, sentences),
                num_frames=len(sentences),
                about={"samples": [[(0, each.id)] for each in sentences]},
            )
            for path, sentences in by_picture.items()
        ]

    def submission(self, folder: Path, archive: Path) -> None:
        """There is no server."""

    def _truth(self, data: Source) -> ImageSet:
        if data.truth is not None:
            return images.read(data.truth, data.root / "train2014")
        return refcoco.read_converted(data.root, self.name, str(data.split))


def _asked(sentences: Sequence[ListedImage]) -> list[tuple[Prompt, ...]]:
    return [(Phrase(each.caption or ""),) for each in sentences]


Box = tuple[float, float, float, float]


def _read_results(path: Path, truth: ImageSet) -> list[tuple[ImageResult, Box]]:
    """Results with boxes of x, y, width, height, and the same boxes as left, top, right, bottom.

    They come from ``bbox``, or from ``bbox_xyxy`` as ReferFormer writes it.
    """
    results = images.read_results(path, truth)
    refuse_nothing(path, results)
    if all(result.box is not None for result in results):
        return [(result, _corners(result.box)) for result in results if result.box is not None]
    found = []
    for index, (result, entry) in enumerate(zip(results, read_json(path), strict=True)):
        where = f"{path}: result {index}"
        if result.box is not None:
            found.append((result, _corners(result.box)))
        elif entry.get("bbox_xyxy") is None:
            raise InputError(f'{where}: has neither "bbox" nor "bbox_xyxy": boxes are scored, too')
        else:
            left, top, right, bottom = a_box(entry["bbox_xyxy"], where)
            found.append((replace(result, box=(left, top, right - left, bottom - top)), (left, top, right, bottom)))
    return found


def _corners(box: Box) -> Box:
    left, top, width, height = box
    return left, top, left + width, top + height


_RESULT = "results.json, a list of {image_id, category_id: 1, score, segmentation, bbox or bbox_xyxy}"
BENCHMARKS = tuple(
    RefCoco(
        name, title, "referring", (*refcoco.SPLITS[name][1:], "train"), _RESULT, "none: there is no server", ("truth",)
    )
    for name, title in (("refcoco", "RefCOCO"), ("refcoco+", "RefCOCO+"), ("refcocog", "RefCOCOg"))
)
