"""A video as clips that overlap, each of whose frames is decoded and encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch

from singleout.segmenter import VideoLike
from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.values import FrameFeatures


@dataclass(frozen=True)
class Span:
    """Frames that are looked at together, from start to stop (not included). last: whether no clip comes after."""

    start: int
    stop: int
    last: bool

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def frames(self) -> range:
        """The numbers of its frames."""
        return range(self.start, self.stop)


@dataclass(frozen=True)
class Clip(Span):
    """A span with what the network sees of its frames."""

    features: tuple[FrameFeatures, ...]


def spans(num_frames: int, length: int, stride: int, start: int = 0) -> Iterator[Span]:
    """Clips of `length` frames, one every `stride` frames, up to the one that reaches the end of the video."""
    while True:
        stop = min(start + length, num_frames)
        yield Span(start, stop, stop == num_frames)
        if stop == num_frames:
            return
        start += stride


def read_clips(
    network: UniVSNetwork, video: VideoLike, geometry: Geometry, length: int, stride: int, *, start: int = 0
) -> Iterator[Clip]:
    """The clips of a video. Features are kept of the frames of the present clip and no others.

    The published code keeps them for a window of frames and computes them anew whenever a clip leaves it.
    """
    device = next(network.parameters()).device
    coming = video.frames(start)
    kept: dict[int, FrameFeatures] = {}
    begin = start
    for span in spans(video.num_frames, length, stride, start):
        kept = {number: seen for number, seen in kept.items() if number >= span.start}
        new = list(islice(coming, span.stop - begin))
        with torch.inference_mode():
            found = network.encode(geometry.prepare(new).to(device))
        kept.update(zip(range(begin, span.stop), found, strict=True))
        begin = span.stop
        yield Clip(span.start, span.stop, span.last, tuple(kept[number] for number in span.frames))
