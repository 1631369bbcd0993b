"""Masks of sentences that were made elsewhere, read frame by frame: files of torch.save, arrays, pictures.

Three forms are known: ``.pth`` files as the challenge's programs write them, ``{video: {sentence: {"mask_logits": (num_
frames, height, width), "class_info": a score for each frame}}}``, one or a folder of them; a folder of arrays,
``<video>/<sentence>.npz`` with ``masks`` and perhaps ``scores``; and a folder of pictures,
``<video>/<sentence>/<frame>.png``. Nothing of a file is run.
"""

from __future__ import annotations

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.exports.pictures import read_numbers
from singleout.fusion.store import Scores
from singleout.runs.folder import fingerprint_of
from singleout.zoo.stored import StoredTensor, read_stored

Values = npt.NDArray[Any]
_MASKS, _SCORES = "mask_logits", "class_info"


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


def open_source(path: Path) -> Source:
    """Find out what a file or folder is. Raises InputError for one that is missing or of no known form."""
    if path.is_file():
        return TorchSource(path, [path])
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder; it should hold the masks of a member")
    parts = sorted(path.glob("*.pth"))
    if parts:
        return TorchSource(path, parts)
    folder = path / "Annotations" if (path / "Annotations").is_dir() else path
    if next(folder.glob("*/*.npz"), None) is not None:
        return ArraySource(folder)
    if next(folder.glob("*/*/*.png"), None) is not None:
        return PictureSource(folder)
    raise InputError(
        f"{path} holds no masks: expected .pth files, <video>/<sentence>.npz or <video>/<sentence>/<frame>.png"
    )


class TorchSource(Source):
    """Files of torch.save. A video is in one of them."""

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        super().__init__(path)
        self._files = list(files)

    @cached_property
    def _videos(self) -> Mapping[str, tuple[Path, Mapping[str, Any]]]:
        found: dict[str, tuple[Path, Mapping[str, Any]]] = {}
        for file in self._files:
            content = read_stored(file)
            if not isinstance(content, Mapping) or not all(isinstance(each, Mapping) for each in content.values()):
                raise InputError(f"{file}: expected videos by name, and in each its sentences; it holds something else")
            for name, sentences in content.items():
                if str(name) in found:
                    raise InputError(f"video {name} is in {found[str(name)][0].name} and in {file}: take one out")
                found[str(name)] = (file, {str(key): each for key, each in sentences.items()})
        return found

    def size(self, video: ReferringVideo) -> tuple[int, int]:
        """See `Source`."""
        sizes: dict[tuple[int, ...], str] = {}
        for sentence in video.sentences:
            shape = self._tensor(video, sentence.id).shape
            if len(shape) != 3 or shape[0] != len(video.frame_names):
                due = f"a mask for each of its {len(video.frame_names)} frames"
                raise self.wrong(video, sentence.id, f"has masks of shape {list(shape)}, expected {due}")
            scores = self._scores(video, sentence.id)
            if scores is not None and len(scores) != shape[0]:
                raise self.wrong(video, sentence.id, f"has {len(scores)} scores for {shape[0]} frames")
            sizes.setdefault(shape[1:], sentence.id)
        return _one_size(self, video, sizes)

    def masks(self, video: ReferringVideo, sentence: str) -> Iterator[Values]:
        """See `Source`."""
        return self._tensor(video, sentence).rows()

    def scores(self, video: ReferringVideo, sentence: str) -> Scores | None:
        """See `Source`."""
        return self._scores(video, sentence)

    def stamp(self, video: ReferringVideo) -> Any:
        """The checksums of the archive: a copy of the file, or another one with the same content, is the same."""
        found: list[Any] = []
        for sentence in video.sentences:
            tensor = self._tensor(video, sentence.id)
            scores = self._scores(video, sentence.id)
            told = tensor.checksum or self.state(video)
            found.append([told, tensor.kind, tensor.start, tensor.shape, None if scores is None else scores.tolist()])
        return found

    def state(self, video: ReferringVideo) -> Any:
        """See `Source`."""
        return _file_state(self._entry(video)[0])

    def _entry(self, video: ReferringVideo) -> tuple[Path, Mapping[str, Any]]:
        if video.name not in self._videos:
            raise self.missing("no masks", video)
        return self._videos[video.name]

    def _sentence(self, video: ReferringVideo, sentence: str) -> Mapping[str, Any]:
        sentences = self._entry(video)[1]
        if sentence not in sentences:
            raise self.missing("no masks", video, sentence)
        found = sentences[sentence]
        if not isinstance(found, Mapping):
            raise self.wrong(video, sentence, f'is a {type(found).__name__}, expected "{_MASKS}" and "{_SCORES}"')
        return found

    def _tensor(self, video: ReferringVideo, sentence: str) -> StoredTensor:
        tensor = self._sentence(video, sentence).get(_MASKS)
        if not isinstance(tensor, StoredTensor):
            raise self.wrong(video, sentence, f'has no tensor "{_MASKS}"')
        return tensor

    def _scores(self, video: ReferringVideo, sentence: str) -> Scores | None:
        found = self._sentence(video, sentence).get(_SCORES)
        if isinstance(found, StoredTensor):
            found = found.array()
        try:
            return None if found is None else np.array(found, np.float64).reshape(-1)
        except (TypeError, ValueError) as error:
            raise self.wrong(video, sentence, f'has a "{_SCORES}" that is no list of numbers') from error


class ArraySource(Source):
    """A file of numpy for each sentence, which is read frame by frame."""

    def size(self, video: ReferringVideo) -> tuple[int, int]:
        """See `Source`."""
        sizes: dict[tuple[int, ...], str] = {}
        for sentence in video.sentences:
            with self._open(video, sentence.id) as archive, self._array(archive, video, sentence.id) as opened:
                shape, _ = self._header(opened, video, sentence.id)
            if len(shape) != 3 or shape[0] != len(video.frame_names):
                due = f"a mask for each of its {len(video.frame_names)} frames"
                raise self.wrong(video, sentence.id, f"has masks of shape {list(shape)}, expected {due}")
            sizes.setdefault(shape[1:], sentence.id)
        return _one_size(self, video, sizes)

    def masks(self, video: ReferringVideo, sentence: str) -> Iterator[Values]:
        """See `Source`."""
        with self._open(video, sentence) as archive, self._array(archive, video, sentence) as opened:
            (frames, height, width), kind = self._header(opened, video, sentence)
            for _ in range(frames):
                content = opened.read(height * width * kind.itemsize)
                if len(content) != height * width * kind.itemsize:
                    raise self.wrong(video, sentence, "is cut off: make it again")
                yield np.frombuffer(content, kind).reshape(height, width)

    def scores(self, video: ReferringVideo, sentence: str) -> Scores | None:
        """See `Source`."""
        try:
            with np.load(self._path(video, sentence), allow_pickle=False) as arrays:
                found = np.asarray(arrays["scores"], np.float64) if "scores" in arrays.files else None
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise self.wrong(video, sentence, f"cannot be read: {error}") from error
        if found is not None and found.shape != (len(video.frame_names),):
            raise self.wrong(video, sentence, f"has scores of shape {list(found.shape)}, expected one a frame")
        return found

    def stamp(self, video: ReferringVideo) -> Any:
        """See `Source`."""
        return self.state(video)

    def state(self, video: ReferringVideo) -> Any:
        """See `Source`."""
        return [_file_state(self._path(video, sentence.id)) for sentence in video.sentences]

    def _path(self, video: ReferringVideo, sentence: str) -> Path:
        path = self.path / video.name / f"{sentence}.npz"
        if not path.is_file():
            raise self.missing("no masks", video, sentence)
        return path

    def _open(self, video: ReferringVideo, sentence: str) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path(video, sentence))
        except (OSError, zipfile.BadZipFile) as error:
            raise self.wrong(video, sentence, f"cannot be read: {error}") from error

    def _array(self, archive: zipfile.ZipFile, video: ReferringVideo, sentence: str) -> Any:
        try:
            return archive.open("masks.npy")
        except (KeyError, OSError) as error:
            raise self.wrong(video, sentence, 'has no array "masks"') from error

    def _header(self, opened: Any, video: ReferringVideo, sentence: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        form = np.lib.format
        try:
            version = form.read_magic(opened)
            read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
            shape, fortran, kind = read(opened)
        except (ValueError, OSError, EOFError) as error:
            raise self.wrong(video, sentence, f"cannot be read: {error}") from error
        if fortran or kind.kind not in "biuf":
            raise self.wrong(video, sentence, "holds no plain numbers in the order of frames, rows and columns")
        return tuple(shape), kind


class PictureSource(Source):
    """A picture for each sentence and frame."""

    def size(self, video: ReferringVideo) -> tuple[int, int]:
        """See `Source`."""
        sizes: dict[tuple[int, ...], str] = {}
        wanted = {f"{name}.png" for name in video.frame_names}
        for sentence in video.sentences:
            folder = self.path / video.name / sentence.id
            there = {path.name for path in folder.glob("*.png")}
            if not there:
                raise self.missing("no masks", video, sentence.id)
            if there != wanted:
                some = min(there ^ wanted)
                word = "no" if some in wanted else "a strange"
                raise self.wrong(video, sentence.id, f"has {word} picture {some}: expected one for each of its frames")
            sizes.setdefault(_picture_size(folder / min(wanted)), sentence.id)
        return _one_size(self, video, sizes)

    def masks(self, video: ReferringVideo, sentence: str) -> Iterator[Values]:
        """See `Source`."""
        size = None
        for name in video.frame_names:
            values = read_numbers(self.path / video.name / sentence / f"{name}.png")
            size = size or values.shape
            if values.shape != size:
                raise self.wrong(video, sentence, f"has pictures of several sizes: {name}.png is of another one")
            yield values

    def stamp(self, video: ReferringVideo) -> Any:
        """See `Source`."""
        return self.state(video)

    def state(self, video: ReferringVideo) -> Any:
        """See `Source`."""
        return [
            _file_state(self.path / video.name / sentence.id / f"{name}.png")
            for sentence in video.sentences
            for name in video.frame_names
        ]


def _file_state(file: Path) -> list[int]:
    try:
        about = file.stat()
    except OSError as error:
        raise InputError(f"{file} is gone or cannot be read: {error.strerror}") from error
    return [about.st_size, about.st_mtime_ns]


def _picture_size(path: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error


def _one_size(source: Source, video: ReferringVideo, sizes: Mapping[tuple[int, ...], str]) -> tuple[int, int]:
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        shown = f"{first[1]}x{first[0]} for sentence {one} but {second[1]}x{second[0]} for {other}"
        raise InputError(f"{source.path}: the masks of video {video.name} are {shown}: they must have one size")
    height, width = next(iter(sizes))
    return height, width
