"""Frames that are in memory already, as a numpy array or a torch tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.colour import on_black, resize_image
from singleout.media.sources import DEFAULT_FPS, Frame, Size, Source, check_size

_LAYOUTS = (
    "(frames, height, width, 3), (frames, 3, height, width), (height, width, 3) or, grey, (frames, height, width)"
)
_SAMPLED_BYTES = 1 << 22


class ArraySource(Source):
    """An array of frames, uint8 or float in 0 to 1; it is not copied, and frames are handed out as copies.

    Raises InputError for a shape or dtype that cannot be understood in one way only.
    """

    kind = "array"

    def __init__(self, array: Any, fps: float | None = None) -> None:
        self.label = "the array"
        self._array: Any = array.detach() if hasattr(array, "detach") else np.asarray(array)
        shape = tuple(int(side) for side in self._array.shape)
        if 0 in shape:
            raise InputError(f"the array has shape {shape}, there is nothing in it")
        self._add_time, self._channels_at = _layout(shape, is_torch=hasattr(array, "detach"))
        frames = shape[1:] if not self._add_time else shape
        spatial = [side for at, side in enumerate(frames) if at != self._channels_at]
        self.height, self.width = spatial
        check_size(self.label, self.width, self.height)
        self._scale = self._check_values()
        num_frames = 1 if self._add_time else shape[0]
        self.fps = DEFAULT_FPS if fps is None else fps
        self.times = np.arange(num_frames, dtype=np.float64) / self.fps
        self.names = [f"{number:05d}" for number in range(num_frames)]

    def read(self, index: int, size: Size) -> Frame:
        """See `Source.read`."""
        from PIL import Image

        values = self._array if self._add_time else self._array[index]
        if hasattr(values, "detach"):
            values = (values.float() if self._scale else values).cpu().numpy()
        if self._scale:
            values = np.rint(np.asarray(values, np.float32) * 255).clip(0, 255)
        picture: npt.NDArray[np.uint8] = np.array(values, np.uint8)
        if self._channels_at is None:
            picture = picture[..., None]
        elif self._channels_at == 0:
            picture = picture.transpose(1, 2, 0)
        if picture.shape[2] == 1:
            picture = np.repeat(picture, 3, axis=2)
        picture = on_black(picture) if picture.shape[2] == 4 else np.ascontiguousarray(picture)
        return picture if size == picture.shape[:2] else resize_image(Image.fromarray(picture), size)

    def scan(self, indices: Sequence[int] | npt.NDArray[np.int64], size: Size) -> Iterator[Frame]:
        """See `Source.scan`."""
        for index in indices:
            yield self.read(int(index), size)

    def count_sound(self) -> tuple[int, str | None]:
        """See `Source.count_sound`."""
        return len(self.times), None

    def identity(self) -> Iterator[bytes]:
        """See `Source.identity`: shape, type, and evenly spaced frames."""
        yield f"{tuple(self._array.shape)} {self._array.dtype}".encode()
        one = self.height * self.width * 3
        step = max(1, len(self.times) * one // _SAMPLED_BYTES)
        for index in dict.fromkeys([*range(0, len(self.times), step), len(self.times) - 1]):
            yield self.read(index, (self.height, self.width)).tobytes()

    def details(self) -> dict[str, Any]:
        """See `Source.details`."""
        return {"shape": list(self._array.shape), "dtype": str(self._array.dtype)}

    def _check_values(self) -> bool:
        """Whether values are 0 to 1 and must be scaled."""
        kind = str(self._array.dtype).removeprefix("torch.")
        if kind == "uint8":
            return False
        if "float" not in kind:
            raise InputError(f"the array is {kind}; expected uint8 in 0 to 255, or float in 0 to 1")
        low, high = float(self._array.min()), float(self._array.max())
        # A little more than 1 is what interpolation leaves behind; nan fails both comparisons.
        if not (low >= -0.01 and high <= 1.01):
            raise InputError(f"the array is {kind} with values from {low:g} to {high:g}; expected 0 to 1, or uint8")
        return True


def _layout(shape: tuple[int, ...], is_torch: bool) -> tuple[bool, int | None]:
    """Whether an array is a single frame, and which axis of a frame holds its channels (None for grey)."""
    some = {1, 3, 4}
    if len(shape) == 2:
        return True, None
    if len(shape) == 3:
        last = shape[2] in some
        if last and shape[0] not in some:
            return True, 2
        if shape[0] != 3 and not last:
            return False, None
        # Torch keeps channels first; in numpy three grey frames are as likely.
        if is_torch and not last:
            return True, 0
    if len(shape) == 4:
        first, last = shape[1] in some, shape[3] in some
        if first and last:
            first, last = shape[1] == 3, shape[3] == 3
        if first != last:
            return (False, 2) if last else (False, 0)
    unclear = "can be read in several ways" if len(shape) in (3, 4) else "cannot be a video"
    raise InputError(f"an array of shape {shape} {unclear}; expected {_LAYOUTS}")
