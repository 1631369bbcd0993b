"""YouTube-VOS 2018 and 2019: objects are given by their mask in the frame in which they enter.

The server's code is not public. G is the mean of J and F over the objects of seen and of unseen categories, as the
paper has it (Xu et al., "YouTube-VOS: A Large-Scale Video Object Segmentation Benchmark", 2018). The validation PNGs of
the download hold an object in its first frame only, so scoring needs the truth from elsewhere, or a training split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from singleout.data import ytvos
from singleout.data.records import ObjectVideo
from singleout.errors import InputError
from singleout.evaluation.benchmarks import entering
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.davis import check_truth
from singleout.evaluation.benchmarks.id_pictures import IdPictures
from singleout.evaluation.benchmarks.predictions import IdReader, id_reader
from singleout.evaluation.metrics.davis import VideoScores
from singleout.evaluation.metrics.vos import YouTubeVos as Gathered
from singleout.evaluation.metrics.vos import object_scores
from singleout.evaluation.report.values import Evaluation, ObjectResult


@dataclass(frozen=True)
class YouTubeVos(IdPictures):
    """See the module; the years differ in their videos only."""

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        videos = ytvos.read(data.root, split=str(data.split), truth=data.truth)
        if any(not video.truth for video in videos):
            raise InputError(
                f"{data.root / str(data.split)} holds no truth of all frames: the one of the validation is not public. "
                "Give --truth with a folder <video>/<frame>.png, or score --split train or a part of it"
            )
        check_truth(videos)
        seen = ytvos.seen_categories(data.root)
        needed = {video.name: _needed(video) for video in videos}
        read = id_reader(predictions, needed, self.top, part=data.is_part)
        gathered = Gathered()
        objects: list[ObjectResult] = []
        short: list[str] = []
        for done, video in enumerate(videos, 1):
            enters = {number: place for number, place in _enters(video).items() if place < len(video.truth) - 1}
            short += [f"{video.name} {each.id}" for each in video.objects if each.id not in enters]
            if enters:
                pairs = entering.pairs(video, _frames(video), read, needed=set(_needed(video)))
                scores = object_scores(pairs, enters, where=video.name)
                known = {each.id: each.category in seen for each in video.objects}
                gathered.add(scores, known)
                objects += _objects(video, scores, known, read)
            on_video(video.name, done, len(videos))
        notes = read.notes
        if short:
            notes += (f"without a frame to score, because they enter in the last one: {', '.join(short)}",)
        result = gathered.result()
        table = {
            "G": result.g,
            "J-seen": result.j_seen,
            "J-unseen": result.j_unseen,
            "F-seen": result.f_seen,
            "F-unseen": result.f_unseen,
        }
        return Evaluation(self.name, self.title, str(data.split), table, objects=tuple(objects), notes=notes)

    def open(self, data: Source) -> list[Job]:
        """A video a job: a mask for each frame in which objects enter."""
        return [
            entering.job(video, video.frames_to_save())
            for video in ytvos.read(data.root, split=str(data.split), all_frames=data.all_frames)
        ]


def _frames(video: ObjectVideo) -> list[str]:
    return sorted(video.truth)


def _enters(video: ObjectVideo) -> dict[int, int]:
    """Object to the index of the frame in which it is given."""
    frames = _frames(video)
    return {each.id: frames.index(each.frames[0]) for each in video.objects}


def _needed(video: ObjectVideo) -> list[str]:
    """The frames after the one in which the first object is given."""
    return _frames(video)[min(_enters(video).values(), default=0) + 1 :]


def _objects(video: ObjectVideo, scores: VideoScores, seen: dict[int, bool], read: IdReader) -> Iterator[ObjectResult]:
    frames = _frames(video)
    for number, j, f in zip(scores.object_ids, scores.j, scores.f, strict=True):
        mean_j, mean_f = float(np.nanmean(j)), float(np.nanmean(f))
        values = {"J&F": (mean_j + mean_f) / 2, "J": mean_j, "F": mean_f, "seen": float(seen[number])}
        series = {"J": j, "F": f}
        yield entering.result(video, frames, read, number, name=str(number), values=values, series=series)


_RESULT = "Annotations/<video>/<frame>.png, palette PNGs with the object number as index"
_ARCHIVE = "a zip with the folder Annotations at its top"
BENCHMARKS = tuple(
    YouTubeVos(
        f"youtube-vos-{year}",
        f"YouTube-VOS {year}",
        "objects",
        ("valid", "train", "test"),
        _RESULT,
        _ARCHIVE,
        ("truth", "all_frames"),
        top="Annotations",
    )
    for year in (2018, 2019)
)
