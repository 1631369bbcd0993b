"""The network on its device, fed with pictures."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from singleout.media.backwards import frames_backwards
from singleout.nn.devices import resolve_device
from singleout.segmenter import VideoLike
from singleout.systems.starter.network import Features, StarterNetwork
from singleout.systems.starter.view import View


class Engine:
    """Runs the visual backbone once for each picture that it is given."""

    def __init__(self, network: StarterNetwork, device: str) -> None:
        self.device = resolve_device(device)
        self.network = network.to(self.device).eval()
        self._latest: tuple[Tensor, Features] | None = None

    def encode(self, picture: Tensor) -> Features:
        """picture: (1, 3, height, width) uint8 of `View.shrink`; the same tensor again costs nothing."""
        if self._latest is None or self._latest[0] is not picture:
            image = picture.to(self.device).float().div_(255)
            self._latest = picture, self.network.encode(image.contiguous(memory_format=torch.channels_last))
        return self._latest[1]


def pictures_backwards(video: VideoLike, view: View, start: int, stop: int) -> Iterator[tuple[int, Tensor]]:
    """Frames stop - 1 down to start with their numbers, shrunk."""
    return frames_backwards(video, start, stop, view.shrink)
