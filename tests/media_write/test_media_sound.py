"""The sound of a source in a written video: there, whole, and at its time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from written_files import CLICKS, clicks_of, picture

from singleout.media.writer import VideoWriter


def write(path: Path, times: np.ndarray, source: Path) -> None:  # type: ignore[type-arg]
    with VideoWriter(path, 64, 96, times, audio_from=source) as writer:
        for number in range(len(times)):
            writer.write(picture(number))


def sound_of(path: Path) -> tuple[str, float]:
    """Codec, and the length of the sound in seconds."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        last = list(source.decode(stream))[-1]
        return stream.codec_context.codec.canonical_name, float(last.time) + last.samples / last.sample_rate


@pytest.mark.parametrize(
    ("name", "codec", "options", "expected"),
    [
        ("a.mp4", "aac", {}, "aac"),
        ("a.mkv", "aac", {"rate": 48000, "layout": "mono"}, "aac"),
        ("a.ts", "aac", {"video": "libx264"}, "aac"),
        ("a.mp4", "libmp3lame", {"layout": "mono"}, "mp3"),
        ("a.mkv", "ac3", {"rate": 48000, "layout": "5.1"}, "aac"),
        ("a.avi", "pcm_s16le", {"rate": 22050, "layout": "mono"}, "aac"),
        ("a.mov", "pcm_s16le", {"rate": 8000}, "aac"),
        ("a.ts", "mp2", {"video": "libx264"}, "aac"),
        ("a.webm", "libopus", {"rate": 48000, "video": "libvpx"}, "aac"),
        ("a.mkv", "aac", {"delay": 4.0}, "aac"),
        ("a.mkv", "flac", {"delay": 4.0}, "aac"),
    ],
)
def test_sound_is_in_time(
    tmp_path: Path,
    clip_with_clicks: Callable[..., Path],
    name: str,
    codec: str,
    options: dict[str, object],
    expected: str,
) -> None:
    source = clip_with_clicks(name, codec, **options)
    times = np.arange(75) / 25
    # As a whole, from the middle on, a stretch that needs a search, and every third frame of one.
    for number, part in enumerate((times, times[20:], times[45:70], times[20:70:3])):
        path = tmp_path / f"out{number}.mp4"
        write(path, part, source)
        end = part[-1] + part[1] - part[0]
        wanted = [click - part[0] for click in CLICKS if part[0] <= click < end]
        # A millisecond is the clock of Matroska.
        assert clicks_of(path) == pytest.approx(wanted, abs=0.0015)
        made, seconds = sound_of(path)
        assert made == expected
        assert seconds == pytest.approx(min(end, 3.0) - part[0], abs=0.06)


def test_webm_has_opus(tmp_path: Path, clip_with_clicks: Callable[..., Path]) -> None:
    source = clip_with_clicks("a.mp4", "aac")
    write(tmp_path / "out.webm", np.arange(20, 70) / 25, source)
    assert sound_of(tmp_path / "out.webm")[0] == "opus"
    assert clicks_of(tmp_path / "out.webm") == pytest.approx([0.2, 0.7, 1.2, 1.7], abs=0.0015)


def test_fewer_frames_than_times_end_the_sound(tmp_path: Path, clip_with_clicks: Callable[..., Path]) -> None:
    source = clip_with_clicks("a.mp4", "aac")
    with VideoWriter(tmp_path / "out.mp4", 64, 96, np.arange(75) / 25, audio_from=source) as writer:
        for number in range(25):
            writer.write(picture(number))
    assert sound_of(tmp_path / "out.mp4")[1] == pytest.approx(1.0, abs=0.06)


def test_damage_is_silent_and_warned_of(tmp_path: Path, clip_with_clicks: Callable[..., Path]) -> None:
    source = clip_with_clicks("a.mkv", "flac", rate=48000)
    with av.open(str(source)) as opened:
        packets = [packet for packet in opened.demux(audio=0) if packet.size]
        hit = next(packet for packet in packets if float((packet.pts or 0) * packet.time_base) > 0.95)
        wounded = bytes(hit)
    data = source.read_bytes()
    assert data.count(wounded) == 1
    begin = data.index(wounded)
    source.write_bytes(data[:begin] + b"\xff" * len(wounded) + data[begin + len(wounded) :])
    with pytest.warns(UserWarning, match=r"a\.mkv: the sound is damaged"):
        write(tmp_path / "out.mp4", np.arange(75) / 25, source)
    heard = clicks_of(tmp_path / "out.mp4")
    assert heard[-3:] == pytest.approx(CLICKS[-3:], abs=0.0015)


def test_sound_that_ends_early(tmp_path: Path, clip_with_clicks: Callable[..., Path]) -> None:
    source = clip_with_clicks("a.avi", "pcm_s16le")
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2])
    write(tmp_path / "out.mp4", np.arange(75) / 25, source)
    heard = clicks_of(tmp_path / "out.mp4")
    assert heard == pytest.approx(CLICKS[: len(heard)], abs=0.0015)
    assert 1 <= len(heard) < len(CLICKS)


def test_source_without_sound(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "silent.mp4", 64, 96, [0, 0.04]) as writer:
        writer.write(picture(0))
        writer.write(picture(1))
    write(tmp_path / "out.mp4", np.array([0, 0.04]), tmp_path / "silent.mp4")
    with av.open(str(tmp_path / "out.mp4")) as source:
        assert not source.streams.audio
