"""Videos with sound that the tests of the writers make."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from written_files import CLICKS, picture


@pytest.fixture
def clip_with_clicks(tmp_path: Path) -> Callable[..., Path]:
    """Makes a video of 3 s, 25 frames/s, whose sound has a tone of 10 ms at each of `CLICKS`."""

    def make(
        name: str, codec: str, *, rate: int = 44100, layout: str = "stereo", video: str = "mpeg4", delay: float = 0.0
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as output:
            stream: Any = output.add_stream(video, rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            sound: Any = output.add_stream(codec, rate=rate)
            sound.codec_context.layout = layout
            channels = sound.codec_context.layout.nb_channels
            wave = np.zeros(3 * rate, dtype=np.float32)
            tone = 0.8 * np.sin(np.arange(rate // 100) * 2 * np.pi * 2000 / rate)
            for click in CLICKS:
                wave[int(click * rate) : int(click * rate) + len(tone)] = tone
            packets = []
            for number in range(75):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                frame.pts, frame.time_base = number + round(delay * 25), Fraction(1, 25)
                packets += stream.encode(frame)
            packets += stream.encode(None)
            for start in range(0, len(wave), 1024):
                part = np.ascontiguousarray(np.repeat(wave[None, start : start + 1024], channels, axis=0))
                piece = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
                piece.sample_rate, piece.pts, piece.time_base = rate, start + round(delay * rate), Fraction(1, rate)
                packets += sound.encode(piece)
            packets += sound.encode(None)
            for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
                output.mux(packet)
        return path

    return make
