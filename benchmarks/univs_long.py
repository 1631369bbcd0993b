"""A very long video by UniVS in a bounded memory: peak memory and processor's time per frame, by number of the frame.

    python benchmarks/univs_long.py                      5,000 frames of 64x96 by r50, 10 instances
    python benchmarks/univs_long.py --queries 20 --height 32 --width 64 --length 9 --stride 8 --objects 8 --points 16
                                                         the run that docs/univs.md tells of, which takes less time
    python benchmarks/univs_long.py --frames 500 --task panoptic

The video is drawn: two squares that go back and forth over grain. The network has its real size and random weights, the
same every time. The instances of the first clip are followed to the end, without new ones, so that memory can only grow
with the number of the frame. Masks are coded frame by frame, as for files, and then let go.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import peak_bytes, resident_bytes
from singleout.nn.text.words import SentenceFeatures
from singleout.systems.univs.config import VARIANTS
from singleout.systems.univs.inference import UniVS
from singleout.systems.univs.network import UniVSNetwork

NAMES = ("person", "car", "dog", "sky")


class DrawnVideo:
    """A video that is drawn when it is read; see `singleout.segmenter.VideoLike`."""

    def __init__(self, num_frames: int, height: int, width: int) -> None:
        self.num_frames, self.height, self.width = num_frames, height, width
        self._ground = np.random.default_rng(1).integers(40, 140, (height, width, 3), np.uint8)

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        picture = self._ground.copy()
        side = self.height // 3
        span = self.width - side
        for speed, top, colour in ((1, self.height // 8, (220, 60, 40)), (2, self.height // 2, (40, 90, 230))):
            left = abs((speed * index) % (2 * span) - span)
            picture[top : top + side, left : left + side] = colour
        return picture

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[npt.NDArray[np.uint8]]:
        """See `VideoLike`."""
        for index in range(self.num_frames)[start:stop]:
            yield self[index]

    def shots(self) -> list[tuple[int, int]]:
        """See `VideoLike`."""
        return [(0, self.num_frames)]


class DrawnWords:
    """Vectors of names that are drawn; see `singleout.nn.text.words.Words`."""

    width = 640

    def embed_names(self, names: Sequence[str], **_more: object) -> Tensor:
        """See `Words`."""
        return torch.randn(len(names), self.width, generator=torch.Generator().manual_seed(0))

    def embed_sentences(self, sentences: Sequence[str], **_more: object) -> SentenceFeatures:
        """See `Words`."""
        raise ValueError("only names are asked here")

    def embed_vocabulary(self, key: str) -> Tensor:
        """See `Words`."""
        raise ValueError("only names are asked here")


def network_of(variant: str, num_queries: int | None) -> UniVSNetwork:
    """Random weights, scaled so that masks are in and out, as those of a trained network are."""
    torch.manual_seed(0)
    config = VARIANTS[variant]
    network = UniVSNetwork(replace(config, num_queries=num_queries or config.num_queries)).eval().requires_grad_(False)
    network.pixel_decoder.mask_features.weight.mul_(40)
    network.decoder.query_features.mul_(5)
    return network


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--variant", default="r50", choices=sorted(VARIANTS))
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--task", default="instances", choices=("instances", "panoptic"))
    parser.add_argument("--tracker", default="entities", choices=("entities", "minvis", "mdqe"))
    parser.add_argument("--length", type=int, default=5, help="frames of a clip")
    parser.add_argument("--stride", type=int, default=4, help="frames from one clip to the next")
    parser.add_argument("--queries", type=int, help="learnable ones, where those of the variant take too long")
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--points", type=int, default=32, help="of an object in a frame")
    parser.add_argument("--row", type=int, default=500, help="frames of a row of the table")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    system = UniVS(network_of(asked.variant, asked.queries), name=asked.variant, words=DrawnWords())
    stream = system.stream(
        DrawnVideo(asked.frames, asked.height, asked.width),
        list(NAMES),
        task=asked.task,
        tracker=asked.tracker,
        short=asked.height,
        frames=asked.length,
        stride=asked.stride,
        points=asked.points,
        detections=asked.objects,
        # Whatever is found is one of the known ones, and stays so.
        score=0.0,
        match=0.0,
        consistency=0.0,
        stability=0.0,
        box_overlap=2.0,
        overlap=0.0,
    )
    print(f"univs/{asked.variant}, {asked.frames} frames {asked.height}x{asked.width}, clips of {asked.length} frames")
    print(" frames  CPU-ms per frame  resident MiB  peak MiB  masks")
    began, masks = time.process_time(), 0
    for done, frame in enumerate(stream, 1):
        masks += len(frame.ids)
        if done % asked.row == 0 or done == asked.frames:
            now = time.process_time()
            count = (done - 1) % asked.row + 1
            taken, resident, peak = 1000 * (now - began) / count, resident_bytes() / 2**20, peak_bytes() / 2**20
            print(f"{done:7d}{taken:18.1f}{resident:14.0f}{peak:10.0f}{masks:7d}", flush=True)
            began, masks = now, 0
    print(f"{len(stream.objects)} objects")


if __name__ == "__main__":
    main()
