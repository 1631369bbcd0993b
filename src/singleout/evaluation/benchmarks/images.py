"""AP of masks in single images: COCO, LVIS v1, and LV-VIS frame by frame (OV2Seg's "image oracle")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from singleout.data import images
from singleout.data.records import ImageAnnotation, ImageResult, ImageSet, ListedImage
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.listed import (
    Listed,
    blaming,
    by_category,
    category_numbers,
    refuse_nothing,
    results_file,
    write_part,
)
from singleout.evaluation.benchmarks.single import result_look
from singleout.evaluation.metrics.image_ap import ImageAP, LvisAP
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.exports.rle import as_rle
from singleout.prompts import Categories, Prompt
from singleout.tracks import Tracks
from singleout.tracks import codes as run_length

_READERS = {"coco": images.read_coco, "lvis": images.read_lvis, "lv-vis-images": images.read_lvvis_oracle}


@dataclass(frozen=True)
class ImageBenchmark(Listed):
    """See the module."""

    unit: str = "images"

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        truth = self._truth(data)
        path = results_file(predictions)
        results = images.read_results(path, truth, part=data.is_part)
        refuse_nothing(path, results)
        # detectron2 takes the boxes away before it scores masks, and with it OV2Seg's oracle.
        boxed = self.name != "lv-vis-images" and results[0].box is not None
        true: Mapping[int | str, list[ImageAnnotation]] = defaultdict(list)
        found: Mapping[int | str, list[ImageResult]] = defaultdict(list)
        for annotation in truth.annotations:
            true[annotation.image_id].append(annotation)
        for result in results:
            found[result.image_id].append(result)
        names = {each.id: each.name for each in truth.categories}
        metric = self._metric(truth, boxed=boxed)
        objects: list[ObjectResult] = []
        listed = sorted(truth.images, key=lambda image: image.id)
        for done, image in enumerate(listed, 1):
            mine = true[image.id], found[image.id]
            with blaming(path, truth.path, (each.segmentation for each in true[image.id])):
                if isinstance(metric, LvisAP):
                    lacking, not_all = image.neg_category_ids, image.not_exhaustive_category_ids
                    metric.add(image.id, *mine, negative=lacking, not_exhaustive=not_all)
                else:
                    metric.add(image.id, *mine)
            objects += [_object(image, each, found[image.id], names) for each in true[image.id] if not each.iscrowd]
            on_video(str(image.id), done, len(listed))
        scores = metric.result()
        note = "sizes of results are those of their boxes, as pycocotools takes them where results carry boxes"
        with_truth = {annotation.category_id for annotation in truth.annotations}
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            scores.summary,
            objects=tuple(objects),
            parts={"By category": by_category(scores.per_category, truth.categories, with_truth)},
            notes=(note,) if boxed else (),
            about={"results": len(results)},
        )

    def open(self, data: Source) -> list[Job]:
        """An image a job, which is asked for all categories."""
        truth = self._truth(data)
        numbers = category_numbers(truth.categories)
        asked: list[tuple[Prompt, ...]] = [(Categories(list(numbers)),)]
        by_name = {name.casefold(): number for name, number in numbers.items()}
        return [
            Job(str(image.id), image.path, lambda: asked, about={"id": image.id, "numbers": by_name})
            for image in truth.images
        ]

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """The image's part of results.json."""
        (tracks,) = answers
        frame = tracks.frame(0)
        results = [
            {
                "image_id": job.about["id"],
                "category_id": job.about["numbers"][tracks.objects[number].label.casefold()],
                "score": tracks.objects[number].score,
                "segmentation": as_rle(code, tracks.height, tracks.width),
            }
            for number, code in zip(frame.ids.tolist(), frame.codes, strict=True)
        ]
        return write_part(job, folder, results)

    def _truth(self, data: Source) -> ImageSet:
        return _READERS[self.name](data.root, split=str(data.split))

    def _metric(self, truth: ImageSet, *, boxed: bool) -> ImageAP | LvisAP:
        if self.name == "lvis":
            return LvisAP({each.id: each.frequency or "" for each in truth.categories}, box_areas=boxed)
        return ImageAP([each.id for each in truth.categories], box_areas=boxed)


def _object(
    image: ListedImage, truth: ImageAnnotation, results: Sequence[ImageResult], names: Mapping[int, str]
) -> ObjectResult:
    """A line for a true object: how well the best result of its category covers it."""
    mine = [each for each in results if each.category_id == truth.category_id and each.segmentation is not None]
    iou, best = 0.0, None
    if truth.segmentation is not None and mine:
        codes = [each.segmentation["counts"] for each in mine if each.segmentation is not None]
        ious = run_length.ious([truth.segmentation["counts"]], codes, image.height, image.width)[0]
        iou, best = float(ious.max()), mine[int(np.argmax(ious))]
    values = {"IoU": iou, "score": best.score if best is not None and iou > 0 else float("nan")}
    name = f"{truth.id} {names.get(truth.category_id, truth.category_id)}"
    return ObjectResult(str(image.id), name, values, iou, look=partial(result_look, image, truth, best))


_RESULT = "results.json, a list of {image_id, category_id, score, segmentation}"
_ARCHIVE = "a zip with results.json directly at its top"
BENCHMARKS = (
    ImageBenchmark("coco", "COCO masks", "instances", ("val2017", "train2017"), _RESULT, _ARCHIVE),
    ImageBenchmark("lvis", "LVIS v1 masks", "instances", ("val", "train"), _RESULT, _ARCHIVE),
    ImageBenchmark("lv-vis-images", "LV-VIS frame by frame", "instances", ("val", "train"), _RESULT, _ARCHIVE),
)
