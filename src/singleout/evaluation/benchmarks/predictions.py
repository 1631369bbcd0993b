"""Where predictions lie: the folder or zip of a submission, the output of `singleout run` or `singleout segment`."""

from __future__ import annotations

import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.exports.pictures import read_numbers

Ids = npt.NDArray[np.integer[Any]]

RUN_FOLDER = "predictions"
"""Where `singleout run` keeps predictions in its --out."""
_TRACKS_FILE = "tracks.json"
_TOO_DEEP = 3


@contextmanager
def opened(predictions: Path) -> Iterator[Path]:
    """The folder of predictions: a zip is unpacked for as long as the block lasts, and named in its errors."""
    if not predictions.exists():
        raise InputError(f"{predictions}: there is no such file or folder; give the predictions")
    if predictions.is_dir():
        yield predictions / RUN_FOLDER if (predictions / RUN_FOLDER).is_dir() else predictions
        return
    if not zipfile.is_zipfile(predictions):
        # One JSON file may be all that a benchmark asks for.
        yield predictions
        return
    with tempfile.TemporaryDirectory(prefix="singleout-") as scratch:
        try:
            with zipfile.ZipFile(predictions) as packed:
                packed.extractall(scratch)
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise InputError(
                f"{predictions} cannot be unpacked ({error}): it may be cut off, so pack it again"
            ) from error
        try:
            yield Path(scratch)
        except InputError as error:
            raise InputError(str(error).replace(scratch, str(predictions))) from error


def top_folder(predictions: Path, videos: Sequence[str], top: str = "") -> Path:
    """The folder that directly holds a folder for each of these videos.

    top: the folder that the submission has above the videos, "" for none; a folder given without it is fine too.
    Raises InputError where the videos lie deeper, naming where they lie, and where there are none or some are missing.
    """
    if predictions.is_file():
        raise InputError(f"{predictions} is neither a folder nor a zip: give the folder or zip of the predictions")
    places = [predictions / top, predictions] if top else [predictions]
    wanted = {Path(name).parts[0] for name in videos}
    best = max(places, key=lambda place: len(wanted & _folders(place)))
    missing = [name for name in videos if not (best / name).is_dir()]
    if len(missing) < len(videos):
        if missing:
            raise InputError(
                f"{best / missing[0]} is missing: {len(missing)} of the {len(videos)} videos of the split have no "
                "predictions"
            )
        return best
    level = _folders(predictions)
    inner = [predictions / name for name in sorted(level)]
    for depth in range(1, _TOO_DEEP):
        for folder in inner:
            if wanted & _folders(folder):
                many = "one folder" if depth == 1 else f"{depth} folders"
                raise InputError(
                    f"{folder} holds the videos, {many} deeper than expected: the folders of the videos belong "
                    f"directly into {predictions / top if top else predictions}; give that folder, or pack again"
                )
        inner = [folder / name for folder in inner[:50] for name in sorted(_folders(folder))]
    raise InputError(
        f"{predictions} holds predictions of none of the {len(videos)} videos of the split: expected "
        f"{'/'.join(filter(None, (top, videos[0])))}, found {', '.join(sorted(level)[:3]) or 'no folder'}"
    )


def check_others(folder: Path, known: Sequence[str], *, part: bool, what: str = "video") -> tuple[str, ...]:
    """Refuse folders of predictions that belong to no video, or sentence, of the split.

    part: the split is a development part, where the others may be of the rest: a note on them, and no error.
    """
    strange = sorted(_folders(folder) - {Path(name).parts[0] for name in known})
    if not strange:
        return ()
    if part:
        shown = ", ".join(strange[:3]) + (", …" if len(strange) > 3 else "")
        return (f"predictions of no {what} of the part were not looked at: {shown} ({len(strange)})",)
    many = f" (nor are {len(strange) - 1} others)" if len(strange) > 1 else ""
    raise InputError(
        f"{folder / strange[0]} is of no {what} of the split{many}: take it out, or choose the split that it belongs to"
    )


class IdReader(ABC):
    """Predicted ids by the names of video and frame. notes: what a reader of the numbers should know."""

    notes: tuple[str, ...] = ()

    @abstractmethod
    def __call__(self, video: str, frame: str) -> Ids:
        """The ids at each pixel: (height, width)."""

    @abstractmethod
    def where(self, video: str, frame: str) -> str:
        """The file, as a message names it."""


def id_reader(predictions: Path, frames: Mapping[str, Sequence[str]], top: str = "", *, part: bool = False) -> IdReader:
    """How to read the predicted ids of each frame.

    frames: the names of the frames that must be there, by video. Reads PNGs ``<top>/<video>/<frame>.png``, or the
    outputs of `singleout segment`, ``<video>/tracks.json``. Raises InputError for missing videos and frames, and for
    unknown videos as `check_others` does.
    """
    videos = list(frames)
    if all((predictions / name / _TRACKS_FILE).is_file() for name in videos):
        return _TrackReader(predictions, frames)
    folder = top_folder(predictions, videos, top)
    for video, names in frames.items():
        there = {path.name for path in (folder / video).glob("*.png")}
        missing = [name for name in names if f"{name}.png" not in there]
        if missing:
            raise InputError(
                f"{folder / video / missing[0]}.png is missing ({len(missing)} of the {len(names)} frames of {video} "
                "have no prediction)"
            )
    return _PictureReader(folder, check_others(folder, videos, part=part))


def only_binary(ids: Ids) -> Ids:
    """The one object of a picture, 1 wherever there is anything, as DAVIS-2016's 0 and 255 are meant."""
    return (ids > 0).view(np.uint8)


class _PictureReader(IdReader):
    def __init__(self, folder: Path, notes: tuple[str, ...]) -> None:
        self.folder, self.notes = folder, notes

    def __call__(self, video: str, frame: str) -> Ids:
        return read_numbers(self.folder / video / f"{frame}.png")

    def where(self, video: str, frame: str) -> str:
        return str(self.folder / video / f"{frame}.png")


class _TrackReader(IdReader):
    """Ids from the tracks.json of a run for each video; one of them is in memory."""

    def __init__(self, folder: Path, frames: Mapping[str, Sequence[str]]) -> None:
        self.folder, self.frames = folder, frames
        self._video = ""
        self._place: dict[str, int] = {}

    def __call__(self, video: str, frame: str) -> Ids:
        if video != self._video:
            self._open(video)
        return self._tracks.id_map(self._place[frame])

    def where(self, video: str, frame: str) -> str:
        return f"{self.folder / video / _TRACKS_FILE}, frame {frame}"

    def _open(self, video: str) -> None:
        from singleout.exports import trackfile

        file = self.folder / video / _TRACKS_FILE
        self._tracks = trackfile.read(file)
        names = self._tracks.frame_names or [f"{index:05d}" for index in range(self._tracks.num_frames)]
        self._place = {name: index for index, name in enumerate(names)}
        missing = [name for name in self.frames[video] if name not in self._place]
        if missing:
            raise InputError(f"{file} has no frame {missing[0]}: give a run over the frames of the data set")
        self._video = video


def _folders(path: Path) -> set[str]:
    if not path.is_dir():
        return set()
    return {entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
