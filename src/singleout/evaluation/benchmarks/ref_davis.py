"""Ref-DAVIS17: DAVIS 2017 by sentences, each object described by four annotators.

Every annotator's sentences make one whole result, scored by the unsupervised rule of DAVIS, so that exchanged objects
are not punished; the reported numbers are the plain means of the four results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from singleout.data.records import ObjectVideo, ReferringVideo
from singleout.data.referring import REF_DAVIS_ANNOTATORS, read_ref_davis
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.davis import BENCHMARKS as _DAVIS
from singleout.evaluation.benchmarks.davis import DECAY, check_truth, official_files
from singleout.evaluation.benchmarks.id_pictures import IdPictures
from singleout.evaluation.benchmarks.predictions import id_reader
from singleout.evaluation.metrics import davis as metric
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.prompts import Phrase, Prompt

_FOLDERS = tuple(f"anno_{number}" for number in range(4))
_UNSUPERVISED = next(each for each in _DAVIS if each.unsupervised)


@dataclass(frozen=True)
class RefDavis(IdPictures):
    """See the module.

    The most probable object takes a pixel where it is above one half. The reference puts values below 0.5 to 0 and a
    background of 0.1 in front and takes the largest, which is the same but for ties and for exactly 0.5.
    """

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        videos = [
            ObjectVideo(video.name, video.frame_names, video.images, truth=video.truth) for video in self._videos(data)
        ]
        check_truth(videos)
        folders = _annotators(predictions)
        wanted = {video.name: video.frame_names for video in videos}
        readers = [id_reader(folder, wanted, part=data.is_part) for folder in folders]
        notes: tuple[str, ...] = tuple(note for read in readers for note in read.notes)
        results: list[metric.DavisResult] = []
        objects: list[ObjectResult] = []
        for number, read in enumerate(readers):
            scores = metric.Davis(wrap=not corrected)
            for done, video in enumerate(videos, 1):
                found = _UNSUPERVISED.score(video, read)
                rows = scores.add(video.name, found)
                for each in _UNSUPERVISED.objects(video, rows, found, read):
                    objects.append(replace(each, name=f"{each.name}, annotator {number}"))
                on_video(video.name, number * len(videos) + done, len(readers) * len(videos))
            results.append(scores.result())
        table = metric.ref_davis(results).row()
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            table,
            objects=tuple(objects),
            parts={"By annotator": {name: each.row() for name, each in zip(_FOLDERS, results, strict=True)}},
            files=official_files(table, (), str(data.split)),
            notes=notes,
        )

    def open(self, data: Source) -> list[Job]:
        """A job for each annotator and sequence: the sentences of all its objects."""
        return [
            Job.of_video(video, partial(_asked, video, number), name=f"{folder}/{video.name}")
            for number, folder in enumerate(_FOLDERS)
            for video in self._videos(data)
        ]

    def submission(self, folder: Path, archive: Path) -> None:
        """There is no server."""

    @staticmethod
    def _videos(data: Source) -> tuple[ReferringVideo, ...]:
        return read_ref_davis(data.root, split=str(data.split), texts=data.samples)


def _asked(video: ReferringVideo, annotator: int) -> list[tuple[Prompt, ...]]:
    mine = (each for each in video.sentences if each.annotator == annotator)
    return [tuple(Phrase(each.text, object_id=each.object_ids[0]) for each in mine)]


def _annotators(predictions: Path) -> list[Path]:
    """The four folders of results, by one of the two sets of names in use."""
    for names in (_FOLDERS, REF_DAVIS_ANNOTATORS):
        found = [predictions / name for name in names if (predictions / name).is_dir()]
        if len(found) == len(names):
            return found
        if found:
            missing = next(name for name in names if not (predictions / name).is_dir())
            raise InputError(f"{predictions / missing} is missing: expected a folder for each of {', '.join(names)}")
    inner = sorted(predictions.glob(f"*/{_FOLDERS[0]}")) + sorted(predictions.glob(f"*/{REF_DAVIS_ANNOTATORS[0]}"))
    if inner:
        raise InputError(f"{inner[0].parent} holds the results, one folder deeper than expected: give that folder")
    raise InputError(
        f"{predictions} has no result of an annotator: expected {', '.join(_FOLDERS)}, or {REF_DAVIS_ANNOTATORS[0]} "
        "and so on, each with a folder for every sequence"
    )


BENCHMARKS = (
    RefDavis(
        "ref-davis",
        "Ref-DAVIS17",
        "referring",
        ("valid", "train"),
        "anno_0 … anno_3/<sequence>/<frame>.png, palette PNGs with the object number as index",
        "none: there is no server",
        ("samples",),
        DECAY,
    ),
)
