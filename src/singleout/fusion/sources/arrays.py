"""Members as files of numpy."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from singleout.data.records import ReferringVideo
from singleout.fusion.sources.base import Source, Values, file_state, one_size
from singleout.fusion.store import Scores


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
        return one_size(self, video, sizes)

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
        return [file_state(self._path(video, sentence.id)) for sentence in video.sentences]

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
