"""A place in a video file from which frames are decoded, told apart by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from singleout.errors import InputError
from singleout.media.packets import FrameIndex
from singleout.media.sources import DamagedError

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

_READABLE = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,m4v,ivf,mxf,"
    "mp3,wav,aac,flac,y4m,yuv4mpegpipe,nut,av1,obu,dv,rm,wtv"
)


def open_container(path: Path) -> InputContainer:
    """Open a media file for reading. Raises InputError for what FFmpeg cannot open.

    Only formats that hold their pictures themselves are allowed: a playlist named .mp4 would otherwise open other
    files, or the network.
    """
    import av

    try:
        return av.open(
            f"file:{path}",
            options={"format_whitelist": _READABLE, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InputError(f"{path}: this is not a video or picture that can be read ({reason(error)})") from error


def reason(error: BaseException) -> str:
    """The words of an error of FFmpeg or the system, without numbers and function names."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)[:1].lower() + str(text)[1:]


def first_video(container: InputContainer) -> VideoStream | None:
    """The stream to read: the first that moves, not the cover of a piece of music."""
    import av

    for stream in container.streams.video:
        cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
        if not stream.disposition & cover:
            return stream
    return None


class Cursor:
    """Decodes one stream of one file; frames are asked for by number, and going on is cheap.

    Not for several threads at once. Raises DamagedError where a frame is missing, concealed or undecodable.
    """

    def __init__(self, path: Path, index: FrameIndex, threads: Literal["AUTO", "SLICE"] = "AUTO") -> None:
        self._path, self._index, self._threads = path, index, threads
        self._container: InputContainer | None = None
        self._frames: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._next = -1

    def frame(self, number: int, on_way: Callable[[int, av.VideoFrame], None] | None = None) -> av.VideoFrame:
        """Frame `number`. on_way is called with each frame decoded on the way there, and with it."""
        import av

        key = self._index.key_before(number)
        if not 0 <= self._next <= number or self._next + _CHEAP_STEPS < self._index.key_frames[key]:
            self._go_to(key)
        try:
            for at, frame in self._frames:
                if at > self._next:
                    raise DamagedError(str(self._path), self._next, "there is no picture for its time")
                if frame.is_corrupt:
                    raise DamagedError(str(self._path), at, "parts of its data are missing or wrong")
                self._next = at + 1
                if on_way is not None:
                    on_way(at, frame)
                if at == number:
                    return frame
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, InputError):
                self._next = -1
                raise
            failed, self._next = self._next, -1
            raise DamagedError(str(self._path), failed, reason(error)) from error
        failed, self._next = self._next, -1
        raise DamagedError(str(self._path), failed, "the data ends before it")

    def close(self) -> None:
        """Close the file."""
        self._frames = iter(())
        self._next = -1
        if self._container is not None:
            self._container.close()
            self._container = None

    def _go_to(self, key: int) -> None:
        """Start decoding at a key frame, or at an earlier one where the file cannot be entered there."""
        for earlier in (key, key - 1):
            if earlier > 0 and self._seek(earlier):
                return
        container, stream = self._open()
        self._next = 0
        self._frames = self._numbered(_decode(container.demux(stream)), 0)

    def _seek(self, key: int) -> bool:
        import av

        container, stream = self._open() if self._container is None else self._reuse()
        wanted = int(self._index.key_stamps[key])
        try:
            container.seek(wanted, stream=stream, backward=True)
            packets = container.demux(stream)
            for first in packets:
                if first.size and first.is_keyframe and not first.is_discard:
                    break
            else:
                return False
        except (av.error.FFmpegError, ValueError):
            return False
        stamp = first.pts if self._index.by_stamp else first.dts
        if stamp is None:
            return False
        found = int(np.searchsorted(self._index.key_stamps, stamp))
        if found > key or self._index.key_stamps[found] != stamp:
            return False
        self._next = int(self._index.key_frames[found])
        self._frames = self._numbered(_decode(packets, first), self._next)
        return True

    def _numbered(self, frames: Iterator[av.VideoFrame], start: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Give decoded frames their numbers; those shown before the key frame lack their references and go."""
        if not self._index.by_stamp:
            begun = start == 0
            for frame in frames:
                begun = begun or bool(frame.key_frame)
                if begun:
                    yield start, frame
                    start += 1
            return
        stamps = self._index.stamps
        for frame in frames:
            if frame.pts is None:
                continue
            at = int(np.searchsorted(stamps, frame.pts))
            if at >= start and at < len(stamps) and stamps[at] == frame.pts:
                yield at, frame

    def _open(self) -> tuple[InputContainer, VideoStream]:
        self.close()
        self._container = open_container(self._path)
        stream = first_video(self._container)
        if stream is None:
            raise InputError(f"{self._path}: the file has changed, there is no video in it any more")
        stream.thread_type = self._threads
        return self._container, stream

    def _reuse(self) -> tuple[InputContainer, VideoStream]:
        assert self._container is not None
        stream = first_video(self._container)
        assert stream is not None
        return self._container, stream


# Going on over this many frames costs less than entering the file anew.
_CHEAP_STEPS = 8


def _decode(
    packets: Iterator[av.Packet[VideoStream]], first: av.Packet[VideoStream] | None = None
) -> Iterator[av.VideoFrame]:
    if first is not None:
        yield from first.decode()
    for packet in packets:
        yield from packet.decode()
