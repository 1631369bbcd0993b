"""Frames that carry their number as eight black or white bars, which survive any compression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Frame = npt.NDArray[np.uint8]


def numbered(number: int, height: int = 48, width: int = 64) -> Frame:
    """Frame `number`, (height, width, 3)."""
    bits = [(number >> bit & 1) * 255 for bit in range(8)]
    columns = np.repeat(np.array(bits, np.uint8), -(-width // 8))[:width]
    return np.ascontiguousarray(np.broadcast_to(columns[None, :, None], (height, width, 3)))


def number_of(frame: Frame) -> int:
    """The number that a frame of any size carries."""
    width = frame.shape[1]
    places = [int((bit + 0.5) * (-(-width // 8))) for bit in range(8)]
    return sum(int(frame[:, min(place, width - 1)].mean() > 127) << bit for bit, place in enumerate(places))


def encode(
    path: Path,
    frames: Iterable[Frame],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    rate: int = 25,
    stamps: Sequence[int] | None = None,
    clock: Fraction | None = None,
    options: dict[str, str] | None = None,
    rotation: tuple[int, bool] | None = None,
) -> Path:
    """Write (height, width, 3 or 4) uint8 frames. stamps: times in units of clock. rotation: (degrees, hflip)."""
    with av.open(str(path), "w") as container:
        stream: Any = None
        for number, frame in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=dict(options or {}))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = pixels
                if clock is not None:
                    stream.time_base = stream.codec_context.time_base = clock
                if rotation is not None:
                    stream.set_display_rotation(rotation[0], hflip=rotation[1])
            picture = av.VideoFrame.from_ndarray(frame, format="rgba" if frame.shape[2] == 4 else "rgb24")
            picture = picture.reformat(format=pixels)
            picture.pts = number if stamps is None else stamps[number]
            picture.time_base = Fraction(1, rate) if clock is None else clock
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def write_folder(folder: Path, numbers: Iterable[int], name: str = "img{}.png") -> Path:
    """A folder of numbered pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        Image.fromarray(numbered(number)).save(folder / name.format(number))
    return folder
