"""Cutting objects out of frames: everything else transparent, blurred or of one colour."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor, ImageFilter

from singleout.errors import InputError
from singleout.media.atomic import atomic_folder
from singleout.media.writer import VideoWriter

if TYPE_CHECKING:
    from singleout.media import Video

Background = str | tuple[int, int, int]
Frame = npt.NDArray[np.uint8]

_VIDEOS = (".mp4", ".webm")
# Blur at a quarter of the size: nobody sees the difference in what is blurred, and it takes a sixteenth of the time.
_SHRINK = 4


def cut(
    frame: Frame, mask: npt.NDArray[np.bool_], background: Background = "transparent", *, smooth: bool = True
) -> Frame:
    """The frame with everything outside of the mask removed: (height, width, 4) RGBA or (height, width, 3) RGB.

    frame: (height, width, 3) uint8. mask: (height, width) bool. background: "transparent" for RGBA whose other
    pixels are 0 in all channels, "blur", or a colour as (red, green, blue), a name or "#rrggbb". smooth: soften
    the edge by about a pixel. Raises InputError for another background and sizes that do not fit.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise InputError(f"the frame must be (height, width, 3) uint8, not {frame.shape} {frame.dtype}")
    if mask.shape != frame.shape[:2]:
        raise InputError(f"the mask is {mask.shape} but the frame {frame.shape[:2]}: they must be of one size")
    background = as_background(background)
    matte = Image.fromarray(np.asarray(mask, dtype=np.uint8) * np.uint8(255))
    if smooth:
        matte = matte.filter(ImageFilter.GaussianBlur(0.7))
    if background == "transparent":
        cleared = np.empty((*frame.shape[:2], 4), dtype=np.uint8)
        cleared[..., 3] = np.asarray(matte)
        np.multiply(frame, (cleared[..., 3:] > 0), out=cleared[..., :3])
        return cleared
    image = Image.fromarray(frame)
    behind = _blurred(frame, mask) if background == "blur" else Image.new("RGB", image.size, background)
    behind.paste(image, (0, 0), matte)
    return np.asarray(behind).copy()


def as_background(value: Background) -> Background:
    """A background as `cut` takes it: "transparent", "blur" or (red, green, blue) 0..255.

    Colour names and "#rrggbb" are turned into numbers. Raises InputError for anything else.
    """
    if isinstance(value, str):
        if value in ("transparent", "blur"):
            return value
        try:
            red, green, blue = ImageColor.getrgb(value)[:3]
        except ValueError as error:
            raise InputError(
                f'background "{value}": expected transparent, blur, a colour name such as white, or #rrggbb'
            ) from error
        return red, green, blue
    numbers = tuple(int(channel) for channel in value)
    if len(numbers) != 3 or not all(0 <= channel <= 255 for channel in numbers):
        raise InputError(f"background {value}: a colour is three numbers from 0 to 255")
    return numbers[0], numbers[1], numbers[2]


def _blurred(frame: Frame, mask: npt.NDArray[np.bool_]) -> Image.Image:
    """The frame strongly blurred, without the object, whose colours would else glow around its edge."""
    height, width = frame.shape[:2]
    size = max(1, -(-width // _SHRINK)), max(1, -(-height // _SHRINK))
    radius = max(1.5, min(size) / 16)
    outside = ~np.asarray(mask, dtype=bool)
    weight = outside.view(np.uint8)
    picture = Image.fromarray(frame * weight[..., None]).resize(size, Image.Resampling.BOX)
    share = Image.fromarray(weight * np.uint8(255)).resize(size, Image.Resampling.BOX)
    blur = ImageFilter.GaussianBlur(radius)
    colours = np.asarray(picture.filter(blur), dtype=np.float32)
    shares = np.asarray(share.filter(blur), dtype=np.float32)[..., None] / 255
    # Deep inside of a large object nothing of the surroundings is left; it is covered by the object anyway.
    filled = np.clip(colours / np.maximum(shares, 1 / 255), 0, 255).astype(np.uint8)
    return Image.fromarray(filled).resize((width, height), Image.Resampling.BICUBIC)


class CutoutWriter:
    """Writes cut-outs of a whole video, to be used in a `with`: a folder of PNG frames, or a video file.

    path: a name that ends in .mp4 or .webm is a video (an mp4 cannot be transparent), any other a folder of
    PNG. height, width: in pixels. times: (num_frames,) seconds. frame_names: stems of the PNG files, "00000"…
    where they are left out. audio_from: the source of the sound of a video. background, smooth: as for `cut`.
    overwrite: replace a folder that holds something. Nothing stays behind if the block fails. Raises InputError
    as `VideoWriter` does.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        height: int,
        width: int,
        times: Sequence[float] | npt.NDArray[np.float64],
        *,
        background: Background = "transparent",
        frame_names: Sequence[str] | None = None,
        audio_from: Video | str | os.PathLike[str] | None = None,
        smooth: bool = True,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self._background = as_background(background)
        self._smooth = smooth
        self._overwrite = overwrite
        self._names = [f"{index:05d}" for index in range(len(times))] if frame_names is None else list(frame_names)
        if len(self._names) != len(times):
            raise InputError(f"{self.path}: there are {len(times)} frames but {len(self._names)} frame names")
        self._video: VideoWriter | None = None
        if self.path.suffix.lower() in _VIDEOS:
            clear = self._background == "transparent"
            if clear and self.path.suffix.lower() == ".mp4":
                raise InputError(
                    f"{self.path}: an mp4 cannot be transparent; give a folder for PNG frames or a name that ends in "
                    ".webm, or choose the background blur or a colour"
                )
            self._video = VideoWriter(self.path, height, width, times, audio_from=audio_from, alpha=clear)
        self._stack = ExitStack()
        self._done = 0

    def __enter__(self) -> Self:
        if self._video is not None:
            self._stack.enter_context(self._video)
        else:
            self._folder = self._stack.enter_context(atomic_folder(self.path, overwrite=self._overwrite))
        return self

    def write(self, frame: Frame, mask: npt.NDArray[np.bool_]) -> None:
        """Add the next frame, (height, width, 3) uint8, and its (height, width) bool mask."""
        picture = cut(frame, mask, self._background, smooth=self._smooth)
        if self._video is not None:
            self._video.write(picture)
        elif self._done >= len(self._names):
            raise InputError(f"{self.path}: more frames than the {len(self._names)} that were announced")
        else:
            Image.fromarray(picture).save(self._folder / f"{self._names[self._done]}.png", compress_level=3)
        self._done += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
