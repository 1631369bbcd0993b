"""The promise of 1,000 objects in 300 frames under 500 MB, measured on a part of that."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from tracks_memory import fill

PROMISE = 500e6 / (1000 * 300)


def test_a_mask_takes_its_share_of_the_promise(record_property: pytest.RecordProperty) -> None:
    num_objects, num_frames = 25, 12
    fill(1, 1)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracks = fill(num_objects, num_frames)
        per_mask = (tracemalloc.get_traced_memory()[0] - before) / (num_objects * num_frames)
    finally:
        tracemalloc.stop()
    record_property("bytes_per_mask", per_mask)
    assert len(tracks) == num_objects
    assert per_mask < PROMISE / 2
    # Objects are described once, not once a frame: what a mask takes is its code, an id, a score and an offset.
    assert per_mask < 1.5 * tracks.num_bytes / (num_objects * num_frames) + 200
