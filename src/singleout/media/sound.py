"""The sound of a source for a written video: the same stretch of time, copied where it can be."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any, Self

import av

from singleout.media.cursor import first_video

# Containers can be off by some packets when they look for a time, and AAC needs one packet ahead to decode well.
_RUN_UP_SECONDS = 1.0
_RATES = {"aac": (44_100, 48_000), "libopus": (48_000,)}
_LAYOUTS = ("mono", "stereo", "5.1")


class Sound:
    """Packets for one stream of an open output file, made as they are asked for; open with `Sound.open`."""

    def __init__(self, given: Any, stream: Any, *, copy: bool, begin: Fraction, duration: float) -> None:
        self._source = given.container
        self._given = given
        self._stream = stream
        self._begin = begin
        self._end = float(begin) + duration
        self._packets = self._copied() if copy else self._encoded()
        self._waiting: Any = None

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        output: Any,
        *,
        copied: frozenset[str],
        encoder: str,
        begin: float,
        duration: float,
    ) -> Self | None:
        """Add a stream to `output` for the sound of `path`, or give None where it has none that can be read.

        begin: in seconds from the first picture of `path`; duration: in seconds. Codecs named in `copied` are
        copied, others go through `encoder`.
        """
        try:
            source = av.open(str(path))
        except (av.FFmpegError, OSError) as error:
            _warn(path, error)
            return None
        given: Any = source.streams.best("audio")
        if given is None or not given.codec_context.sample_rate:
            source.close()
            return None
        pictures: Any = first_video(source)
        start = pictures.start_time * pictures.time_base if pictures and pictures.start_time is not None else 0
        moment = Fraction(start) + Fraction(begin).limit_denominator(1_000_000)
        copy = given.codec_context.codec.canonical_name in copied
        if copy:
            stream = output.add_stream_from_template(given)
        else:
            rates = _RATES[encoder]
            rate = given.codec_context.sample_rate
            layout = given.codec_context.layout.name
            stream = output.add_stream(encoder, rate=rate if rate in rates else rates[-1])
            stream.codec_context.layout = layout if layout in _LAYOUTS else "stereo"
            stream.codec_context.bit_rate = 96_000 * max(1, (stream.codec_context.layout.nb_channels + 1) // 2)
        return cls(given, stream, copy=copy, begin=moment, duration=duration)

    def until(self, time: float, *, last: bool = False) -> Iterator[Any]:
        """The packets that begin before `time`, in seconds of the output, and were not yet given.

        last: no more frames follow, so sound that lies behind `time` is left out.
        """
        if last:
            self._end = min(self._end, float(self._begin) + time)
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None or ((packet.pts or 0) * (packet.time_base or 0) > time and not last):
                return
            self._waiting = None
            yield packet

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    def _read(self) -> Iterator[Any]:
        """Packets of the source around the stretch of time; damage of the file ends them with a warning."""
        try:
            if self._begin > _RUN_UP_SECONDS:
                # A file that cannot seek is read from its beginning, where it still stands.
                with suppress(av.FFmpegError):
                    self._source.seek(int((self._begin - Fraction(_RUN_UP_SECONDS)) * av.time_base), backward=True)
            for packet in self._source.demux(self._given):
                if packet.pts is None:
                    continue
                if float(packet.pts * packet.time_base) >= self._end:
                    return
                yield packet
        except av.FFmpegError as error:
            _warn(self._source.name, error)

    def _copied(self) -> Iterator[Any]:
        for packet in self._read():
            time, length = packet.pts * packet.time_base, (packet.duration or 0) * packet.time_base
            # The packet that spans the beginning, and the one before it, which the decoder needs: players skip
            # what lies before zero.
            if time + 2 * length <= self._begin:
                continue
            packet.pts -= round(self._begin / packet.time_base)
            packet.dts = packet.pts
            packet.stream = self._stream
            yield packet

    def _encoded(self) -> Iterator[Any]:
        """Decoded, cut to the sample, gaps filled with silence, and encoded."""
        graph: Any = None
        damage: av.FFmpegError | None = None
        for packet in self._read():
            try:
                for frame in packet.decode():
                    # Only a decoded frame tells its format for certain; what the file states may differ.
                    graph = graph or self._graph(frame)
                    graph.push(frame)
            except av.FFmpegError as error:
                damage = error
            yield from self._drain(graph)
        if damage is not None:
            _warn(self._source.name, damage)
        if graph is not None:
            graph.push(None)
            yield from self._drain(graph)
            yield from self._stream.encode(None)

    def _graph(self, frame: Any) -> Any:
        context = self._stream.codec_context
        begin = float(self._begin)
        graph: Any = av.filter.Graph()
        nodes = [
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base,
            ),
            graph.add("atrim", f"start={begin:.6f}:end={self._end:.6f}"),
            graph.add("asetpts", f"PTS-{begin:.6f}/TB"),
            graph.add("aresample", "async=1:min_hard_comp=0.02:first_pts=0"),
            graph.add("aformat", f"sample_rates={context.sample_rate}:channel_layouts={context.layout.name}"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        return graph

    def _drain(self, graph: Any) -> Iterator[Any]:
        while graph is not None:
            try:
                frame = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield from self._stream.encode(frame)


def _warn(path: Any, error: Exception) -> None:
    reason = getattr(error, "strerror", None) or error
    warnings.warn(f"{path}: the sound is damaged ({reason}); where it cannot be read there is silence", stacklevel=2)
