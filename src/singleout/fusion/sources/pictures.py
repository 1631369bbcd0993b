"""Members as pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.exports.pictures import read_numbers
from singleout.fusion.sources.base import Source, Values, file_state, one_size


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
        return one_size(self, video, sizes)

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
            file_state(self.path / video.name / sentence.id / f"{name}.png")
            for sentence in video.sentences
            for name in video.frame_names
        ]


def _picture_size(path: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
