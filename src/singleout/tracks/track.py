"""One object of a `Tracks`, seen over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from singleout.tracks import codes as run_length
from singleout.tracks.soft import Bool
from singleout.tracks.values import ObjectInfo

if TYPE_CHECKING:
    from singleout.tracks.tracks import Tracks


@dataclass(frozen=True, eq=False)
class Track:
    """A view of one object; it holds no masks of its own. Get one with ``tracks[id]`` or by iterating over `Tracks`."""

    tracks: Tracks
    id: int

    @property
    def info(self) -> ObjectInfo:
        """Label, prompt, score and kind."""
        return self.tracks.objects[self.id]

    @property
    def label(self) -> str:
        """Category or phrase, "" for marks."""
        return self.info.label

    @property
    def prompt(self) -> str:
        """What was asked."""
        return self.info.prompt

    @property
    def score(self) -> float:
        """Score of the whole track, 0 to 1."""
        return self.info.score

    @property
    def thing(self) -> bool:
        """False for stuff."""
        return self.info.thing

    @property
    def present(self) -> Bool:
        """The frames with at least one pixel of the object: (num_frames,) bool."""
        return self.areas > 0

    @property
    def codes(self) -> list[bytes | None]:
        """The run-length code in each frame, None where the object was left out."""
        found: list[bytes | None] = [None] * self.tracks.num_frames
        for frame, place in self.tracks.places(self.id):
            found[frame.frame] = frame.code_at(place)
        return found

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """The score in each frame, NaN where the object was left out: (num_frames,)."""
        found = np.full(self.tracks.num_frames, np.nan, np.float32)
        for frame, place in self.tracks.places(self.id):
            found[frame.frame] = frame.scores[place]
        return found

    @property
    def areas(self) -> npt.NDArray[np.int64]:
        """Pixels in each frame, 0 where the object is absent: (num_frames,). Nothing is decoded."""
        found = np.zeros(self.tracks.num_frames, np.int64)
        frames, codes = self._stored()
        if codes:
            found[frames] = run_length.areas(codes, self.tracks.height, self.tracks.width)
        return found

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """Left, top, right, bottom in pixels, NaN where the object is absent: (num_frames, 4). Nothing is decoded.

        Right and bottom are one past the last pixel: right - left is the width.
        """
        found = np.full((self.tracks.num_frames, 4), np.nan, np.float32)
        frames, codes = self._stored()
        if codes:
            found[frames] = run_length.boxes(codes, self.tracks.height, self.tracks.width)
        return found

    def mask(self, frame: int) -> Bool:
        """The mask in one frame: (height, width) bool, all False where the object is absent."""
        stored = self.tracks.frame(frame)
        place = stored.place(self.id)
        if place is None:
            return np.zeros((self.tracks.height, self.tracks.width), np.bool_)
        return run_length.decode(stored.code_at(place), self.tracks.height, self.tracks.width)

    def masks(self, start: int = 0, stop: int | None = None) -> Bool:
        """The masks of frames start to stop (not included) as one array: (stop - start, height, width) bool."""
        wanted = range(self.tracks.num_frames)[start:stop]
        masks = np.zeros((len(wanted), self.tracks.height, self.tracks.width), np.bool_)
        for mask, frame in zip(masks, wanted, strict=True):
            mask[:] = self.mask(frame)
        return masks

    def iter_masks(self, start: int = 0, stop: int | None = None) -> Iterator[Bool]:
        """The masks of `masks` one after the other, (height, width) bool each, in constant memory."""
        for frame in range(self.tracks.num_frames)[start:stop]:
            yield self.mask(frame)

    def _stored(self) -> tuple[list[int], list[bytes]]:
        places = list(self.tracks.places(self.id))
        return [frame.frame for frame, _ in places], [frame.code_at(place) for frame, place in places]
