"""Video files: codec, times, sizes, colours, and that failures leave nothing behind."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.rights import modes_bind
from written_files import boxes_of, frame_times, frames_of, picture

from singleout.errors import InputError
from singleout.media.writer import VideoWriter


def write(path: Path, times: Any, height: int = 64, width: int = 96, **options: Any) -> None:
    with VideoWriter(path, height, width, times, **options) as writer:
        for number in range(len(times)):
            writer.write(picture(number, height, width))


def test_mp4_is_what_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "ünter wegs.mp4"
    write(path, np.arange(12) / 25)
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.frames) == ("h264", "yuv420p", 12)
        assert stream.average_rate == 25
        assert (context.color_range, context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1, 1)
        assert not source.streams.audio
    names = boxes_of(path)
    assert names.index("moov") < names.index("mdat")
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "times",
    [
        np.arange(12) * 1001 / 24000,
        np.arange(12) * 1001 / 60000,
        7.25 + np.cumsum([0, 0.04, 0.001, 0.5, 0.033, 0.0333, 0.02, 2.0, 0.1, 0.04, 0.04, 0.04]),
        np.round(np.arange(12) / 90000 * 2711, 9),
    ],
    ids=["film", "ntsc", "uneven", "90kHz"],
)
def test_times_are_kept(tmp_path: Path, times: np.ndarray[Any, Any]) -> None:
    write(tmp_path / "a.mp4", times)
    assert np.allclose(frame_times(tmp_path / "a.mp4"), times - times[0], atol=5e-6)


def test_length_of_the_last_frame(tmp_path: Path) -> None:
    write(tmp_path / "many.mp4", np.array([0, 0.1, 0.2, 0.3]))
    write(tmp_path / "one.mp4", [3.0])
    for name, seconds in (("many.mp4", 0.4), ("one.mp4", 1.0)):
        with av.open(str(tmp_path / name)) as source:
            assert source.duration is not None
            assert source.duration / 1e6 == pytest.approx(seconds, abs=0.002)


def test_equal_times_stay_in_order(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [0, 0.04, 0.04, 0.08])
    found = frame_times(tmp_path / "a.mp4")
    assert len(found) == 4
    assert np.allclose(found, [0, 0.04, 0.04, 0.08], atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(63, 95), (64, 95), (63, 96), (1, 1), (2, 301)])
def test_odd_sizes_go_on_like_their_edge(tmp_path: Path, height: int, width: int) -> None:
    flat = np.full((height, width, 3), (200, 120, 40), dtype=np.uint8)
    with VideoWriter(tmp_path / "a.mp4", height, width, [0, 0.04]) as writer:
        writer.write(flat)
        writer.write(flat)
    shown = frames_of(tmp_path / "a.mp4")[0]
    assert shown.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(shown.astype(int) - (200, 120, 40)).max() <= 4


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_colours_do_not_shift(tmp_path: Path, name: str) -> None:
    colours = [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (200, 120, 40)]
    bars = np.repeat(np.array(colours, dtype=np.uint8), 16, axis=0)[None].repeat(64, axis=0)
    with VideoWriter(tmp_path / name, 64, 112, [0, 0.04]) as writer:
        writer.write(bars)
        writer.write(bars)
    shown = frames_of(tmp_path / name)[-1]
    for place, colour in enumerate(colours):
        assert np.abs(shown[32, place * 16 + 8].astype(int) - colour).max() <= 3


def test_webm_keeps_transparency(tmp_path: Path) -> None:
    frame = np.zeros((64, 96, 4), dtype=np.uint8)
    frame[16:48, 32:64] = (200, 120, 40, 255)
    with VideoWriter(tmp_path / "a.webm", 64, 96, np.arange(3) / 25, alpha=True) as writer:
        for _ in range(3):
            writer.write(frame)
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    with av.open(str(tmp_path / "a.webm")) as source:
        assert (
            source.streams.video[0].metadata.get("alpha_mode", source.streams.video[0].metadata.get("ALPHA_MODE"))
            == "1"
        )
        shown = [piece for packet in source.demux(video=0) if packet.size for piece in decoder.decode(packet)]  # type: ignore[attr-defined]
    alpha = shown[-1].reformat(format="rgba").to_ndarray()[..., 3]
    assert alpha[20:44, 36:60].min() > 245
    assert alpha[:12].max() < 10


def test_long_video_needs_little_memory(tmp_path: Path) -> None:
    count = 800
    with VideoWriter(tmp_path / "a.mp4", 128, 256, np.arange(count) / 25) as writer:
        for number in range(count):
            writer.write(picture(number, 128, 256))
            if number == 200:
                early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The later frames together are 59 MB; the peak must not follow them.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early < 20_000


def test_other_encoder_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"no libx264, so mpeg4 is used; browsers may not play"):
        write(tmp_path / "a.mp4", np.arange(12) * 1001 / 30000, encoders=["libopenh264", "mpeg4"])
    with av.open(str(tmp_path / "a.mp4")) as source:
        assert source.streams.video[0].codec_context.name == "mpeg4"
    assert np.allclose(frame_times(tmp_path / "a.mp4"), np.arange(12) * 1001 / 30000, atol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(tmp_path / "b.mp4", [0.0])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.avi", {}, "must end in .mp4 or .webm"),
        ("a.mp4", {"alpha": True}, "cannot hold transparency"),
        ("a.mp4", {"times": [0.0, np.nan]}, "times must be one number"),
        ("a.mp4", {"times": []}, "times must be one number"),
        ("a.mp4", {"times": [1.0, 0.5]}, "must not go back"),
        ("a.mp4", {"width": 20_000}, "20000x64 pixels .* --resize"),
        ("a.mp4", {"encoders": ["libopenh264"]}, "cannot write mp4"),
    ],
)
def test_refused_from_the_start(tmp_path: Path, name: str, options: dict[str, Any], words: str) -> None:
    given = {"height": 64, "width": 96, "times": [0.0, 0.04], **options}
    with pytest.raises(InputError, match=words), VideoWriter(tmp_path / name, **given):
        pass
    assert not list(tmp_path.iterdir())


def test_wrong_frames_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with pytest.raises(InputError, match="a frame must be"), VideoWriter(path, 64, 96, [0.0]) as writer:
        writer.write(picture(0, 64, 98))
    with pytest.raises(InputError, match="more frames than the 1 times"), VideoWriter(path, 64, 96, [0.0]) as writer:
        writer.write(picture(0))
        writer.write(picture(1))
    with pytest.raises(InputError, match="no frame was written"), VideoWriter(path, 64, 96, [0.0]):
        pass
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 64, 96, np.arange(50) / 25) as writer:
        for number in range(50):
            writer.write(picture(number))
            if number == 30:
                signal.raise_signal(signal.SIGINT)
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == b"older"


def noise(path: Path, count: int = 40) -> None:
    random = np.random.default_rng(0)
    with VideoWriter(path, 128, 128, np.arange(count) / 25) as writer:
        for _ in range(count):
            writer.write(random.integers(0, 255, (128, 128, 3), dtype=np.uint8))


@contextmanager
def files_up_to(limit: int) -> Iterator[None]:
    """Lets this process write no file longer than `limit` bytes, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A module imported under the limit would leave half of its compiled code behind, for every later run.
    compiles, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = compiles


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_no_room_for_the_file(tmp_path: Path, name: str) -> None:
    noise(tmp_path / "whole" / name)
    size = (tmp_path / "whole" / name).stat().st_size
    folder = tmp_path / "out"
    folder.mkdir()
    # The last bytes are the hardest: they are written when the file is closed.
    for limit in (0, size // 2, size - 1):
        with files_up_to(limit), pytest.raises(InputError) as caught:
            noise(folder / name)
        assert str(caught.value).startswith(f"cannot write {folder / name}: the disk is full")
        assert "\n" not in str(caught.value)
        assert not list(folder.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(small_disk: Path) -> None:
    with pytest.raises(InputError, match="the disk is full"):
        noise(small_disk / "a.mp4")
    assert not list(small_disk.iterdir())


@pytest.mark.skipif(not modes_bind(), reason="root may write everywhere; .ci/run drops that right")
def test_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with pytest.raises(InputError, match=r"a\.mp4: the place is read-only"):
        write(folder / "a.mp4", [0.0])
    assert not list(folder.iterdir())


def test_read_only_disk(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(InputError, match=r"a\.mp4: the place is read-only"):
        write(small_disk / "a.mp4", [0.0])
    assert not list(small_disk.iterdir())
