"""DAVIS 2016 and 2017, semi-supervised and unsupervised.

Semi-supervised: the masks of the first frame are given, the first and the last frame are not scored. Unsupervised: all
frames, void left out, each object goes with the proposal that suits it best. DAVIS-2016 has no evaluator of its own:
its masks of 0 and 255 become 0 and 1 and the rule of 2017 holds (davisvideochallenge/davis2017-evaluation#4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from singleout.data import davis
from singleout.data.records import ObjectVideo
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.id_pictures import IdPictures
from singleout.evaluation.benchmarks.looks import look_at, one_id
from singleout.evaluation.benchmarks.pairs import same_size, side_by_side
from singleout.evaluation.benchmarks.predictions import IdReader, Ids, id_reader, only_binary
from singleout.evaluation.metrics import davis as metric
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.exports.pictures import read_numbers
from singleout.prompts import Mask, Prompt

_STATISTICS = ("Mean", "Recall", "Decay")
_SERVER = {"GlobalMean": "J&F-Mean", "JMean": "J-Mean", "JRecall": "J-Recall", "JDecay": "J-Decay"}
_SERVER |= {"FMean": "F-Mean", "FRecall": "F-Recall", "FDecay": "F-Decay"}


@dataclass(frozen=True)
class Davis(IdPictures):
    """One of the three protocols; their zips have no folder at the top (codalab/codalab-competitions#2709).

    year: of the list of sequences.
    """

    year: int = 2017
    unsupervised: bool = False

    @property
    def binary(self) -> bool:
        """Whether there is one object a sequence, whatever number it has."""
        return self.year == 2016

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        videos = self._videos(data)
        check_truth(videos)
        wanted = {video.name: self._scored(video.frame_names) for video in videos}
        read = id_reader(predictions, wanted, part=data.is_part)
        scores = metric.Davis(wrap=not corrected)
        objects: list[ObjectResult] = []
        for done, video in enumerate(videos, 1):
            found = self.score(video, read)
            rows = scores.add(video.name, found)
            objects += self.objects(video, rows, found, read)
            on_video(video.name, done, len(videos))
        result, notes = scores.result(), read.notes
        longest = max(len(frames) for frames in wanted.values())
        if longest >= metric.WRAPS_FROM and not corrected:
            notes += (
                f"decay is not what it should be: the official evaluator miscounts from {metric.WRAPS_FROM} frames on "
                f"({longest})",
            )
        table = result.row()
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            table,
            objects=tuple(objects),
            files=official_files(table, objects, str(data.split)),
            notes=notes,
        )

    def open(self, data: Source) -> list[Job]:
        """A sequence a job: the masks of its first frame are given."""
        if self.unsupervised:
            return super().open(data)
        return [Job.of_video(video, partial(self._asked, video)) for video in self._videos(data)]

    def _videos(self, data: Source) -> tuple[ObjectVideo, ...]:
        return davis.read(
            data.root,
            year=self.year,
            split=str(data.split),
            resolution=data.resolution or "480p",
            unsupervised=self.unsupervised,
        )

    def _scored(self, frame_names: Sequence[str]) -> tuple[str, ...]:
        return tuple(frame_names) if self.unsupervised else tuple(frame_names[1:-1])

    def _truth(self, video: ObjectVideo, frame: str) -> Ids:
        ids = read_numbers(video.truth[frame])
        return only_binary(ids) if self.binary else ids

    def _predicted(self, read: IdReader, video: ObjectVideo, frame: str) -> Ids:
        ids = read(video.name, frame)
        if not self.binary:
            return ids
        # A picture of the numbers of several objects is not what is meant here.
        others = (ids > 1) & (ids != metric.VOID)
        if others.any():
            raise InputError(
                f"{read.where(video.name, frame)} has the object id {ids[others].min()}, but {self.title} has one "
                "object: a mask holds 0 and 255, or 0 and 1"
            )
        return only_binary(ids)

    def objects(
        self, video: ObjectVideo, rows: Sequence[metric.ObjectResult], scores: metric.VideoScores, read: IdReader
    ) -> Iterator[ObjectResult]:
        """The lines of the report for the objects of one sequence. rows: what `metric.Davis.add` gave for scores."""
        frames = self._scored(video.frame_names)
        images = dict(zip(video.frame_names, video.images, strict=True))
        for row, j, f, proposal in zip(rows, scores.j, scores.f, scores.proposal_ids, strict=True):
            look = look_at(
                frames,
                images,
                one_id(partial(self._truth, video), row.object_id),
                one_id(partial(self._predicted, read, video), proposal),
            )
            values = {"J&F-Mean": (row.j.mean + row.f.mean) / 2}
            values |= {f"J-{name}": value for name, value in zip(_STATISTICS, astuple(row.j), strict=True)}
            values |= {f"F-{name}": value for name, value in zip(_STATISTICS, astuple(row.f), strict=True)}
            # Rows of the official table are numbered by the proposals, which need not be the objects' own numbers.
            name = row.name.removeprefix(f"{video.name}_")
            yield ObjectResult(video.name, name, values, values["J&F-Mean"], {"J": j, "F": f}, frames, look)

    def score(self, video: ObjectVideo, read: IdReader) -> metric.VideoScores:
        """J and F of one sequence. Raises InputError, naming the frame, for predictions that do not fit the truth."""
        if self.unsupervised:
            return metric.unsupervised(self._pairs(video, read, video.frame_names), where=video.name)
        names = self._scored(video.frame_names)
        first = self._truth(video, video.frame_names[0])
        most = int(np.max(first, where=first != metric.VOID, initial=0))

        def frames() -> Iterator[tuple[Ids | None, Ids | None]]:
            yield None, first
            yield from self._pairs(video, read, names, most)
            yield None, None

        return metric.semi_supervised(frames(), where=video.name)

    def _pairs(
        self,
        video: ObjectVideo,
        read: IdReader,
        names: Sequence[str],
        most: int = metric.MAX_PROPOSALS,
    ) -> Iterator[tuple[Ids, Ids]]:
        both = side_by_side(names, partial(self._predicted, read, video), partial(self._truth, video))
        for name, (found, true) in zip(names, both, strict=True):
            where = read.where(video.name, name)
            same_size(found, true, where)
            largest = int(found.max(initial=0))
            if largest > most:
                what = "proposals are taken" if self.unsupervised else "objects are in the truth"
                raise InputError(
                    f"{where} has the object id {largest}, but only {most} {what}: ids are 1, 2, 3, …, and a mask of "
                    "one object holds 0 and 1"
                )
            yield found, true

    def _asked(self, video: ObjectVideo) -> list[tuple[Prompt, ...]]:
        ((frame, path),) = video.given.items()
        ids = read_numbers(path)
        ids = only_binary(ids) if self.binary else np.where(ids == metric.VOID, 0, ids)
        return [(Mask(ids.astype(np.int32), frame=video.frame_names.index(frame), source=str(path)),)]


def check_truth(videos: Sequence[ObjectVideo]) -> None:
    """Raises InputError, naming the first file, where a picture of the truth is missing, or a video has none."""
    for video in videos:
        if not video.frame_names:
            raise InputError(f"{video.name} has no frame: unpack the data set whole, its truth is not there")
        if not video.truth:
            raise InputError(f"the truth of {video.name} is not public: pack the predictions for the server instead")
        missing = [path for path in video.truth.values() if not path.is_file()]
        if missing:
            raise InputError(f"{missing[0]} is missing: the truth of {video.name} is not whole")


def official_files(table: Mapping[str, float], objects: Sequence[ObjectResult], split: str) -> dict[str, str]:
    """The CSV files of davis2017-evaluation and the scores.txt of its server."""
    head, values = ",".join(table), ",".join(f"{value:.3f}" for value in table.values())
    rows = [f"{each.video}_{each.name},{each.values['J-Mean']:.3f},{each.values['F-Mean']:.3f}" for each in objects]
    return {
        f"global_results-{split}.csv": f"{head}\n{values}\n",
        f"per-sequence_results-{split}.csv": "\n".join(["Sequence,J-Mean,F-Mean", *rows]) + "\n",
        "scores.txt": "".join(f"{name}: {table[key]:.6f}\n" for name, key in _SERVER.items()),
    }


_RESULT = "<sequence>/<frame>.png, palette PNGs with the object number as index"
_ARCHIVE = "a zip with the folders of the sequences directly at its top"
DECAY = f"decay of objects with {metric.WRAPS_FROM} frames or more"
BENCHMARKS = (
    Davis(
        "davis2016",
        "DAVIS 2016",
        "objects",
        ("val", "train"),
        "<sequence>/<frame>.png, PNGs of 0 and 255 or of 0 and 1",
        _ARCHIVE,
        ("resolution",),
        DECAY,
        year=2016,
    ),
    Davis(
        "davis2017",
        "DAVIS 2017 semi-supervised",
        "objects",
        ("val", "train", "test-dev", "test-challenge"),
        _RESULT,
        _ARCHIVE,
        ("resolution",),
        DECAY,
    ),
    Davis(
        "davis2017-unsupervised",
        "DAVIS 2017 unsupervised",
        "objects",
        ("val", "train", "test-dev", "test-challenge"),
        _RESULT,
        _ARCHIVE,
        ("resolution",),
        DECAY,
        unsupervised=True,
    ),
)
