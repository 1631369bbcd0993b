"""ViPOSeg: things and stuff as objects of a video, given in several reference frames.

An object is scored from the frame after the reference frame that shows it first. The reference program pairs results
and truth by their order in the folders; here they are paired by name, which is the same for whole results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from singleout.data import viposeg
from singleout.data.records import ObjectVideo
from singleout.errors import InputError
from singleout.evaluation.benchmarks import entering
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.davis import check_truth
from singleout.evaluation.benchmarks.id_pictures import IdPictures
from singleout.evaluation.benchmarks.predictions import IdReader, id_reader
from singleout.evaluation.metrics.viposeg import Viposeg as Gathered
from singleout.evaluation.metrics.viposeg import ViposegScores, group_of, video_scores
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.exports.pictures import read_numbers


@dataclass(frozen=True)
class Viposeg(IdPictures):
    """See the module."""

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        videos = viposeg.read(data.root, split=str(data.split))
        check_truth(videos)
        needed = {video.name: tuple(video.truth) for video in videos}
        read = id_reader(predictions, needed, self.top, part=data.is_part)
        gathered = Gathered()
        objects: list[ObjectResult] = []
        for done, video in enumerate(videos, 1):
            groups = {each.id: group_of(video.name, each.category_id or 0) for each in video.objects}
            enters = _enters(video, groups)
            frames = tuple(video.truth)
            pairs = entering.pairs(video, frames, read, needed=frames)
            scores = video_scores(pairs, enters, where=video.name)
            gathered.add(scores, groups)
            objects += _objects(video, scores, groups, read)
            on_video(video.name, done, len(videos))
        row = gathered.result().row()
        # As the official program prints it: shares in percent, the decay as it is.
        table = {name: 100 * value if "iou" in name else value for name, value in row.items()}
        return Evaluation(
            self.name, self.title, str(data.split), table, decimals=2, objects=tuple(objects), notes=read.notes
        )

    def open(self, data: Source) -> list[Job]:
        """A video a job: the masks of the reference frames, each with the objects that it shows first."""
        return [
            entering.job(video, tuple(video.truth) or video.frame_names)
            for video in viposeg.read(data.root, split=str(data.split))
        ]


def _enters(video: ObjectVideo, groups: Mapping[int, str]) -> dict[int, int]:
    """Object to the index, among the frames of truth, of the reference frame that shows it first."""
    frames = list(video.truth)
    enters: dict[int, int] = {}
    for frame, path in video.given.items():
        if not path.is_file():
            raise InputError(f"{path} is missing: it says which objects enter")
        for number in np.unique(read_numbers(path)).tolist():
            if number and number not in groups:
                raise InputError(f"{path} shows object {number}, which obj_class.json does not have")
            if number and frame not in frames:
                raise InputError(f"{path} has no truth: frame {frame} is missing in Annotations_gt")
            if number:
                enters.setdefault(number, frames.index(frame))
    return enters


def _objects(
    video: ObjectVideo, scores: ViposegScores, groups: Mapping[int, str], read: IdReader
) -> Iterator[ObjectResult]:
    frames = tuple(video.truth)
    for number in np.unique(scores.object_ids).tolist():
        mine = scores.object_ids == number
        j, boundary = (np.full(len(frames), np.nan) for _ in range(2))
        j[scores.frames[mine]], boundary[scores.frames[mine]] = scores.j[mine], scores.boundary[mine]
        mean = float(scores.j[mine].mean()), float(scores.boundary[mine].mean())
        values = {"iou": sum(mean) / 2, "miou": mean[0], "biou": mean[1]}
        name = f"{number} ({groups[number].replace('_', ' ')})"
        series = {"J": j, "B": boundary}
        yield entering.result(video, frames, read, number, name=name, values=values, series=series)


BENCHMARKS = (
    Viposeg(
        "viposeg",
        "ViPOSeg",
        "objects",
        ("valid",),
        "Annotations/<video>/<frame>.png, palette PNGs with the object number as index",
        "a zip with the folder Annotations at its top",
        top="Annotations",
    ),
)
