"""What every place has in common from which masks come in, see `sources`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.fusion.store import Scores
from singleout.runs.folder import fingerprint_of

Values = npt.NDArray[Any]


class Source(ABC):
    """Where masks lie. path: as the pipeline names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[str, str] = {}

    def check_unchanged(self, video: ReferringVideo) -> None:
        """Raise InputError where the files of a video are no longer what they were when this was first called."""
        now = fingerprint_of({"state": self.state(video)})
        if self._seen.setdefault(video.name, now) != now:
            raise InputError(
                f"{self.path} changed during the run (video {video.name}): run again; whatever does not depend on it "
                "is kept"
            )

    @abstractmethod
    def size(self, video: ReferringVideo) -> tuple[int, int]:
        """Height and width of the masks of a video.

        Raises InputError where the video, a sentence or a frame is missing, or the sizes differ; pictures are looked
        at closely only when they are read.
        """

    @abstractmethod
    def masks(self, video: ReferringVideo, sentence: str) -> Iterator[Values]:
        """The values of each frame in order: (height, width). Raises InputError where they cannot be read."""

    def scores(self, video: ReferringVideo, sentence: str) -> Scores | None:
        """A score for each frame, None where none are given."""
        return None

    @abstractmethod
    def stamp(self, video: ReferringVideo) -> Any:
        """JSON that is another one when the masks of a video are others."""

    @abstractmethod
    def state(self, video: ReferringVideo) -> Any:
        """Times and sizes of the files, as they are now."""

    def missing(self, what: str, video: ReferringVideo, sentence: str | None = None) -> InputError:
        """The error for something that is not there."""
        where = f"video {video.name}" + (f", sentence {sentence}" if sentence is not None else "")
        return InputError(f"{self.path} has {what} for {where}, which the data set lists: make it whole first")

    def wrong(self, video: ReferringVideo, sentence: str, why: str) -> InputError:
        """The error for something that cannot be used."""
        return InputError(f"{self.path}: video {video.name}, sentence {sentence} {why}")


def file_state(file: Path) -> list[int]:
    """Size and time of a file. Raises InputError where it is gone."""
    try:
        about = file.stat()
    except OSError as error:
        raise InputError(f"{file} is gone or cannot be read: {error.strerror}") from error
    return [about.st_size, about.st_mtime_ns]


def one_size(source: Source, video: ReferringVideo, sizes: Mapping[tuple[int, ...], str]) -> tuple[int, int]:
    """The one size, height and width, of a video. sizes: a sentence of each. Raises InputError for several."""
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        shown = f"{first[1]}x{first[0]} for sentence {one} but {second[1]}x{second[0]} for {other}"
        raise InputError(f"{source.path}: the masks of video {video.name} are {shown}: they must have one size")
    height, width = next(iter(sizes))
    return height, width
