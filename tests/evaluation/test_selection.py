"""Some frames of a video as a video."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import benchmark_data
from singleout.errors import InputError
from singleout.evaluation.selection import Selection, open_frames
from singleout.media import Video


def two_shots(folder):
    """Ten grey frames, then ten of noise."""
    folder.mkdir()
    noise = np.random.default_rng(0)
    for index in range(20):
        frame = np.full((48, 64, 3), 90, np.uint8)
        if index >= 10:
            frame = np.where(np.arange(64)[None, :, None] % 16 < 8, 250, 10).astype(np.uint8) * np.ones_like(frame)
        frame = np.clip(frame.astype(int) + noise.integers(0, 3, frame.shape), 0, 255).astype(np.uint8)
        Image.fromarray(frame).save(folder / f"{index:05d}.png")
    return folder


def test_the_chosen_frames_in_the_order_of_the_video(tmp_path):
    folder = two_shots(tmp_path / "video")
    with Video(folder) as whole, open_frames(folder, ["00012", "00003", "00018"]) as some:
        assert isinstance(some, Selection)
        assert (some.num_frames, some.height, some.width) == (3, 48, 64)
        assert some.frame_names == ["00003", "00012", "00018"]
        for found, index in zip(some.frames(), (3, 12, 18), strict=True):
            assert np.array_equal(found, whole[index])
        assert [frame.tolist() for frame in some.frames(1, 2)] == [whole[12].tolist()]
        assert np.array_equal(some[2], whole[18])
        assert some.times.tolist() == whole.times[[3, 12, 18]].tolist()


def test_shots_are_those_of_the_whole_video(tmp_path):
    folder = two_shots(tmp_path / "video")
    with Video(folder) as whole:
        assert whole.shots() == [(0, 10), (10, 20)]
    with open_frames(folder, ["00003", "00005", "00012"]) as some:
        assert some.shots() == [(0, 2), (2, 3)]
    with open_frames(folder, ["00012", "00013"]) as some:
        assert some.shots() == [(0, 2)]


def test_all_frames_are_the_video_itself(tmp_path):
    names = benchmark_data.names_of()
    benchmark_data.write_frames(tmp_path / "video", names)
    for asked in (None, names):
        with open_frames(tmp_path / "video", asked) as video:
            assert isinstance(video, Video)


def test_a_frame_that_is_not_there(tmp_path):
    benchmark_data.write_frames(tmp_path / "video", benchmark_data.names_of())
    said = r"video has no frame 00009, which the data set lists \(1 are missing\)"
    with pytest.raises(InputError, match=said), open_frames(tmp_path / "video", ["00001", "00009"]):
        pass
