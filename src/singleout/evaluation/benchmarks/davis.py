"""DAVIS 2016 and 2017, semi-supervised and unsupervised.

Semi-supervised: the masks of the first frame are given, the first and the last frame are not scored. Unsupervised: all
frames, void left out, each object goes with the proposal that suits it best. DAVIS-2016 has no evaluator of its own:
its masks of 0 and 255 become 0 and 1 and the rule of 2017 holds (davisvideochallenge/davis2017-evaluation#4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from singleout.data import davis
from singleout.data.records import ObjectVideo
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Benchmark, Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.looks import look_at
from singleout.evaluation.benchmarks.predictions import Ids, Read, id_reader, only_binary, same_size
from singleout.evaluation.metrics import davis as metric
from singleout.evaluation.report.values import Evaluation, ObjectResult
from singleout.exports import FORMATS
from singleout.exports.layout import pack
from singleout.exports.pictures import read_numbers
from singleout.media.ahead import read_ahead
from singleout.prompts import Mask, Prompt
from singleout.tracks import FrameMasks, Tracks

_AHEAD = 4
_STATISTICS = ("Mean", "Recall", "Decay")
_SERVER = {"GlobalMean": "J&F-Mean", "JMean": "J-Mean", "JRecall": "J-Recall", "JDecay": "J-Decay"}
_SERVER |= {"FMean": "F-Mean", "FRecall": "F-Recall", "FDecay": "F-Decay"}


@dataclass(frozen=True)
class Davis(Benchmark):
    """One of the three protocols. year: of the list of sequences."""

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
        for video in videos:
            missing = [path for path in video.truth.values() if not path.is_file()]
            if missing or not video.truth:
                raise InputError(
                    f"{missing[0]} is missing: the truth of {video.name} is not whole"
                    if missing
                    else f"the truth of {video.name} is not public: pack the predictions for the server instead"
                )
        wanted = {video.name: self._scored(video.frame_names) for video in videos}
        read, notes = id_reader(predictions, wanted)
        scores = metric.Davis(wrap=not corrected)
        objects: list[ObjectResult] = []
        for done, video in enumerate(videos, 1):
            found = self._score(video, read)
            rows = scores.add(video.name, found)
            objects += self._objects(video, rows, found, read)
            on_video(video.name, done, len(videos))
        result = scores.result()
        longest = max(len(frames) for frames in wanted.values())
        if longest > 256 and not corrected:
            notes += (f"decay is not what it should be: the official evaluator miscounts above 256 frames ({longest})",)
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
        return [
            Job(
                video.name,
                video.images[0].parent,
                partial(self._asked, video),
                frames=video.frame_names,
                num_frames=len(video.frame_names),
            )
            for video in self._videos(data)
        ]

    def adapt(self, masks: FrameMasks) -> FrameMasks:
        """Objects compete for each pixel, as a picture of ids holds one of them."""
        return replace(masks, exclusive=True)

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """A palette PNG a frame in ``<sequence>/``."""
        (tracks,) = answers
        names = list(tracks.frame_names or ())
        return FORMATS["davis"].write(tracks, folder, video_name=job.name, frame_names=names, overwrite=True)

    def submission(self, folder: Path, archive: Path) -> Path:
        """The sequence folders lie directly in the zip (codalab/codalab-competitions#2709)."""
        return pack(folder, archive)

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

    def _predicted(self, read: Read, video: ObjectVideo, frame: str) -> Ids:
        ids = read(video.name, frame)
        return only_binary(ids) if self.binary else ids

    def _objects(
        self, video: ObjectVideo, rows: Sequence[metric.ObjectResult], scores: metric.VideoScores, read: Read
    ) -> Iterator[ObjectResult]:
        frames = self._scored(video.frame_names)
        images = dict(zip(video.frame_names, video.images, strict=True))
        for row, j, f, proposal in zip(rows, scores.j, scores.f, scores.proposal_ids, strict=True):
            look = look_at(
                frames,
                images,
                partial(self._mask, partial(self._truth, video), row.object_id),
                partial(self._mask, partial(self._predicted, read, video), proposal),
            )
            values = {"J&F-Mean": (row.j.mean + row.f.mean) / 2}
            values |= {f"J-{name}": value for name, value in zip(_STATISTICS, astuple(row.j), strict=True)}
            values |= {f"F-{name}": value for name, value in zip(_STATISTICS, astuple(row.f), strict=True)}
            # Rows of the official table are numbered by the proposals, which need not be the objects' own numbers.
            name = row.name.removeprefix(f"{video.name}_")
            yield ObjectResult(video.name, name, values, values["J&F-Mean"], {"J": j, "F": f}, frames, look)

    @staticmethod
    def _mask(read: Callable[[str], Ids], number: int, frame: str) -> npt.NDArray[np.bool_]:
        return read(frame) == number

    def _score(self, video: ObjectVideo, read: Read) -> metric.VideoScores:
        predicted = partial(self._predicted, read, video)
        if self.unsupervised:
            pairs = read_ahead(lambda: self._pairs(video, predicted, video.frame_names), _AHEAD)
            return metric.unsupervised(pairs, where=video.name)
        names = self._scored(video.frame_names)
        first = self._truth(video, video.frame_names[0])
        most = int(np.max(first, where=first != metric.VOID, initial=0))

        def frames() -> Iterator[tuple[Ids | None, Ids | None]]:
            yield None, first
            yield from self._pairs(video, predicted, names, most)
            yield None, None

        return metric.semi_supervised(read_ahead(frames, _AHEAD), where=video.name)

    def _pairs(
        self,
        video: ObjectVideo,
        predicted: Callable[[str], Ids],
        names: Sequence[str],
        most: int = metric.MAX_PROPOSALS,
    ) -> Iterator[tuple[Ids, Ids]]:
        for name in names:
            found, true = predicted(name), self._truth(video, name)
            same_size(found, true, f"the prediction {video.name}/{name}.png")
            largest = int(found.max(initial=0))
            if largest > most:
                what = "proposals are taken" if self.unsupervised else "objects are in the truth"
                raise InputError(
                    f"the prediction {video.name}/{name}.png has the object id {largest}, but only {most} {what}: ids "
                    "are 1, 2, 3, …, and a mask of one object holds 0 and 1"
                )
            yield found, true

    def _asked(self, video: ObjectVideo) -> list[tuple[Prompt, ...]]:
        ((frame, path),) = video.given.items()
        ids = read_numbers(path)
        ids = only_binary(ids) if self.binary else np.where(ids == metric.VOID, np.int32(0), ids)
        return [(Mask(ids, frame=video.frame_names.index(frame), source=str(path)),)]


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
_DECAY = "decay of objects with more than 256 frames"
BENCHMARKS = (
    Davis(
        "davis2016",
        "DAVIS 2016",
        "objects",
        ("val", "train"),
        "<sequence>/<frame>.png, PNGs of 0 and 255 or of 0 and 1",
        _ARCHIVE,
        ("resolution",),
        _DECAY,
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
        _DECAY,
    ),
    Davis(
        "davis2017-unsupervised",
        "DAVIS 2017 unsupervised",
        "objects",
        ("val", "train", "test-dev", "test-challenge"),
        _RESULT,
        _ARCHIVE,
        ("resolution",),
        _DECAY,
        unsupervised=True,
    ),
)
