"""What a benchmark is: a data set, which frames and objects count, its metrics, and the files that it takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from singleout.data.files import base_split
from singleout.data.records import Video
from singleout.errors import InputError
from singleout.evaluation.report.values import Evaluation
from singleout.prompts import Prompt
from singleout.tracks import FrameCodes, FrameMasks, Tracks

OnVideo = Callable[[str, int, int], None]
"""Told of each video that is done: its name, how many are done, how many there are."""


def quietly(name: str, done: int, total: int) -> None:
    """An `OnVideo` that tells nobody."""


@dataclass(frozen=True)
class Source:
    """Which data are meant.

    root: folder of the data set. split: None for the one that papers report. Benchmarks say which of the others they
    take: truth, a folder or file of truth that does not belong to the download; all_frames: show a model the frames at
    full rate (YouTube-VOS); resolution: "480p" or "Full-Resolution" (DAVIS); samples: a list of what is asked (A2D,
    JHMDB), or the folder of the text files of Ref-DAVIS17.
    """

    root: Path
    split: str | None = None
    truth: Path | None = None
    all_frames: bool = False
    resolution: str | None = None
    samples: Path | None = None

    @property
    def is_part(self) -> bool:
        """Whether the split is a development part of an official one."""
        return self.split is not None and base_split(self.split) != self.split


@dataclass(frozen=True)
class Job:
    """One video, or image, that a model is asked about, and what it is asked.

    name: of the video in its data set. video: folder of frames, video file or picture. frames: the names, without
    suffix, of the frames that are shown to the model; None for all. keep: the names of the frames whose masks are
    predictions; None for all that are shown. asks: called when it is the job's turn; each group of prompts is asked by
    itself, so that its answers do not compete with those of another group. num_frames: roughly, for the progress.
    about: what the benchmark needs when it writes the answers down.
    """

    name: str
    video: Path
    asks: Callable[[], Sequence[tuple[Prompt, ...]]]
    frames: tuple[str, ...] | None = None
    keep: tuple[str, ...] | None = None
    num_frames: int = 1
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_video(cls, video: Video, asks: Callable[[], Sequence[tuple[Prompt, ...]]], **more: Any) -> Self:
        """A whole video of a data set. more: further fields, and other values than those of the video.

        Raises InputError for a video without frames.
        """
        if not video.images:
            raise InputError(f"{video.name} has no frames: unpack the data set whole")
        usual = {"name": video.name, "frames": video.frame_names, "num_frames": len(video.frame_names)}
        return cls(**{**usual, "video": video.images[0].parent, "asks": asks, **more})


@dataclass(frozen=True)
class Benchmark(ABC):
    """One benchmark; frozen, and cheap to make: data are read by the methods.

    name: on the command line. title: as papers call it. task: of instances, semantic, panoptic, referring, objects.
    splits: that can be evaluated, the usual one first. result, archive: one line each for people: the files of
    predictions, and what the server takes. takes: which of the further fields of `Source` mean something here.
    corrects: the defects of the official evaluator that `corrected` mends, "" where there are none. unit: what
    `OnVideo` is told of.
    """

    name: str
    title: str
    task: str
    splits: tuple[str, ...]
    result: str
    archive: str
    takes: tuple[str, ...] = ()
    corrects: str = ""
    unit: str = "videos"

    def checked(self, data: Source, *, corrected: bool = False) -> Source:
        """The source with its split filled in.

        Raises InputError for a split that this benchmark does not have, and for whatever means nothing to it.
        """
        split = data.split or self.splits[0]
        # Development splits are shorter lists beside an official one: see singleout.data.
        if base_split(split) not in self.splits and split not in self.splits:
            raise InputError(f"--split {split}: {self.name} has {', '.join(self.splits)}")
        for option in ("truth", "all_frames", "resolution", "samples"):
            if getattr(data, option) not in {None, False} and option not in self.takes:
                raise InputError(f"--{option.replace('_', '-')} means nothing for {self.name}: leave it out")
        if corrected and not self.corrects:
            raise InputError(f"--corrected: the official evaluator of {self.name} has no known defect; leave it out")
        return replace(data, split=split)

    @abstractmethod
    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """The official numbers of predictions.

        data: as `checked` gives it. predictions: folder or file in the format of the benchmark, or where masks of ids
        are due a folder with the outputs of `singleout segment`, one a video. corrected: mend the defects that
        `corrects` names. Raises InputError, naming the file, for whatever is missing, damaged or does not belong to the
        split; there is no table of some of the videos.
        """

    def open(self, data: Source) -> list[Job]:
        """What a model is asked, video by video. Raises InputError where no prompt can ask for this task."""
        raise InputError(
            f"{self.name} cannot be run by a model of singleout, whose models need to be asked for something: make "
            f"predictions in its format ({self.result}) and use singleout eval"
        )

    def adapt(self, masks: FrameMasks | FrameCodes) -> FrameMasks | FrameCodes:
        """Soft masks as they come from the model, before they are made hard; a benchmark may have a rule of its own.

        Of a system that decides by itself, they are coded already.
        """
        return masks

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """Write the predictions of one job below `folder`; returns the files, and folders of files, that it made.

        answers: one Tracks for each group of prompts. Each file or folder appears whole or not at all, in place of an
        earlier one. What is made of all jobs together comes with `finish`.
        """
        raise InputError(f"{self.name} cannot be run by a model of singleout")

    def finish(self, data: Source, jobs: Sequence[Job], folder: Path) -> None:
        """Make of the predictions of all jobs what the format wants beside them, such as one JSON file of all."""
        return

    def submission(self, folder: Path, archive: Path) -> Path | None:
        """Pack the predictions in `folder` exactly as the server takes them; None where there is no server."""
        return None
