"""VSPW: a class at each pixel of a video; mIoU, and how steady the classes are over 8 and 16 frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from singleout.data import vspw
from singleout.data.records import MaskedVideo
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.class_maps import ClassMaps, Labels, label_maps, write_map
from singleout.evaluation.benchmarks.looks import read_picture
from singleout.evaluation.benchmarks.pairs import same_size, side_by_side
from singleout.evaluation.benchmarks.predictions import check_others, top_folder
from singleout.evaluation.metrics.vspw import NUM_CLASSES, VideoSemanticSegmentation
from singleout.evaluation.report.values import Evaluation, Look, ObjectResult
from singleout.exports.layout import pack
from singleout.exports.pictures import read_numbers
from singleout.media.atomic import atomic_folder
from singleout.prompts import Categories, Prompt
from singleout.tracks import Tracks
from singleout.vocabularies.categories import categories

_VOID = 255


@dataclass(frozen=True)
class Vspw(ClassMaps):
    """See the module."""

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        videos = vspw.read(data.root, split=str(data.split))
        folder = top_folder(predictions, [video.name for video in videos])
        for video in videos:
            _check_files(video, folder)
        notes = check_others(folder, [video.name for video in videos], part=data.is_part)
        scores = VideoSemanticSegmentation(corrected=corrected)
        steady: dict[str, list[float]] = {}
        for done, video in enumerate(videos, 1):
            right = steady.setdefault(video.name, [])
            scores.add(_pairs(video, folder, right), name=video.name)
            on_video(video.name, done, len(videos))
        result = scores.result()
        table = {"mIoU": result.scores.miou}
        table |= {f"VC{window}": value for window, value in result.vc.items()}
        table |= {
            "Acc": result.scores.pixel_accuracy,
            "Acc_class": result.scores.class_accuracy,
            "fwIoU": result.scores.fwiou,
        }
        objects = []
        for video, each in zip(videos, result.videos, strict=True):
            values = {"mIoU": each.scores.miou}
            for window, found in each.windows.items():
                values[f"VC{window}"] = float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")
            series = {"accuracy": np.array(steady[video.name])}
            look = partial(_look, video, folder)
            objects.append(ObjectResult(video.name, "", values, values["mIoU"], series, video.frame_names, look))
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            table,
            decimals=4,
            objects=tuple(objects),
            notes=notes,
        )

    def open(self, data: Source) -> list[Job]:
        """A video a job, which is asked for all classes."""
        asked: list[tuple[Prompt, ...]] = [(Categories(_class_names()),)]
        return [Job.of_video(video, lambda: asked) for video in vspw.read(data.root, split=str(data.split))]

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """A picture of 0 to 123 a frame in ``<video>/``."""
        (tracks,) = answers
        with atomic_folder(folder / job.name, overwrite=True) as temporary:
            for name, labels in zip(tracks.frame_names or (), label_maps(tracks, _class_names()), strict=True):
                write_map(labels, temporary / f"{name}.png", sixteen_bit=False)
        return [folder / job.name]

    def submission(self, folder: Path, archive: Path) -> Path:
        """The folders of the videos lie directly in the zip."""
        return pack(folder, archive)


def _class_names() -> list[str]:
    return [each.name for each in sorted(categories("vspw"), key=lambda each: each.id)]


def _check_files(video: MaskedVideo, folder: Path) -> None:
    there = {path.name for path in (folder / video.name).glob("*.png")}
    missing = [name for name in video.frame_names if f"{name}.png" not in there]
    if missing:
        raise InputError(
            f"{folder / video.name / missing[0]}.png is missing ({len(missing)} of the {len(video.frame_names)} frames "
            f"of {video.name} have no prediction)"
        )
    lost = [path for path in video.masks if not path.is_file()]
    if lost:
        raise InputError(f"{lost[0]} is missing: the truth of {video.name} is not whole")


def _pairs(video: MaskedVideo, folder: Path, right: list[float]) -> Iterator[tuple[Labels, Labels]]:
    """Truth and prediction of each frame; the share of right pixels goes to `right`."""
    predicted = [folder / video.name / f"{name}.png" for name in video.frame_names]
    files = list(zip(predicted, video.masks, strict=True))
    both = side_by_side(files, lambda pair: read_numbers(pair[0]), lambda pair: read_numbers(pair[1]))
    for path, (found, true) in zip(predicted, both, strict=True):
        same_size(found, true, path)
        beyond = found[(found >= NUM_CLASSES) & (found != _VOID)]
        if len(beyond):
            raise InputError(f"{path} has the class {beyond[0]}, but classes are 0 to {NUM_CLASSES - 1}")
        labelled = (true > 0) & (true < _VOID)
        total = np.count_nonzero(labelled)
        right.append(np.count_nonzero(labelled & (found == true - 1)) / total if total else float("nan"))
        yield true, found


def _look(video: MaskedVideo, folder: Path, index: int) -> Look:
    name = video.frame_names[index]
    true, found = read_numbers(video.masks[index]), read_numbers(folder / video.name / f"{name}.png")
    labelled = (true > 0) & (true < _VOID)
    return Look(f"frame {name}", labelled, labelled & (found == true - 1), read_picture(video.images[index]))


BENCHMARKS = (
    Vspw(
        "vspw",
        "VSPW",
        "semantic",
        ("val", "train", "test"),
        "<video>/<frame>.png, grey PNGs of 0 to 123",
        "a zip with the folders of the videos directly at its top, as the evaluators read them",
        corrects="the missing last window of VC, and what a prediction of 255 counts as",
    ),
)
