"""Writing frames to a video file with exact times and the sound of the source, whole or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import av
import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.atomic import atomic_path
from singleout.media.sound import Sound

if TYPE_CHECKING:
    from singleout.media import Video

_BT709 = 1
_LIMITED, _FULL = 1, 2
# Bicubic with rounding and chroma at full precision: without them the picture grows darker by a quarter of a level.
_CONVERSION = 0x4 | 0x40000 | 0x2000 | 0x4000
_GROUP_SECONDS = 2.0


@dataclass(frozen=True)
class _Recipe:
    """How one kind of file is made.

    container, options: of the muxer. encoders: name, pixel format and options, the best first; the first is
    what the file is meant to hold. clock: ticks a second of the video's times. sound: the encoder for sound that
    cannot be copied. copied: codecs whose packets are taken as they are. largest: side in pixels.
    """

    container: str
    options: dict[str, str]
    encoders: tuple[tuple[str, str, dict[str, str]], ...]
    clock: int
    sound: str
    copied: frozenset[str]
    largest: int


# 360,000 is a multiple of 90,000 and of the clocks of all film and television rates (24000/1001 too), so that
# times are kept exactly. AC-3 would fit mp4, but browsers are silent there, so it becomes AAC.
_MP4 = _Recipe(
    container="mp4",
    options={"movflags": "+faststart"},
    encoders=(
        ("libx264", "yuv420p", {"preset": "veryfast", "crf": "20"}),
        ("libopenh264", "yuv420p", {"b": "6000000"}),
        ("h264_videotoolbox", "yuv420p", {"b": "6000000"}),
        ("mpeg4", "yuv420p", {"qscale": "3", "flags": "+qscale", "global_quality": "354"}),
    ),
    clock=360_000,
    sound="aac",
    copied=frozenset({"aac", "mp3"}),
    largest=16_384,
)
_VP9 = {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"}
_WEBM = _Recipe(
    container="webm",
    options={},
    encoders=(("libvpx-vp9", "yuv420p", _VP9),),
    clock=1000,
    sound="libopus",
    copied=frozenset({"opus", "vorbis"}),
    largest=16_384,
)
_RECIPES = {".mp4": _MP4, ".webm": _WEBM}
# MPEG-4 part 2 stores ticks a second in 16 bits.
_MPEG4_CLOCK = 60_000


def check_size(path: str | os.PathLike[str], height: int, width: int) -> None:
    """Raise InputError unless a video file of this name can hold frames of this size, in pixels."""
    largest = _recipe(Path(path)).largest
    if min(height, width) < 1 or max(height, width) > largest:
        raise InputError(
            f"{path}: a video of {width}x{height} pixels cannot be written, the largest side is {largest}; make it "
            "smaller with --resize, or leave it out with --no-overlay"
        )


def _recipe(path: Path) -> _Recipe:
    recipe = _RECIPES.get(path.suffix.lower())
    if recipe is None:
        raise InputError(f"{path}: cannot write this kind of video; the name must end in .mp4 or .webm")
    return recipe


class VideoWriter:
    """Takes frames one by one and writes them to a file, with exact times and sound; to be used in a `with`.

    path: `.mp4` for H.264 that every browser plays, or `.webm` for VP9, with transparency where `alpha`. height,
    width: of the frames, in pixels; H.264 halves the colour planes, so an odd side is continued by one pixel
    like its edge. times: (num_frames,) seconds, of any spacing; the file begins at the first of them, and the
    last frame lasts as long as the middle one (a single frame one second). audio_from: the `Video` (or path)
    whose sound is kept for the time that the frames cover; times must then be its times. AAC and MP3 are copied,
    other codecs are encoded anew. Nothing stays behind if the block fails. quality: the encoder's constant rate
    factor, lower is better; None takes the default. encoders: names to try, instead of the best there are.

    Raises InputError for another kind of file, sizes and times that cannot be written, a full disk, and a place
    that is read-only.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        height: int,
        width: int,
        times: Sequence[float] | npt.NDArray[np.float64],
        *,
        audio_from: Video | str | os.PathLike[str] | None = None,
        alpha: bool = False,
        quality: int | None = None,
        encoders: Sequence[str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.height, self.width = int(height), int(width)
        recipe = _recipe(self.path)
        if alpha and recipe is not _WEBM:
            raise InputError(f"{self.path}: an mp4 cannot hold transparency; give a name that ends in .webm")
        check_size(self.path, self.height, self.width)
        self._times = np.asarray(times, dtype=np.float64)
        if self._times.ndim != 1 or not self._times.size or not np.isfinite(self._times).all():
            raise InputError(f"{self.path}: times must be one number of seconds for each frame")
        if (np.diff(self._times) < 0).any():
            raise InputError(f"{self.path}: times must not go back")
        self._recipe = recipe
        self._audio_from = audio_from
        self._alpha = alpha
        self._quality = quality
        self._encoder = _choose_encoder(recipe, self.path, encoders)
        self.codec: str = self._encoder[0]
        """Name of the encoder in use."""
        self._stack = ExitStack()
        self._done = 0

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(self, frame: npt.NDArray[np.uint8]) -> None:
        """Add the next frame: (height, width, 3) uint8 RGB, or (height, width, 4) RGBA for a writer with alpha.

        Raises InputError for an array of another shape or more frames than there are times.
        """
        expected = (self.height, self.width, 4 if self._alpha else 3)
        if frame.shape != expected or frame.dtype != np.uint8:
            raise InputError(f"{self.path}: a frame must be {expected} uint8, not {frame.shape} {frame.dtype}")
        if self._done >= len(self._ticks):
            raise InputError(f"{self.path}: more frames than the {len(self._ticks)} times")
        if self.height % 2 or self.width % 2:
            frame = np.pad(frame, ((0, self.height % 2), (0, self.width % 2), (0, 0)), mode="edge")
        source = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgba" if self._alpha else "rgb24")
        picture = source.reformat(
            format=self._stream.codec_context.pix_fmt,
            dst_colorspace=_BT709,
            src_color_range=_FULL,
            dst_color_range=_LIMITED,
            interpolation=_CONVERSION,
        )
        picture.pts = int(self._ticks[self._done])
        picture.time_base = self._clock
        self._done += 1
        self._mux_video(self._stream.encode(picture))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _open(self) -> None:
        temporary = self._stack.enter_context(atomic_path(self.path))
        output = av.open(str(temporary), "w", format=self._recipe.container, options=self._recipe.options)
        self._output = output
        self._sound: Sound | None = None
        self._stack.push(self._close)
        name, pixels, options = self._encoder
        ticks_a_second = _MPEG4_CLOCK if name == "mpeg4" else self._recipe.clock
        self._clock = Fraction(1, ticks_a_second)
        self._ticks, self._lengths = _ticks(self._times, ticks_a_second)
        rate = Fraction(ticks_a_second * len(self._ticks), int(self._lengths.sum())).limit_denominator(1001)
        if self._quality is not None:
            options = {**options, "crf": str(self._quality)}
        stream: Any = output.add_stream(name, rate=max(rate, Fraction(1, 10)), options=dict(options))
        stream.width, stream.height = self.width + self.width % 2, self.height + self.height % 2
        stream.pix_fmt = "yuva420p" if self._alpha else pixels
        stream.time_base = self._clock
        context = stream.codec_context
        context.time_base = self._clock
        context.bit_rate = int(options.get("b", 0))
        context.gop_size = int(min(max(float(rate) * _GROUP_SECONDS, 12), 250))
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        if self._alpha:
            stream.metadata["alpha_mode"] = "1"
        self._stream = stream
        self._sound = self._open_sound(output)
        output.start_encoding()

    def _open_sound(self, output: av.container.OutputContainer) -> Sound | None:
        source = self._audio_from
        if source is None:
            return None
        if not isinstance(source, (str, os.PathLike)):
            if not source.has_audio or source.path is None:
                return None
            source = source.path
        duration = float(self._ticks[-1] + self._lengths[-1]) * float(self._clock)
        return Sound.open(
            source,
            output,
            copied=self._recipe.copied,
            encoder=self._recipe.sound,
            begin=float(self._times[0]),
            duration=duration,
        )

    def _mux_video(self, packets: list[Any]) -> None:
        for packet in packets:
            if packet.pts is not None:
                # The encoder knows no duration; without it the last frame would be as long as the one before.
                packet.duration = int(self._lengths[np.searchsorted(self._ticks, packet.pts)])
            now = float(packet.dts * packet.time_base) if packet.dts is not None else None
            self._output.mux(packet)
            if self._sound is not None and now is not None:
                self._output.mux(list(self._sound.until(now)))

    def _close(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._sound is not None:
                self._sound.close()
            # After a failure only the file is to be let go, and closing it may fail again, for the same reason.
            with suppress(Exception):
                self._output.close()
        return False

    def _finish(self) -> None:
        if not self._done:
            raise InputError(f"{self.path}: no frame was written, so there is no video")
        self._mux_video(self._stream.encode(None))
        if self._sound is not None:
            end = int(self._ticks[self._done - 1] + self._lengths[self._done - 1])
            self._output.mux(list(self._sound.until(float(end * self._clock), last=True)))
        self._output.close()


def _ticks(times: npt.NDArray[np.float64], clock: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Time and length of each frame in ticks of the clock, beginning at 0; times that coincide move by one tick."""
    rounded = np.round((times - times[0]) * clock).astype(np.int64)
    steps = np.arange(len(rounded))
    ticks = np.maximum.accumulate(rounded - steps) + steps
    lengths = np.diff(ticks)
    last = int(np.median(lengths)) if lengths.size else clock
    return ticks, np.append(lengths, max(last, 1))


def _choose_encoder(recipe: _Recipe, path: Path, wanted: Sequence[str] | None) -> tuple[str, str, dict[str, str]]:
    """The first encoder that this build of PyAV has, with a warning where it is not the one that was meant."""
    known = {encoder[0]: encoder for encoder in recipe.encoders}
    candidates = [known[name] for name in (known if wanted is None else wanted) if name in known]
    for encoder in candidates:
        with suppress(ValueError):
            av.codec.Codec(encoder[0], "w")
            if encoder[0] != recipe.encoders[0][0]:
                plays = "" if "264" in encoder[0] else "; browsers may not play the file"
                warnings.warn(
                    f"{path}: this PyAV has no {recipe.encoders[0][0]}, so {encoder[0]} is used{plays}; "
                    "the PyAV of PyPI has it",
                    stacklevel=3,
                )
            return encoder
    raise InputError(
        f"{path}: this PyAV cannot write {recipe.container}, it has none of "
        f"{', '.join(known if wanted is None else wanted)}; install the PyAV of PyPI (pip install av)"
    )
