from __future__ import annotations

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.media import Video, demo_clip, detect_shots
from singleout.media.shots import find_cuts


def scene(seed: int, count: int, speed: float = 0.5) -> np.ndarray:
    """A window moving over a soft random picture of its own colours: (count, 36, 64, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 24, 3)).astype(np.float32) * rng.uniform(0.3, 1, 3).astype(np.float32)
    picture = coarse.repeat(12, axis=0).repeat(12, axis=1)
    starts = (np.arange(count) * speed).astype(int)
    return np.stack([picture[10:46, start : start + 64] for start in starts]).astype(np.uint8)


def test_cuts_are_found_where_they_are() -> None:
    scenes = [scene(seed, 20 + seed) for seed in range(8)]
    starts = np.cumsum([0] + [len(part) for part in scenes])[1:-1]
    assert find_cuts(iter(np.concatenate(scenes))) == starts.tolist()


@pytest.mark.parametrize("speed", [0.0, 1.0, 3.0])
def test_motion_is_no_cut(speed: float) -> None:
    assert find_cuts(iter(scene(3, 60, speed))) == []


def test_a_flash_is_no_cut() -> None:
    frames = scene(1, 40)
    frames[20] = 255
    frames[30:32] = 250
    assert find_cuts(iter(frames)) == []


def test_a_change_of_light_is_no_cut() -> None:
    frames = scene(2, 40).astype(np.float32)
    frames[20:] *= 0.6
    assert find_cuts(iter(frames.astype(np.uint8))) == []


@pytest.mark.parametrize("length", [6, 12, 20])
def test_a_cross_fade_is_one_cut_in_its_middle(length: int) -> None:
    first, second = scene(4, 40, 0.2).astype(np.float32), scene(5, 40, 0.2).astype(np.float32)
    share = (np.arange(1, length + 1) / (length + 1))[:, None, None, None]
    mixed = first[-length:] * (1 - share) + second[:length] * share
    frames = np.concatenate([first[:-length], mixed, second[length:]]).astype(np.uint8)
    (found,) = find_cuts(iter(frames))
    assert abs(found - (40 - length / 2)) <= length / 2


def test_a_fade_through_black_is_a_cut() -> None:
    first, second = scene(6, 30).astype(np.float32), scene(7, 30).astype(np.float32)
    down = np.linspace(1, 0, 10)[:, None, None, None]
    frames = np.concatenate(
        [first[:20], first[20:] * down, np.zeros((6, 36, 64, 3)), second[:10] * down[::-1], second[10:]]
    )
    found = find_cuts(iter(frames.astype(np.uint8)))
    assert len(found) == 1 and 30 <= found[0] <= 42


@pytest.mark.parametrize("count", [1, 2, 5])
def test_shots_of_short_videos_cover_them(count: int) -> None:
    video = Video(scene(0, count))
    assert video.shots() == detect_shots(video) == [(0, count)]


def test_the_demo_clip_has_its_six_shots() -> None:
    try:
        clip = demo_clip()
    except InputError as error:
        pytest.skip(str(error))
    video = Video(clip)
    assert [start for start, _ in video.shots()] == [0, 30, 76, 137, 187, 242]
    assert video.shots()[-1] == (242, 250)
    thirds = Video(clip, every=3)
    assert [int(thirds.source_indices[start]) for start, _ in thirds.shots()] == [0, 30, 78, 138, 189, 243]
