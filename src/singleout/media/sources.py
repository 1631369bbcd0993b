"""What every kind of video gives: frames by number, frames in order, times and names. `Video` chooses among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

Frame: TypeAlias = npt.NDArray[np.uint8]
Size: TypeAlias = tuple[int, int]

# The size from which Pillow warns of a decompression bomb; one frame of it is 268 MB as RGB.
MAX_PIXELS = 89_478_485
# Frames per second of what has no clock of its own, as in DAVIS.
DEFAULT_FPS = 24.0


class DamagedError(InputError):
    """A frame that cannot be read. name: of the file. frame: counted in the source. cause: in a few words."""

    def __init__(self, name: str, frame: int, cause: str) -> None:
        self.name, self.frame, self.cause = name, frame, cause
        how = "with --tolerate-damage (from Python tolerate_damage=True)"
        before = f"; the {frame} frames before it can be read {how}" if frame else ""
        super().__init__(f"{name}: frame {frame} is damaged: {cause}{before}")


class Source(ABC):
    """One opened input, in its full length and at its own size.

    height, width: pixels, as shown (rotation obeyed). times: (num_frames,) float64 seconds from the first frame.
    names: one per frame. clock_start: time of the first frame on the clock of the file, in seconds, for sound.
    broken: where the file is known to end early, the cause, else None.
    """

    kind: str
    label: str
    height: int
    width: int
    times: npt.NDArray[np.float64]
    names: Sequence[str]
    fps: float
    has_audio: bool = False
    clock_start: float = 0.0
    broken: str | None = None

    @abstractmethod
    def read(self, index: int, size: Size) -> Frame:
        """Frame `index` as (height, width, 3) uint8 RGB of `size`, whichever was read before.

        Raises DamagedError.
        """

    @abstractmethod
    def scan(self, indices: Sequence[int] | npt.NDArray[np.int64], size: Size) -> Iterator[Frame]:
        """The frames of ascending `indices`, each read once; independent of every other pass."""

    @abstractmethod
    def count_sound(self) -> tuple[int, str | None]:
        """Read everything once: how many frames come before the first damage, and its cause."""

    @abstractmethod
    def identity(self) -> Iterator[bytes]:
        """Bytes that change when the content does, without reading all of it."""

    def details(self) -> dict[str, Any]:
        """Facts about the file for a person."""
        return {}

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Let go of files and frames."""


def check_size(label: str, width: int, height: int) -> None:
    """Refuse pictures that are too large to hold. Raises InputError."""
    if width < 1 or height < 1:
        raise InputError(f"{label}: the picture is {width}x{height}, it has no pixels")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{label}: the picture is {width}x{height}, {width * height / 1e6:.0f} megapixels; at most "
            f"{MAX_PIXELS / 1e6:.0f} can be read, so make it smaller first"
        )
