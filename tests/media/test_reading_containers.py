from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered import encode, number_of, numbered

from singleout.errors import InputError
from singleout.media import Video

SMALL_GROUPS = {"g": "12", "bf": "2"}
FILES = [
    ("a.mp4", "libx264", "yuv420p", {"x264-params": "keyint=12:bframes=3"}),
    ("one-group.mp4", "libx264", "yuv420p", {}),
    ("open-groups.mkv", "libx264", "yuv420p", {"x264-params": "open-gop=1:keyint=10:bframes=3:scenecut=0"}),
    ("a.mov", "libx264", "yuv420p", {"x264-params": "keyint=12"}),
    ("no-order.avi", "libx264", "yuv420p", {"x264-params": "keyint=12:bframes=3"}),
    ("old.avi", "mpeg4", "yuv420p", SMALL_GROUPS),
    ("pictures.avi", "mjpeg", "yuvj420p", {}),
    ("a.webm", "libvpx-vp9", "yuv420p", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
    ("hidden.webm", "libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good"}),
    ("deep.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:keyint=12"}),
    ("a.gif", "gif", "rgb8", {}),
    ("lossless.mkv", "ffv1", "bgr0", {"g": "5"}),
]


@pytest.mark.parametrize(("name", "codec", "pixels", "options"), FILES, ids=[file[0] for file in FILES])
def test_every_frame_once_in_order_whichever_way_it_is_read(
    tmp_path: Path, name: str, codec: str, pixels: str, options: dict[str, str]
) -> None:
    count = 40
    path = encode(tmp_path / name, map(numbered, range(count)), codec, pixels, options=options)
    with Video(path) as video:
        assert (video.num_frames, video.height, video.width, video.kind) == (count, 48, 64, "video")
        in_order = list(video.frames())
        assert [number_of(frame) for frame in in_order] == list(range(count))
        assert all(frame.dtype == np.uint8 and frame.shape == (48, 64, 3) for frame in in_order)
        video.close()
        for number in [*reversed(range(count)), 0, 39, 1, 38, 20, 21, 19]:
            assert np.array_equal(video[number], in_order[number]), number
        assert [number_of(frame) for frame in video.frames(17, 23)] == list(range(17, 23))
        np.testing.assert_allclose(video.times, np.arange(count) / 25, atol=1e-3)
        assert video.fps == pytest.approx(25, rel=1e-3)


def test_passes_are_independent_of_each_other(tmp_path: Path) -> None:
    video = Video(encode(tmp_path / "a.mp4", map(numbered, range(30))))
    first, second = video.frames(), video.frames(10)
    seen = [(number_of(next(first)), number_of(next(second)), number_of(video[29 - step])) for step in range(15)]
    assert seen == [(step, step + 10, 29 - step) for step in range(15)]
    assert [number_of(frame) for frame in video.frames()] == list(range(30))


def test_times_of_a_variable_frame_rate_are_exact(tmp_path: Path) -> None:
    stamps = [0, 40, 50, 250, 251, 900, 1000, 1300]
    path = encode(tmp_path / "v.mp4", map(numbered, range(8)), stamps=stamps, clock=Fraction(1, 1000))
    video = Video(path)
    np.testing.assert_allclose(video.times, np.array(stamps) / 1000, atol=1e-6)
    assert [number_of(frame) for frame in video.frames()] == list(range(8))
    assert [number_of(video[index]) for index in (6, 2, 5)] == [6, 2, 5]
    assert video.fps == pytest.approx(7 / 1.3)
    assert video.info()["variable_frame_rate"] is True


def test_start_end_every_and_resize_choose_frames(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", map(numbered, range(50)), options={"x264-params": "keyint=8"})
    video = Video(path, start=0.4, end=1.6, every=7, resize=24)
    assert video.source_indices.tolist() == [10, 17, 24, 31, 38]
    assert [number_of(frame) for frame in video.frames()] == [10, 17, 24, 31, 38]
    assert number_of(video[-1]) == 38 and number_of(video[1]) == 17
    assert (video.height, video.width, video.source_size) == (24, 32, (48, 64))
    assert video[0].shape == (24, 32, 3)
    np.testing.assert_allclose(video.times, video.source_indices / 25)
    assert video.fps == pytest.approx(25 / 7)
    assert video.frame_names[:2] == ["00010", "00017"]
    with pytest.raises(IndexError):
        video[5]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"start": 3.0}, "no frame from 3 s"),
        ({"start": -1.0}, "start is -1.0"),
        ({"start": 2.0, "end": 1.0}, "end must be later"),
        ({"every": 0}, "every is 0"),
        ({"resize": 3}, "resize is 3"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, wrong: dict[str, float], says: str) -> None:
    path = encode(tmp_path / "a.mp4", map(numbered, range(5)))
    with pytest.raises(InputError, match=says):
        Video(path, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("flip", [False, True])
def test_rotation_in_the_file_is_obeyed(tmp_path: Path, degrees: int, flip: bool) -> None:
    stored = np.zeros((48, 64, 3), np.uint8)
    stored[:16, :24] = (255, 0, 0)
    stored[-16:, :24] = (0, 0, 255)
    shown = np.rot90(stored, degrees // 90)
    shown = shown[:, ::-1] if flip else shown
    path = encode(tmp_path / "r.mp4", [stored] * 3, pixels="yuv444p", options={"crf": "1"}, rotation=(degrees, flip))
    video = Video(path)
    assert (video.height, video.width) == shown.shape[:2]
    assert np.abs(video[1].astype(int) - shown).mean() < 3
    assert Video(path, resize=24)[0].shape[:2] == (shown.shape[0] // 2, shown.shape[1] // 2)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("8.mp4", "libx264", "yuv444p"),
        ("full-range.mp4", "libx264", "yuvj444p"),
        ("10.mkv", "ffv1", "yuv444p10le"),
        ("12.mkv", "ffv1", "gbrp12le"),
        ("16.mkv", "ffv1", "yuv444p16le"),
        ("odd.mkv", "ffv1", "bgr0"),
    ],
)
def test_colours_survive_every_depth_and_odd_sizes(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    colours = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 100, 50), (17, 33, 65), (250, 240, 10), (0, 200, 0)]
    frame = np.zeros((33, 35, 3), np.uint8)
    for place, colour in enumerate(colours):
        frame[:, place * 5 : place * 5 + 5] = colour
    options = {"crf": "0"} if codec == "libx264" else {}
    video = Video(encode(tmp_path / name, [frame] * 2, codec, pixels, options=options))
    assert (video.height, video.width) == (33, 35)
    got = video[1][16, 2::5].astype(int)
    assert np.abs(got - colours).max() <= 4, got


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "gray16le"])
def test_grey_becomes_equal_channels(tmp_path: Path, pixels: str) -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None] * 4, (48, 64, 3)).copy()
    frame = Video(encode(tmp_path / "g.mkv", [ramp], "ffv1", pixels))[0].astype(int)
    assert np.abs(frame - ramp).max() <= 1


def test_alpha_is_composited_on_black(tmp_path: Path) -> None:
    frame = np.full((48, 64, 4), 255, np.uint8)
    frame[:, :20, 3] = 0
    frame[:, 20:40, 3] = 128
    got = Video(encode(tmp_path / "a.mov", [frame], "png", "rgba"))[0]
    assert [tuple(got[5, x]) for x in (5, 30, 60)] == [(0, 0, 0), (128, 128, 128), (255, 255, 255)]


def test_a_gif_of_one_frame_is_a_video_of_one_frame(tmp_path: Path) -> None:
    video = Video(encode(tmp_path / "one.gif", [numbered(5)], "gif", "rgb8"))
    assert (video.num_frames, video.shots()) == (1, [(0, 1)])
    assert number_of(video[0]) == 5
    assert json.loads(json.dumps(video.info()))["num_frames"] == 1


def test_a_path_with_spaces_signs_and_letters_of_all_kinds(tmp_path: Path) -> None:
    folder = tmp_path / "мои видео %d [1]: été"
    folder.mkdir()
    path = encode(folder / "a.mp4", map(numbered, range(3))).rename(folder / "犬 und hund's #1 100%.mp4")
    video = Video(str(path))
    assert video.num_frames == 3
    assert video.name == "犬 und hund's #1 100%"


def test_the_fingerprint_tells_content_and_options_apart(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.mp4", map(numbered, range(5)))
    second = encode(tmp_path / "b.mp4", map(numbered, range(1, 6)))
    same = tmp_path / "c.mp4"
    same.write_bytes(first.read_bytes())
    prints = [Video(first), Video(second), Video(first, every=2), Video(first, resize=32)]
    assert len({video.fingerprint() for video in prints}) == 4
    assert Video(same).fingerprint() == Video(first).fingerprint()


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.mov"])
def test_a_piece_copied_out_of_a_longer_file(tmp_path: Path, name: str) -> None:
    """Pieces begin before their first shown frame (an edit list in mp4) or late on the clock."""
    whole = encode(tmp_path / "whole.mp4", map(numbered, range(60)), options={"x264-params": "keyint=12:bframes=3"})
    path = tmp_path / name
    with av.open(str(whole)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        later = 30 if name.endswith("mkv") else -17
        for packet in old.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts + later * 512, packet.dts + later * 512, stream
                new.mux(packet)
    video = Video(path)
    first = 0 if name.endswith("mkv") else 17
    in_order = [number_of(frame) for frame in video.frames()]
    assert in_order == list(range(first, 60)) and video.num_frames == len(in_order)
    assert [number_of(video[index]) for index in reversed(range(len(video)))] == in_order[::-1]
    assert video.times[0] == 0
    assert video.clock_start == pytest.approx(1.2 if first == 0 else 0, abs=2e-3)
