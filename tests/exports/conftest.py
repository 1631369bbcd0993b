"""A small video of objects with holes, parts and gaps, and how this room wants Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from singleout.exports import FORMATS
from singleout.tracks import Answer, FrameMasks, ObjectInfo, Tracks

settings.register_profile("exports", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("exports")

HEIGHT, WIDTH, NUM_FRAMES = 48, 64, 6
FRAME_NAMES = [f"{5 * index:05d}" for index in range(NUM_FRAMES)]


@pytest.fixture
def scene() -> Tracks:
    """A ring (7, car) that moves, two islands (2, no label) gone in frames 2 and 3, and a stuff ground (9)."""
    tracks = Tracks(HEIGHT, WIDTH, NUM_FRAMES, video_name="clip", frame_names=FRAME_NAMES)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for frame in range(NUM_FRAMES):
        distance = np.hypot(y - 20, x - 18 - 3 * frame)
        ring = (distance < 14) & (distance > 6)
        islands = ((abs(y - 6) < 4) & (abs(x - 52) < 5)) | ((abs(y - 24) < 5) & (abs(x - 58) < 3))
        islands &= ~ring & (frame not in (2, 3))
        ground = (y > 36) & ~ring
        scores = [0.25, 0.5, 0.75]
        tracks.append(FrameMasks(frame, [2, 7, 9], scores, np.stack([islands, ring, ground]), HEIGHT, WIDTH))
    objects = {
        2: ObjectInfo(2, score=0.5),
        7: ObjectInfo(7, label="car", prompt="the red car", score=0.875),
        9: ObjectInfo(9, label="road", prompt="road", score=0.75, thing=False),
    }
    answers = [Answer("road", (9,)), Answer("a kite", ()), Answer("the red car", (7,))]
    return tracks.describe(objects, answers)


@pytest.fixture
def crowd() -> Tracks:
    """Two squares that overlap in frame 1 of 2; the second, id 5, has the higher track score."""
    tracks = Tracks(20, 30, 2, exclusive=False, video_name="clip")
    first, second = np.zeros((2, 20, 30), np.bool_)
    first[4:12, 4:12] = True
    second[8:16, 8:16] = True
    moved = np.roll(second, 12, axis=1)
    tracks.append(FrameMasks(0, [3, 5], [0.9, 0.8], np.stack([first, moved]), 20, 30, False))
    tracks.append(FrameMasks(1, [3, 5], [0.9, 0.8], np.stack([first, second]), 20, 30, False))
    return tracks.describe({3: ObjectInfo(3, label="car", score=0.5), 5: ObjectInfo(5, label="car", score=0.9)})


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Write tracks in a format into a folder of its name, which is returned."""

    def write(tracks: Tracks, name: str, **options: object) -> Path:
        names = options.pop("frame_names", None) or tracks.frame_names or [f"{i:05d}" for i in range(tracks.num_frames)]
        FORMATS[name].write(tracks, tmp_path / name, video_name="clip", frame_names=names, **options)
        return tmp_path / name

    return write
