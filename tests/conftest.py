"""What every test may use: real video files that are made here, a few pixels small."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

pytest_plugins = ["shared_data"]

Frames = npt.NDArray[np.uint8]

RED, BLUE, GREY = (220, 30, 30), (30, 60, 220), (120, 120, 120)


@pytest.fixture(scope="session")
def squares() -> Callable[..., tuple[Frames, npt.NDArray[np.uint8]]]:
    """A function that draws a red square (id 1) going right and a blue one (id 2) going left on grey."""
    return draw_squares


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """A function that writes frames to a video file, see `encode`."""
    return encode


@pytest.fixture
def squares_file(tmp_path: Path) -> Path:
    """An mp4 of 12 frames of 64x96 with the two squares."""
    return encode(tmp_path / "squares.mp4", draw_squares()[0])


def draw_squares(num_frames: int = 12, height: int = 64, width: int = 96) -> tuple[Frames, npt.NDArray[np.uint8]]:
    """Frames (num_frames, height, width, 3) and the true ids (num_frames, height, width)."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    frames[:] = GREY
    ids = np.zeros((num_frames, height, width), np.uint8)
    side = height // 4
    for index in range(num_frames):
        step = round(index * (width - side) / max(num_frames - 1, 1))
        for number, colour, top, left in ((1, RED, side // 2, step), (2, BLUE, 5 * side // 2, width - side - step)):
            where = (index, slice(top, top + side), slice(left, left + side))
            frames[where] = colour
            ids[where] = number
    return frames, ids


def encode(
    path: Path,
    frames: Sequence[Frames] | Frames,
    *,
    fps: int = 10,
    codec: str | None = None,
    pixels: str = "yuv420p",
    sound: bool = False,
) -> Path:
    """Write (height, width, 3) uint8 frames with PyAV; sound adds a tone of 440 Hz of the same length."""
    codec = codec or {".webm": "libvpx-vp9", ".avi": "mpeg4", ".gif": "gif"}.get(path.suffix, "libx264")
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=fps, options={"crf": "10"} if codec == "libx264" else {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "rgb8" if codec == "gif" else pixels
        tone = output.add_stream("aac", rate=16000) if sound else None
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        output.mux(stream.encode(None))
        if tone is not None:
            time = np.arange(16000 * len(frames) // fps) / 16000
            wave = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
            audio = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            audio.sample_rate = 16000
            output.mux(tone.encode(audio))
            output.mux(tone.encode(None))
    return path


def pytest_sessionstart() -> None:
    """Let Ctrl-C be tested where the tests run in the background of a shell, which has it ignored by all children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
