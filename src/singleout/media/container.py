"""Video files: everything that FFmpeg reads."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.colour import Upright, frame_to_rgb, upright_of
from singleout.media.cursor import Cursor, first_video, open_container
from singleout.media.cutoff import cut_off, whole_pictures
from singleout.media.packets import FrameIndex, index_by_decoding, index_packets
from singleout.media.sources import DEFAULT_FPS, DamagedError, Frame, Size, Source, check_size

if TYPE_CHECKING:
    import av

# Decoded frames kept for random access: a run backwards decodes each group of pictures once per so many bytes.
_CACHE_BYTES = 64 * 2**20
_EDGE_BYTES = 1 << 16


class ContainerSource(Source):
    """A video file. Opening reads it once without decoding (a few codecs need decoding) to know every frame.

    Raises InputError where the file is not a video.
    """

    kind = "video"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.label = str(path)
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes); was the download or recording finished?")
        try:
            container = open_container(path)
        except InputError as error:
            cause = cut_off(path)
            if cause is None:
                raise
            raise InputError(f"{path}: {cause}, and nothing of it can be read without its end") from error
        try:
            stream = first_video(container)
            if stream is None:
                what = "only sound" if container.streams.audio else "no video"
                raise InputError(f"{path}: there is {what} in this file; give a video, a picture or a folder of them")
            check_size(self.label, stream.codec_context.width or 1, stream.codec_context.height or 1)
            self.has_audio = bool(container.streams.audio)
            self._codec, self._format = stream.codec_context.name, container.format.name
            self._time_base = float(stream.time_base or 1 / 1000)
            rate = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
            index, ends_early = index_packets(container, stream)
        finally:
            container.close()
        decoded = index is None
        if index is None:
            index, failed = self._decoded_index()
            ends_early |= failed
        whole = whole_pictures(path) if self._format == "gif" else None
        ends_early |= whole is not None
        self._index = index if whole is None else index.shortened(whole)
        num_frames = len(self._index.stamps)
        if not num_frames:
            raise InputError(f"{path}: there is no readable frame in this file ({cut_off(path) or 'no video data'})")
        if ends_early or decoded:
            self.broken = cut_off(path) or ("its data ends before its time" if ends_early else None)
        self._cursor = Cursor(path, self._index)
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, av.VideoFrame] = OrderedDict()
        self._cached_bytes = 0
        self._upright = Upright()
        self._look_at_first(num_frames)
        self.clock_start = float(self._index.stamps[0]) * self._time_base
        self.times = (self._index.stamps - self._index.stamps[0]).astype(np.float64) * self._time_base
        self.fps = _average_rate(self.times, rate)
        self.names = _Numbers(num_frames)

    def read(self, index: int, size: Size) -> Frame:
        """See `Source.read`. Frames decoded on the way are kept for a while, so that reading backwards is cheap."""
        with self._lock:
            frame = self._cache.get(index)
            if frame is None:
                frame = self._cursor.frame(index, self._keep)
        return frame_to_rgb(frame, size, self._upright)

    def scan(self, indices: Sequence[int] | npt.NDArray[np.int64], size: Size) -> Iterator[Frame]:
        """See `Source.scan`; every pass has a decoder of its own."""
        cursor = Cursor(self.path, self._index)
        try:
            for index in indices:
                yield frame_to_rgb(cursor.frame(int(index)), size, self._upright)
        finally:
            cursor.close()

    def count_sound(self) -> tuple[int, str | None]:
        """See `Source.count_sound`; decodes everything, without colours."""
        # Threads that decode several frames at a time may report damage of the last ones too late.
        cursor = Cursor(self.path, self._index, threads="SLICE")
        try:
            for number in range(len(self._index.stamps)):
                cursor.frame(number)
        except DamagedError as error:
            return error.frame, self.broken or error.cause
        finally:
            cursor.close()
        return len(self._index.stamps), self.broken

    def identity(self) -> Iterator[bytes]:
        """See `Source.identity`."""
        yield from file_identity(self.path)

    def details(self) -> dict[str, Any]:
        """See `Source.details`."""
        gaps = np.diff(self.times)
        varies = bool(len(gaps)) and float(gaps.max() - gaps.min()) > max(2.1 * self._time_base, 0.02 * gaps.mean())
        return {
            "container": self._format,
            "codec": self._codec,
            "pixel_format": self._pixel_format,
            "variable_frame_rate": bool(varies),
            "turned": any(self._upright),
            "size_bytes": self.path.stat().st_size,
        }

    def close(self) -> None:
        """See `Source.close`."""
        with self._lock:
            self._cursor.close()
            self._cache.clear()
            self._cached_bytes = 0

    def _look_at_first(self, num_frames: int) -> None:
        with self._lock:
            first = self._cursor.frame(0, self._keep)
        self._upright = upright_of(first)
        self.height, self.width = self._upright.size(first.height, first.width)
        check_size(self.label, self.width, self.height)
        self._pixel_format = first.format.name

    def _decoded_index(self) -> tuple[FrameIndex, bool]:
        container = open_container(self.path)
        try:
            stream = first_video(container)
            assert stream is not None
            stream.thread_type = "AUTO"
            return index_by_decoding(container, stream)
        finally:
            container.close()

    def _keep(self, index: int, frame: av.VideoFrame) -> None:
        if index in self._cache:
            return
        self._cache[index] = frame
        self._cached_bytes += _bytes_of(frame)
        while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
            _, old = self._cache.popitem(last=False)
            self._cached_bytes -= _bytes_of(old)


class _Numbers(Sequence[str]):
    """Frame numbers as names, 00000 and on, made when asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [f"{number:05d}" for number in range(self._count)[index]]
        return f"{range(self._count)[index]:05d}"


def file_identity(path: Path) -> Iterator[bytes]:
    """The size of a file, its beginning and its end."""
    size = path.stat().st_size
    yield str(size).encode()
    with path.open("rb") as file:
        yield file.read(_EDGE_BYTES)
        file.seek(max(size - _EDGE_BYTES, 0), os.SEEK_SET)
        yield file.read(_EDGE_BYTES)


def _bytes_of(frame: av.VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


def _average_rate(times: npt.NDArray[np.float64], declared: float) -> float:
    """Frames per second: the declared rate where the times agree with it to a percent, else that of the times."""
    if len(times) < 2 or times[-1] <= 0:
        return declared
    measured = (len(times) - 1) / float(times[-1])
    return declared if abs(measured - declared) <= 0.01 * declared else measured
