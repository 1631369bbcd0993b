"""Pictures to write, and looks into the files that the writers made."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np

CLICKS = (0.5, 1.0, 1.5, 2.0, 2.5)
"""Seconds at which the sound of `clip_with_clicks` has a short tone; it is silent elsewhere."""


def picture(number: int, height: int = 64, width: int = 96) -> np.ndarray[Any, Any]:
    """A frame that differs from the others: a slope of grey and a square that wanders."""
    frame = np.empty((height, width, 3), dtype=np.uint8)
    frame[:] = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None]
    left = number * 4 % max(1, width - 16)
    frame[: height // 4, left : left + 16] = (220, 60, 30)
    return frame


def frame_times(path: Path) -> list[float]:
    """The time of every frame of a video, in seconds of the file."""
    with av.open(str(path)) as source:
        return [float(frame.time) for frame in source.decode(video=0)]


def frames_of(path: Path) -> list[np.ndarray[Any, Any]]:
    """Every frame as RGB, converted with all the precision there is."""
    with av.open(str(path)) as source:
        shown = (
            frame.reformat(format="rgb24", interpolation=286724, dst_color_range=2) for frame in source.decode(video=0)
        )
        return [frame.to_ndarray() for frame in shown]


def clicks_of(path: Path) -> list[float]:
    """When the tones in the sound of a video begin, in seconds after its first frame."""
    found: list[float] = []
    with av.open(str(path)) as source:
        first = source.streams.video[0]
        begin = float((first.start_time or 0) * first.time_base)
        for piece in source.decode(audio=0):
            values = np.abs(piece.to_ndarray().astype(np.float32))
            loud = (
                values.max(axis=0)
                if piece.format.is_planar
                else values.reshape(-1, piece.layout.nb_channels).max(axis=1)
            )
            for place in np.flatnonzero(loud > 0.25):
                moment = float(piece.time) - begin + place / piece.sample_rate
                if not found or moment - found[-1] > 0.1:
                    found.append(moment)
    return found


def boxes_of(path: Path) -> list[str]:
    """The top-level boxes of an mp4, in their order."""
    data, place, names = path.read_bytes(), 0, []
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        if size == 1:
            size = struct.unpack(">Q", data[place + 8 : place + 16])[0]
        names.append(name.decode())
        place += size
    return names
