from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from numbered import encode, number_of, numbered, write_folder

from singleout.errors import InputError
from singleout.media import DamagedError, Video

KEYS = {"x264-params": "keyint=10:bframes=2"}


@pytest.fixture
def noisy() -> list[np.ndarray]:
    """Numbered frames with noise below the bars, so that every frame takes some bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 16, 64, 3), np.uint8)
    return [np.concatenate([numbered(number), noise[number]]) for number in range(40)]


def spoil(path: Path, at: float, count: int = 300) -> Path:
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + count] = bytes(value ^ 0xA5 for value in data[start : start + count])
    path.write_bytes(data)
    return path


def cut(path: Path, at: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * at)])
    return path


def check_damage(path: Path, total: int = 40) -> int:
    with pytest.raises(DamagedError) as error:
        list(Video(path).frames())
    text = str(error.value)
    assert text.startswith(str(path)) and f"frame {error.value.frame} " in text and "\n" not in text
    assert 0 < error.value.frame < total
    video = Video(path, tolerate_damage=True)
    numbers = [number_of(frame[:48]) for frame in video.frames()]
    assert numbers == list(range(video.num_frames)) and video.num_frames == error.value.frame
    assert video.damage is not None and str(video.num_frames) in video.damage
    return video.num_frames


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options", "at"),
    [
        ("a.mp4", "libx264", "yuv420p", KEYS, 0.6),
        ("a.mkv", "libx264", "yuv420p", KEYS, 0.5),
        ("deep.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:keyint=10"}, 0.6),
        ("a.avi", "mjpeg", "yuvj420p", {}, 0.5),
    ],
)
def test_frames_before_wrong_bytes_only_if_asked_for(
    tmp_path: Path, noisy: list[np.ndarray], name: str, codec: str, pixels: str, options: dict[str, str], at: float
) -> None:
    path = spoil(encode(tmp_path / name, noisy, codec, pixels, options=options), at)
    assert 10 <= check_damage(path) <= 30


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options"),
    [
        ("start.mp4", "libx264", "yuv420p", {"x264-params": "keyint=10"}),
        ("fragments.mp4", "libx264", "yuv420p", {"x264-params": "keyint=10"}),
        ("a.mkv", "libx264", "yuv420p", KEYS),
        ("a.webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
        ("a.avi", "mpeg4", "yuv420p", {"bf": "0"}),
        ("a.gif", "gif", "rgb8", {}),
    ],
)
def test_a_file_that_is_cut_off(
    tmp_path: Path, noisy: list[np.ndarray], name: str, codec: str, pixels: str, options: dict[str, str]
) -> None:
    path = encode(tmp_path / name, noisy, codec, pixels, options=options)
    if name in MOVED:
        path = move_index(path, MOVED[name])
    assert Video(path).num_frames == 40
    assert 5 <= check_damage(cut(path, 0.6)) <= 30
    with pytest.raises(InputError, match="cut off"):
        Video(path)


MOVED = {"start.mp4": "faststart", "fragments.mp4": "frag_keyframe+empty_moov"}


def move_index(path: Path, flags: str) -> Path:
    moved = path.with_name("moved.mp4")
    with av.open(str(path)) as old, av.open(str(moved), "w", options={"movflags": flags}) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    return moved


def test_an_mp4_without_its_index_is_named_cut_off(tmp_path: Path, noisy: list[np.ndarray]) -> None:
    path = cut(encode(tmp_path / "a.mp4", noisy), 0.8)
    for tolerate in (False, True):
        with pytest.raises(InputError, match=r"a\.mp4: the file is cut off, it has [\d,]+ of [\d,]+ bytes"):
            Video(path, tolerate_damage=tolerate)


def test_a_sound_file_has_no_damage(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", map(numbered, range(12)), options=KEYS)
    video = Video(path, tolerate_damage=True)
    assert (video.num_frames, video.damage) == (12, None)


@pytest.mark.parametrize("spoiled", ["head", "body"])
def test_a_folder_with_a_damaged_picture(tmp_path: Path, spoiled: str) -> None:
    folder = write_folder(tmp_path / "f", range(8))
    picture = folder / "img5.png"
    picture.write_bytes(b"" if spoiled == "head" else picture.read_bytes()[:-30])
    with pytest.raises(DamagedError, match=r"img5\.png|f: frame 5 is damaged") as error:
        list(Video(folder).frames())
    assert error.value.frame == 5 and "img5.png" in str(error.value)
    video = Video(folder, tolerate_damage=True)
    assert [number_of(frame) for frame in video.frames()] == [0, 1, 2, 3, 4]
    assert video.damage is not None and "img5.png" in video.damage


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.mp4: the file is empty"):
        Video(tmp_path / "a.mp4")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.png"):
        Video(tmp_path / "a.png")


def test_sound_named_as_a_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=44100)
        tone = (np.sin(np.arange(44100) / 16) * 9000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="s16p", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match=r"song\.mp4: there is only sound in this file"):
        Video(path)


@pytest.mark.parametrize("content", [b"just words\n" * 50, b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", os.urandom(4000)])
def test_what_is_not_a_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mp4: this is not a video or picture that can be read"):
        Video(tmp_path / "a.mp4")


def test_missing_and_odd_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file or folder"):
        Video(tmp_path / "none.mp4")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        Video("/dev/null")
    with pytest.raises(InputError, match="there is no such file or folder"):
        Video("https://example.org/a.mp4")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", [numbered(1)])
    path.chmod(0)
    user = os.geteuid()
    try:
        # Root may read everything, so the test becomes someone else for a moment.
        os.seteuid(user or 65534)
        with pytest.raises(InputError, match=r"a\.mp4: .*(cannot be read|no such file)"):
            Video(path)
    finally:
        os.seteuid(user)
