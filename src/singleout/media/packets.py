"""Which frames a video file has: their times, and where decoding can begin, from its packets alone where possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from singleout.media.cutoff import cut_off
from singleout.media.matroska import matroska_damage

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

Stamps = npt.NDArray[np.int64]

# Codecs whose every packet is one shown frame, so that counting packets counts frames.
_ONE_TO_ONE = {
    "h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "msmpeg4", "msmpeg4v2", "msmpeg4v3", "mjpeg", "gif",
    "png", "prores", "dnxhd", "ffv1", "rawvideo", "huffyuv", "ffvhuff", "utvideo", "qtrle", "v210",
}  # fmt: skip
# The most frames that H.264 and HEVC hold back to show them in another order than they are stored in.
_REORDERED = 16


@dataclass(frozen=True)
class FrameIndex:
    """Every frame of a stream, in the order in which it is shown.

    stamps: (num_frames,) ascending time stamps in units of the stream's time base; `by_stamp` says whether frames
    carry them, so that a decoded frame can be told by its stamp; otherwise frames are told by counting.
    key_frames: (num_keys,) frames at which decoding can begin, ascending; key_stamps: (num_keys,) the stamps
    of their packets, decoding stamps where frames are counted.
    """

    stamps: Stamps
    by_stamp: bool
    key_frames: Stamps
    key_stamps: Stamps

    def shortened(self, num_frames: int) -> FrameIndex:
        """The same without the frames from `num_frames` on."""
        keys = self.key_frames < num_frames
        return FrameIndex(self.stamps[:num_frames], self.by_stamp, self.key_frames[keys], self.key_stamps[keys])

    def key_before(self, frame: int) -> int:
        """The position in `key_frames` of the last key at or before `frame`."""
        return max(int(np.searchsorted(self.key_frames, frame, side="right")) - 1, 0)


@dataclass(frozen=True)
class _Packets:
    """What was read of a stream; the lists have one entry for each shown frame."""

    pts: list[int | None]
    dts: list[int | None]
    keys: list[bool]
    sizes: list[int]
    damaged: bool
    total: int
    last_second: float


def index_packets(container: InputContainer, stream: VideoStream) -> tuple[FrameIndex | None, bool]:
    """The frames of a stream by reading, not decoding, its packets; None where only decoding can tell.

    Also says whether the stream ends before its time. Reads `container` to its end.
    """
    packets = _read_packets(container, stream)
    ends_early = packets.damaged or _misses_some(container, stream, packets)
    codec = stream.codec_context.name
    if codec not in _ONE_TO_ONE or not packets.pts or None in packets.pts:
        return None, ends_early
    if "avi" in container.format.name.split(",") and (stream.codec_context.has_b_frames or packets.pts != packets.dts):
        # An avi stores no display order.
        return None, ends_early
    pts = np.array(packets.pts, np.int64)
    order = np.argsort(pts, kind="stable")
    stamps, keys = pts[order], np.array(packets.keys, bool)[order]
    if (np.diff(stamps) <= 0).any() or not keys[0] or not packets.keys[0]:
        return None, ends_early
    key_frames = np.flatnonzero(keys)
    index = FrameIndex(stamps, True, key_frames, stamps[key_frames])
    if not ends_early:
        return index, False
    complete = _without_gap(stamps)
    if "avi" in container.format.name:
        # An avi numbers what it finds, so that a lost packet leaves no gap; but its index knows the sizes.
        promised = [entry.size for entry in stream.index_entries if entry.size]
        same = [found == size for found, size in zip(packets.sizes, promised, strict=False)]
        complete = min(complete, same.index(False) if False in same else len(same))
    return index.shortened(complete), True


def index_by_decoding(container: InputContainer, stream: VideoStream) -> tuple[FrameIndex, bool]:
    """The frames of a stream by decoding all of it, up to the first error, and whether there was one."""
    stamps: list[int | None] = []
    shown_keys: list[int] = []
    key_packets: list[int | None] = []
    ends_early = False
    try:
        for packet in container.demux(stream):
            if packet.size and packet.is_keyframe and not packet.is_discard:
                key_packets.append(packet.dts)
            for frame in packet.decode():
                if frame.key_frame:
                    shown_keys.append(len(stamps))
                stamps.append(frame.pts)
    except _decoding_errors():
        ends_early = True
    known = np.array([stamp for stamp in stamps if stamp is not None], np.int64)
    if len(known) == len(stamps) and len(known) and not (np.diff(known) <= 0).any():
        keys = np.array(shown_keys or [0], np.int64)
        return FrameIndex(known, True, keys, known[keys]), ends_early
    rate = stream.average_rate or stream.guessed_rate or 25
    step = max(1.0, float(1 / (rate * stream.time_base))) if stream.time_base else 1.0
    counted = np.round(np.arange(len(stamps)) * step).astype(np.int64)
    numbered = [stamp for stamp in key_packets if stamp is not None]
    if len(numbered) == len(key_packets) == len(shown_keys) and shown_keys[:1] == [0]:
        return FrameIndex(counted, False, np.array(shown_keys), np.array(numbered)), ends_early
    return FrameIndex(counted, False, np.zeros(1, np.int64), np.zeros(1, np.int64)), ends_early


def is_shown(packet: av.Packet[Any], codec: str) -> bool:
    """Whether a packet makes a frame that is shown: not empty, not before an edit, not a hidden VP8 frame."""
    if not packet.size or packet.is_discard:
        return False
    return codec != "vp8" or bool(memoryview(packet)[0] >> 4 & 1)


def _read_packets(container: InputContainer, stream: VideoStream) -> _Packets:
    codec = stream.codec_context.name
    pts: list[int | None] = []
    dts: list[int | None] = []
    keys: list[bool] = []
    sizes: list[int] = []
    damaged, total, last = False, 0, 0.0
    damage = matroska_damage(_path(container)) if _is_matroska(container) else None
    for packet in _demux(container, stream):
        if packet.pts is not None and packet.time_base:
            last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
            continue
        if damage is not None and (packet.pos is None or packet.pos >= damage):
            damaged = True
            continue
        damaged |= packet.is_corrupt
        total += bool(packet.size)
        if is_shown(packet, codec):
            pts.append(packet.pts)
            dts.append(packet.dts)
            keys.append(packet.is_keyframe)
            sizes.append(packet.size)
    return _Packets(pts, dts, keys, sizes, damaged, total, last)


def _demux(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[Any]]:
    # Only a mkv has to be read with its sound: its length is that of the longest stream.
    return container.demux() if _is_matroska(container) else container.demux(stream)


def _misses_some(container: InputContainer, stream: VideoStream, packets: _Packets) -> bool:
    """Whether the container promises more than its packets hold."""
    name = container.format.name
    if "mov" in name or "avi" in name:
        listed = sum(entry.size > 0 for entry in stream.index_entries)
        # A mp4 in fragments lists only those that are there.
        return packets.total < listed or ("mov" in name and cut_off(_path(container)) is not None)
    if _is_matroska(container) and container.duration:
        return packets.last_second < container.duration / 1e6 - 0.5
    return False


def _path(container: InputContainer) -> Path:
    return Path(container.name.removeprefix("file:"))


def _is_matroska(container: InputContainer) -> bool:
    return "matroska" in container.format.name


def _without_gap(stamps: Stamps) -> int:
    """How many frames of a stream that ends early come before the first that is missing.

    Frames are stored before those that refer to them are shown, so that the last that are there may have gaps
    between them. A gap is one and a half times the usual step.
    """
    if len(stamps) < 3:
        return len(stamps)
    steps = np.diff(stamps)
    tail = max(len(steps) - _REORDERED, 0)
    gaps = np.flatnonzero(steps[tail:] > 1.5 * np.median(steps))
    return tail + int(gaps[0]) + 1 if len(gaps) else len(stamps)


def _decoding_errors() -> tuple[type[BaseException], ...]:
    import av

    return (av.error.FFmpegError, ValueError)
