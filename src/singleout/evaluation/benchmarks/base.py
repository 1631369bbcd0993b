"""What a benchmark is: a data set, which frames and objects count, its metrics, and the files that it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.evaluation.report.values import Evaluation
from singleout.prompts import Prompt
from singleout.tracks import FrameMasks, Tracks

OnVideo = Callable[[str, int, int], None]
"""Told of each video that is done: its name, how many are done, how many there are."""


def quietly(name: str, done: int, total: int) -> None:
    """An `OnVideo` that tells nobody."""


@dataclass(frozen=True)
class Job:
    """One video, or image, that a model is asked about, and what it is asked.

    name: of the video in its data set; it may have slashes. video: folder of frames, video file or picture. frames:
    the names, without suffix, of the frames that are shown to the model; None for all. keep: the names of the frames
    whose masks are predictions; None for all that are shown. asks: called when it is the job's turn; each group of
    prompts is asked by itself, so that its answers do not compete with those of another group. num_frames: roughly,
    for the progress. about: what the benchmark needs when it writes the answers down.
    """

    name: str
    video: Path
    asks: Callable[[], Sequence[tuple[Prompt, ...]]]
    frames: tuple[str, ...] | None = None
    keep: tuple[str, ...] | None = None
    num_frames: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark(ABC):
    """One benchmark; frozen, and cheap to make: data are read by the methods.

    name: on the command line. title: as papers call it. task: of instances, semantic, panoptic, referring, objects.
    splits: that can be evaluated, the usual one first. layout, result, archive: one line each for people: the files of
    the data set, of predictions, and what the server takes.
    """

    name: str
    title: str
    task: str
    splits: tuple[str, ...]
    layout: str
    result: str
    archive: str

    def split(self, wanted: str | None) -> str:
        """The wanted split, or the usual one. Raises InputError for one that this benchmark does not have."""
        if wanted is None:
            return self.splits[0]
        if wanted not in self.splits:
            raise InputError(f"--split {wanted}: {self.name} has {', '.join(self.splits)}")
        return wanted

    @abstractmethod
    def evaluate(
        self, data: Path, predictions: Path, split: str | None = None, on_video: OnVideo = quietly
    ) -> Evaluation:
        """The official numbers of predictions.

        data: folder of the data set. predictions: folder or zip in the format of the benchmark, the output of
        `singleout run`, or where masks of ids are due a folder with the outputs of `singleout segment`, one a video.
        Raises InputError, naming the file, for whatever is missing, damaged or does not belong to the split; there is
        no table of some of the videos.
        """

    def open(self, data: Path, split: str | None = None) -> list[Job]:
        """What a model is asked, video by video. Raises InputError where no prompt can ask for this task."""
        raise InputError(
            f"{self.name} cannot be run by a model of singleout, whose models need to be asked for something: make "
            f"predictions in its format ({self.result}) and use singleout eval"
        )

    def adapt(self, masks: FrameMasks) -> FrameMasks:
        """Soft masks as they come from the model, before they are made hard; a benchmark may have a rule of its own."""
        return masks

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """Write the predictions of one job below `folder`; returns the files, and folders of files, that it made.

        answers: one Tracks for each group of prompts. Each file or folder appears whole or not at all, in place of an
        earlier one. What is made of all jobs together comes with `finish`.
        """
        raise InputError(f"{self.name} cannot be run by a model of singleout")

    def finish(self, jobs: Sequence[Job], folder: Path) -> None:
        """Make of the predictions of all jobs what the format wants beside them, such as one JSON file of all."""
        return

    def submission(self, folder: Path, archive: Path) -> Path | None:
        """Pack the predictions in `folder` exactly as the server takes them; None where there is no server."""
        return None


def walk(names: Sequence[str], on_video: OnVideo) -> Iterator[str]:
    """The names one after the other; `on_video` is told when the caller comes back for the next one."""
    for index, name in enumerate(names):
        yield name
        on_video(name, index + 1, len(names))
