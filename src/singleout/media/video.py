"""`Video`: one face for every kind of input, read in order, at random and as often as wanted."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.ahead import read_ahead
from singleout.media.sources import DamagedError, Frame, Size, Source

# Decoding ahead is bounded by both.
_AHEAD_FRAMES = 8
_AHEAD_BYTES = 64 * 2**20
_IMAGE_HEADS = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")


class Video:
    """Frames from a file, a folder, a zip, a picture or an array, as (height, width, 3) uint8 RGB.

    source: path of a video (mp4, mov, mkv, webm, avi, gif), of a folder or a zip of frames (in natural order,
    img2 before img10) or of one picture; or a numpy array or torch tensor, (frames, height, width, 3),
    (frames, 3, height, width), (height, width, 3) or grey (frames, height, width), uint8 or float in 0 to 1.
    start, end: seconds from the first frame; frames with start <= time < end are kept. every: of those, keep each
    k-th. resize: length of the short side in pixels, None as it is. fps: frames per second of what has no clock,
    24 where it is None. tolerate_damage: read everything once, keep the frames before the first damage, and say
    so in `damage`.

    Rotation stored in the file (display matrix, EXIF) is obeyed; alpha is composited on black; more than 8 bits
    are scaled to 8; pixels that are not square stay as they are stored. A frame keeps its number whatever way it
    is read. Memory is bounded, whatever the length. Raises InputError for input that cannot be used, and
    DamagedError, which is one, where a frame cannot be read.
    """

    def __init__(
        self,
        source: Any,
        *,
        start: float | None = None,
        end: float | None = None,
        every: int = 1,
        resize: int | None = None,
        fps: float | None = None,
        tolerate_damage: bool = False,
    ) -> None:
        _check_options(start, end, every, resize, fps)
        self._options = (start, end, every, resize, fps, tolerate_damage)
        self.path: Path | None = Path(source).expanduser() if isinstance(source, (str, os.PathLike)) else None
        """Where the video was opened, None for an array."""
        self._source: Source = open_source(source if self.path is None else self.path, fps)
        try:
            self.damage: str | None = None
            """What was wrong with the file, where tolerate_damage let it pass; None for a sound file."""
            readable = self._readable(tolerate_damage)
            self.source_indices: npt.NDArray[np.int64] = self._chosen(readable, start, end, every)
            """(num_frames,) the number of each frame in the source."""
        except BaseException:
            self._source.close()
            raise
        self.times: npt.NDArray[np.float64] = self._source.times[self.source_indices]
        """(num_frames,) seconds from the first frame of the source."""
        self.source_size: Size = (self._source.height, self._source.width)
        """(height, width) as shown, before `resize`."""
        self.height, self.width = _resized(self.source_size, resize)
        self.fps: float = self._source.fps / every
        """Frames per second, on average."""
        self._shots: list[tuple[int, int]] | None = None

    @property
    def num_frames(self) -> int:
        """How many frames there are: exactly that many can be read."""
        return len(self.source_indices)

    @property
    def kind(self) -> str:
        """What was opened: "video", "folder", "zip", "image" or "array"."""
        return self._source.kind

    @property
    def name(self) -> str:
        """A short name: the file's without its suffix, the folder's, or "array"."""
        if self.path is None:
            return "array"
        resolved = self.path if self.path.name not in ("", ".", "..") else self.path.resolve()
        return resolved.name if self.kind == "folder" else resolved.stem

    @property
    def frame_names(self) -> list[str]:
        """A name per frame: the stem of its file, or its number in the source, as in 00000."""
        return [self._source.names[int(index)] for index in self.source_indices]

    @property
    def has_audio(self) -> bool:
        """Whether the file has sound."""
        return self._source.has_audio

    @property
    def clock_start(self) -> float:
        """Time of the source's first frame on the clock of the file, in seconds; sound runs by that clock."""
        return self._source.clock_start

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index: int) -> Frame:
        """Frame `index` (negative ones count from the end) as (height, width, 3) uint8 RGB.

        Going on from the last frame asked for is cheap, so is going backwards. Raises IndexError past the ends.
        """
        number = range(self.num_frames)[index]
        return self._source.read(int(self.source_indices[number]), (self.height, self.width))

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Frames start to stop - 1 in order, decoded ahead in a thread that ends with the iterator.

        start, stop: frame numbers of this video; they are clipped to it. Every call is a pass of its own.
        """
        chosen = self.source_indices[slice(*slice(start, stop).indices(self.num_frames))]
        return self._scan(chosen, (self.height, self.width))

    def thumbnails(self, height: int, width: int) -> Iterator[Frame]:
        """All frames in order at a small size, (height, width, 3) uint8 RGB, aspect not kept; cheaper than `frames`."""
        return self._scan(self.source_indices, (height, width))

    def shots(self) -> list[tuple[int, int]]:
        """The shots as (start, stop) frame numbers, in order, covering all frames; found once and kept."""
        if self._shots is None:
            from singleout.media.shots import detect_shots

            self._shots = detect_shots(self)
        return list(self._shots)

    def fingerprint(self) -> str:
        """Hexadecimal text that changes with the content (size, beginning and end of a file) and the options."""
        digest = hashlib.sha256(repr((self.kind, *self._options)).encode())
        for part in self._source.identity():
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()

    def info(self) -> dict[str, Any]:
        """Facts for a person or a program, as JSON can hold them."""
        last = float(np.median(np.diff(self.times))) if self.num_frames > 1 else 1 / self.fps
        return {
            "path": None if self.path is None else str(self.path),
            "name": self.name,
            "kind": self.kind,
            "width": self.width,
            "height": self.height,
            "num_frames": self.num_frames,
            "fps": round(self.fps, 4),
            "seconds": round(float(self.times[-1] - self.times[0]) + last, 4),
            "has_audio": self.has_audio,
            "damage": self.damage,
            **self._source.details(),
        }

    def close(self) -> None:
        """Let go of files and kept frames; whatever is read afterwards opens them again."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Video({str(self.path or 'array')!r}, {self.width}x{self.height}, {self.num_frames} frames)"

    def _scan(self, chosen: npt.NDArray[np.int64], size: Size) -> Iterator[Frame]:
        if not len(chosen):
            return iter(())
        depth = max(1, min(_AHEAD_FRAMES, _AHEAD_BYTES // (size[0] * size[1] * 3)))
        return read_ahead(lambda: self._source.scan(chosen, size), depth)

    def _readable(self, tolerate_damage: bool) -> int:
        """How many frames may be used; a file that is known to be cut off is refused here already."""
        source = self._source
        if not tolerate_damage and source.broken is None:
            return len(source.times)
        sound, cause = source.count_sound()
        if cause is None or (not tolerate_damage and sound == len(source.times) and source.broken is None):
            return sound
        if not tolerate_damage or sound == 0:
            raise DamagedError(source.label, sound, cause)
        self.damage = f"only the first {sound} frames can be read: {cause}"
        return sound

    def _chosen(self, readable: int, start: float | None, end: float | None, every: int) -> npt.NDArray[np.int64]:
        times = self._source.times[:readable]
        # Containers round times, to a millisecond or so; 1.0 must find the frame at 0.9999.
        slack = 1e-3
        first = 0 if start is None else int(np.searchsorted(times, start - slack))
        stop = len(times) if end is None else int(np.searchsorted(times, end - slack))
        chosen = np.arange(first, stop, every, dtype=np.int64)
        if not len(chosen):
            raise InputError(
                f"{self._source.label}: there is no frame from {start or 0:g} s to "
                f"{'the end' if end is None else f'{end:g} s'}; the last one is at {times[-1]:.3f} s"
            )
        return chosen


def open_source(source: Any, fps: float | None = None) -> Source:
    """The reader for a path or an array, chosen by what the file holds rather than by its name.

    Raises InputError where there is none.
    """
    if not isinstance(source, Path):
        from singleout.media.arrays import ArraySource

        if isinstance(source, np.ndarray) or (hasattr(source, "detach") and hasattr(source, "shape")):
            return ArraySource(source, fps)
        raise InputError(f"cannot open a {type(source).__name__} as a video; expected a path, numpy array or tensor")
    from singleout.media.stills import FolderSource, ImageSource, ZipSource, is_picture

    try:
        if not source.exists():
            raise InputError(f"{source}: there is no such file or folder")
        if source.is_dir():
            return FolderSource(source, fps)
        if not source.is_file():
            raise InputError(f"{source}: this is neither a file nor a folder")
        with source.open("rb") as file:
            head = file.read(16)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source}: the file cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06") or (source.suffix.lower() == ".zip" and zipfile.is_zipfile(source)):
        return ZipSource(source, fps)
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    if head and (webp or head.startswith(_IMAGE_HEADS) or is_picture(source.name)):
        return ImageSource(source, fps)
    from singleout.media.container import ContainerSource

    return ContainerSource(source)


def _check_options(start: float | None, end: float | None, every: int, resize: int | None, fps: float | None) -> None:
    for name, value in (("start", start), ("end", end)):
        if value is not None and not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name} is {value}; expected seconds from the first frame, 0 or more")
    if start is not None and end is not None and end <= start:
        raise InputError(f"end is {end:g} s but start is {start:g} s; end must be later")
    if int(every) != every or every < 1:
        raise InputError(f"every is {every}; expected a whole number, 1 for all frames, 2 for each second one")
    if resize is not None and (int(resize) != resize or not 16 <= resize <= 16384):
        raise InputError(f"resize is {resize}; expected the short side in pixels, 16 to 16384")
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise InputError(f"fps is {fps}; expected frames per second, more than 0")


def _resized(size: Sequence[int], short_side: int | None) -> Size:
    height, width = size
    if short_side is None:
        return height, width
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
