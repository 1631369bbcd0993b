"""Some frames of a video as a video, where a benchmark shows a model fewer than there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media import Video

Frame = npt.NDArray[np.uint8]


class Selection:
    """The frames of a video with these indices, ascending; what a system needs of a video."""

    def __init__(self, video: Video, indices: Sequence[int]) -> None:
        self.video, self.indices = video, list(indices)
        self.name, self.fps = video.name, video.fps
        self.height, self.width = video.height, video.width
        self.times = video.times[self.indices]
        self.frame_names = [video.frame_names[index] for index in self.indices]

    @property
    def num_frames(self) -> int:
        """How many frames are chosen."""
        return len(self.indices)

    def __getitem__(self, index: int) -> Frame:
        return self.video[self.indices[index]]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """The chosen frames from start to stop (not included)."""
        for index in self.indices[start:stop]:
            yield self.video[index]

    def shots(self) -> list[tuple[int, int]]:
        """Those of the whole video, in numbers of the chosen frames; shots without a chosen frame are left out."""
        borders = np.searchsorted(self.indices, [(start, stop) for start, stop in self.video.shots()])
        return [(int(start), int(stop)) for start, stop in borders if start < stop]


@contextmanager
def open_frames(path: Path, names: Sequence[str] | None) -> Iterator[Video | Selection]:
    """A video, or those of its frames that have these names. Raises InputError for a frame that is not there."""
    with Video(path) as video:
        if names is None or list(video.frame_names) == list(names):
            yield video
            return
        places = {str(name): index for index, name in enumerate(video.frame_names)}
        missing = [name for name in names if name not in places]
        if missing:
            raise InputError(f"{path} has no frame {missing[0]}, which the data set lists ({len(missing)} are missing)")
        yield Selection(video, sorted(places[name] for name in names))
