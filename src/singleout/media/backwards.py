"""A video from back to front, decoded forwards piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

_CHUNK = 32  # frames that are decoded, and held, at a time
Kept = TypeVar("Kept")


class _Readable(Protocol):
    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[npt.NDArray[np.uint8]]:
        """The frames from start to stop (not included)."""


def frames_backwards(
    video: _Readable, start: int, stop: int, keep: Callable[[npt.NDArray[np.uint8]], Kept]
) -> Iterator[tuple[int, Kept]]:
    """Frames stop - 1 down to start with their numbers. keep: what is held of each, such as a smaller picture."""
    for end in range(stop, start, -_CHUNK):
        begin = max(start, end - _CHUNK)
        held: list[Any] = [keep(frame) for frame in video.frames(begin, end)]
        for offset in range(end - begin - 1, -1, -1):
            yield begin + offset, held[offset]
