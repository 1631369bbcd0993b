from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from numbered import encode, numbered

from singleout.media import Video
from singleout.media.ahead import read_ahead


def readers() -> int:
    return sum("read-ahead" in thread.name for thread in threading.enumerate())


def test_the_thread_ends_when_the_reader_stops_early(tmp_path: Path) -> None:
    video = Video(encode(tmp_path / "a.mp4", map(numbered, range(40))))
    frames = video.frames()
    next(frames)
    assert readers() == 1
    frames.close()  # type: ignore[attr-defined]
    assert readers() == 0
    for _ in video.frames():
        break
    assert readers() == 0


def test_no_more_than_the_depth_is_made_ahead() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = read_ahead(make, 4)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 5
    assert list(items) == list(range(1, 100))


def test_an_error_in_the_thread_comes_after_the_items_before_it() -> None:
    def make() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk was pulled out")

    seen = []
    with pytest.raises(OSError, match="pulled out"):
        for item in read_ahead(make, 8):
            seen.append(item)
    assert seen == [1, 2]
    assert readers() == 0
