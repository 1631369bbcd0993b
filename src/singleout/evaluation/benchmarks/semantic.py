"""ADE20K, Pascal Context and VOC with a class at each pixel of a picture, scored as OVSeg's evaluator does.

It divides the sum of IoU over the classes in the truth by the number of classes in truth or prediction; today's
detectron2 divides by those in the truth, which `corrected` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from singleout.data import semantic
from singleout.data.files import a_code, a_part
from singleout.data.records import ClassImage, ClassImageSet
from singleout.errors import InputError
from singleout.evaluation.benchmarks.archive import below, pack_files
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.class_maps import ClassMaps, Labels, class_numbers, label_maps, write_map
from singleout.evaluation.benchmarks.looks import read_picture
from singleout.evaluation.benchmarks.pairs import same_size, side_by_side
from singleout.evaluation.metrics.label_codes import encode_labels
from singleout.evaluation.metrics.semantic import SemanticConfusion
from singleout.evaluation.report.values import Evaluation, Look, ObjectResult
from singleout.exports.entries import entries_of, number
from singleout.exports.layout import read_json, text_file, write_json_list
from singleout.exports.pictures import read_numbers
from singleout.exports.rle import as_rle, size_of
from singleout.prompts import Categories, Prompt
from singleout.tracks import Tracks
from singleout.tracks import codes as run_length

_LISTING = "sem_seg_predictions.json"
Read = Callable[[ClassImage], Labels]


@dataclass(frozen=True)
class Semantic(ClassMaps):
    """See the module. layout: the name of the data set in `singleout.data.semantic`."""

    layout: str = ""
    unit: str = "images"

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        truth = semantic.read(data.root, self.layout)
        lost = [each.truth for each in truth.images if not each.truth.is_file()]
        if lost:
            raise InputError(f"{lost[0]} is missing: the truth is not whole")
        read = _reader(predictions, truth)
        confusion = SemanticConfusion(len(truth.class_names), ignore=truth.ignore)
        objects = []
        pairs = side_by_side(truth.images, read, lambda image: read_numbers(image.truth))
        for done, (image, (found, true)) in enumerate(zip(truth.images, pairs, strict=True), 1):
            same_size(found, true, f"{predictions}: the prediction of {image.name}")
            confusion.add(true, found, where=image.name)
            labelled = true != truth.ignore
            total = np.count_nonzero(labelled)
            right = np.count_nonzero(labelled & (true == found)) / total if total else float("nan")
            look = partial(_look, image, read, truth.ignore)
            objects.append(ObjectResult(image.name, "", {"pACC": 100 * right}, 100 * right, look=look))
            on_video(image.name, done, len(truth.images))
        scores = confusion.result("detectron2" if corrected else "ovseg")
        table = {"mIoU": scores.miou, "fwIoU": scores.fwiou, "mACC": scores.macc, "pACC": scores.pacc}
        rows = zip(truth.class_names, scores.iou.tolist(), scores.acc.tolist(), strict=True)
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            {name: 100 * value for name, value in table.items()},
            decimals=4,
            objects=tuple(objects),
            parts={
                "By class (percent)": {
                    f"{name} ({place})": {"IoU": 100 * iou, "ACC": 100 * acc}
                    for place, (name, iou, acc) in enumerate(rows)
                }
            },
        )

    def open(self, data: Source) -> list[Job]:
        """An image a job, which is asked for all classes."""
        truth = semantic.read(data.root, self.layout)
        asked: list[tuple[Prompt, ...]] = [(Categories(list(class_numbers(truth.class_names))),)]
        return [Job(each.name, each.image, lambda: asked) for each in truth.images]

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """A picture of class numbers."""
        (tracks,) = answers
        names = semantic.layout_of(self.layout).class_names
        (labels,) = label_maps(tracks, names)
        path = folder / f"{job.name}.png"
        write_map(labels, path, sixteen_bit=len(names) > 255)
        return [path]

    def finish(self, data: Source, jobs: Sequence[Job], folder: Path) -> None:
        """``sem_seg_predictions.json``, as detectron2 writes it beside the pictures."""
        with text_file(folder / _LISTING) as file:
            write_json_list(file, _entries(jobs, folder))

    def submission(self, folder: Path, archive: Path) -> Path:
        """The pictures and the list directly in the zip; there is no server."""
        return pack_files(below(folder), archive)


def _entries(jobs: Sequence[Job], folder: Path) -> Iterator[dict[str, Any]]:
    for job in jobs:
        labels = read_numbers(folder / f"{job.name}.png")
        for label, code in encode_labels(labels).items():
            yield {"file_name": job.video.name, "category_id": label, "segmentation": as_rle(code, *labels.shape)}


def _reader(predictions: Path, truth: ClassImageSet) -> Read:
    """How to read the predicted classes of an image: from pictures, or from detectron2's list of codes."""
    if predictions.is_file():
        return _listed(predictions, truth)
    places = [folder for folder in (predictions, predictions / "inference") if folder.is_dir()]
    for folder in places:
        files = {path.stem: path for path in folder.iterdir() if path.suffix.lower() in {".png", ".tif", ".tiff"}}
        if files:
            missing = [each.name for each in truth.images if each.name not in files]
            if missing:
                raise InputError(
                    f"{folder / missing[0]}.png is missing ({len(missing)} of the {len(truth.images)} images have no "
                    "prediction)"
                )
            return lambda image: _picture(files[image.name], len(truth.class_names))
        if (folder / _LISTING).is_file():
            return _listed(folder / _LISTING, truth)
    deeper = [path.parent for path in sorted(predictions.glob(f"*/{truth.images[0].name}.*"))] if truth.images else []
    if deeper:
        raise InputError(f"{deeper[0]} holds the pictures, one folder deeper than expected: give that folder")
    raise InputError(
        f"{predictions} holds neither pictures of classes, such as {truth.images[0].name}.png, nor {_LISTING}"
    )


def _picture(path: Path, num_classes: int) -> Labels:
    labels = read_numbers(path)
    most = int(labels.max(initial=0))
    if most >= num_classes:
        raise InputError(f"{path} has the class {most}, but classes are 0 to {num_classes - 1}")
    return labels


def _listed(path: Path, truth: ClassImageSet) -> Read:
    known = {each.name for each in truth.images}
    codes: dict[str, list[tuple[int, Any, str]]] = {}
    for index, entry in enumerate(entries_of(path, read_json(path), "results")):
        where = f"{path}: result {index}"
        name = PurePosixPath(a_part(entry, "file_name", str, where)).stem
        if name not in known:
            raise InputError(f"{where}: there is no image {name!r}")
        label = number(path, entry, "category_id")
        if label >= len(truth.class_names):
            raise InputError(f"{where}: there is no class {label}; classes are 0 to {len(truth.class_names) - 1}")
        codes.setdefault(name, []).append((label, entry.get("segmentation"), where))
    missing = [name for name in known if name not in codes]
    if missing:
        raise InputError(f"{path} has no result for image {min(missing)} ({len(missing)} images have none)")
    return lambda image: _decoded(codes[image.name])


def _decoded(codes: Sequence[tuple[int, Any, str]]) -> Labels:
    size = size_of(codes[0][1])
    if size is None:
        raise InputError(f'{codes[0][2]}: expected a run-length code with "size" and "counts"')
    labels = np.full(size, -1, np.int32)
    for label, segmentation, where in codes:
        labels[run_length.decode(a_code(segmentation, *size, where)["counts"], *size)] = label
    if labels.min() < 0:
        raise InputError(f"{codes[0][2]}: the masks of its image leave pixels without a class")
    return labels


def _look(image: ClassImage, read: Read, ignore: int, index: int) -> Look:
    true, found = read_numbers(image.truth), read(image)
    labelled = true != ignore
    return Look(image.name, labelled, labelled & (true == found), read_picture(image.image))


_RESULT = "<image>.png of class numbers from 0 on (16 bits above 255 classes), or sem_seg_predictions.json"
BENCHMARKS = tuple(
    Semantic(
        name,
        title,
        "semantic",
        ("val",),
        _RESULT,
        "a zip of the pictures and sem_seg_predictions.json; there is no server",
        corrects="mIoU, which classes that are only predicted lower",
        layout=layout,
    )
    for name, title, layout in (
        ("ade20k-150", "ADE20K-150", "ade20k_150"),
        ("ade20k-847", "ADE20K-847", "ade20k_847"),
        ("pascal-context-59", "Pascal Context 59", "pascal_context_59"),
        ("pascal-context-459", "Pascal Context 459", "pascal_context_459"),
        ("voc-20", "Pascal VOC 20", "pascal_voc_20"),
    )
)
