"""The interface of every system, through the smallest system there can be: it finds everything brighter than half."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Phrase, Points, Prompt
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike, open_video
from singleout.tracks import Answer, FrameMasks, ObjectInfo


class Bright(Segmenter):
    """Everything bright is object 1, whatever the phrase; frames come last first."""

    name = "bright"
    abilities = Abilities(frozenset({Phrase, Box}), frozenset({"referring"}), look_ahead=None)

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        self.seen = (prompts, state, options)
        stream = Stream(self._masks(video))
        stream.objects[1] = ObjectInfo(1, "bright", "bright", 0.5)
        stream.answers.append(Answer("bright", (1,)))
        return stream

    def _masks(self, video: VideoLike) -> Iterator[FrameMasks]:
        for index in reversed(range(video.num_frames)):
            soft = video[index].mean(axis=2)[None] / 255
            yield FrameMasks(index, np.array([1]), np.array([0.9]), soft, video.height, video.width)


@pytest.fixture
def video() -> np.ndarray:
    frames = np.zeros((4, 16, 24, 3), np.uint8)
    for index in range(4):
        frames[index, 4:8, 4 * index : 4 * index + 6] = 250
    return frames


def test_segment_gives_complete_tracks(video: np.ndarray) -> None:
    tracks = Bright().segment(video, "the light")
    assert (tracks.num_frames, tracks.height, tracks.width) == (4, 16, 24)
    assert np.array_equal(tracks[1].masks(), video[..., 0] > 127)
    assert tracks[1].label == "bright"
    assert tracks.answers == (Answer("bright", (1,)),)
    assert tracks.source["model"] == "bright"
    assert tracks.times is not None
    assert len(tracks.frame_names or ()) == 4


def test_a_stream_gives_frames_as_they_come_and_passes_options_on(video: np.ndarray) -> None:
    segmenter = Bright()
    stream = segmenter.stream(video, ["the light", Box((1, 1, 5, 5))], state=b"x", speed=3)
    assert [masks.frame for masks in stream] == [3, 2, 1, 0]
    assert stream.state() is None
    assert segmenter.seen == ((Phrase("the light"), Box((1, 1, 5, 5))), b"x", {"speed": 3})


def test_real_files_are_opened(write_video: Any, tmp_path: Path, video: np.ndarray) -> None:
    path = write_video(tmp_path / "light.mp4", video)
    tracks = Bright().segment(path, "the light")
    assert tracks.num_frames == 4
    assert tracks.video_name == "light"
    assert (tracks[1].areas > 0).all()


def test_prompts_it_cannot_take_are_refused_by_name(video: np.ndarray) -> None:
    with pytest.raises(InputError, match="bright does not take a prompt by names; it takes: phrase, box"):
        Bright().segment(video, Categories("dog,cat"))
    with pytest.raises(InputError, match="does not take a prompt by points"):
        Bright().session(Points([(1, 1)]))  # type: ignore[arg-type]


def test_prompts_that_do_not_fit_are_refused_before_the_system_sees_them(video: np.ndarray) -> None:
    segmenter = Bright()
    for prompt, message in ((Box((1, 1, 5, 5), frame=4), "frames 0 to 3"), (Box((50, 1, 60, 5)), "24x16")):
        with pytest.raises(InputError, match=message):
            segmenter.stream(video, prompt)
    assert not hasattr(segmenter, "seen")


def test_a_system_that_must_see_the_whole_video_has_no_session(video: np.ndarray) -> None:
    with pytest.raises(InputError, match="bright must see the whole video first, so it has no session"):
        Bright().session("the light")
    with pytest.raises(InputError, match="no session"):
        Bright().resume_session(b"")


def test_a_video_is_taken_as_it_is(video: np.ndarray) -> None:
    opened = open_video(video)
    assert open_video(opened) is opened
    with pytest.raises(InputError):
        open_video("/no/such/file.mp4")
