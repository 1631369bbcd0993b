"""Seconds per frame of OV2Seg by stage, and what many names cost beside few.

    python benchmarks/ov2seg_speed.py                          resnet-50, 10 frames, 480x854 in the network, 1203 names
    python benchmarks/ov2seg_speed.py --variant swin-b --frames 6
    python benchmarks/ov2seg_speed.py --video clip.mp4         frames of a video in place of drawn ones
    python benchmarks/ov2seg_speed.py --plain                  also the plain path, which takes a while

What the published video script does: every frame goes through the network, queries are matched with the memory, the 50
best pairs of track and name are chosen, and their masks become run-length codes at the size of the video. Weights are
random, which costs the same time as trained ones; the table of names is drawn.

A matrix product and a convolution of fixed size are timed before and after, so that a busy or another machine shows.
Seconds of the processor (all threads) stand beside those of the clock, because on a shared machine they say more.

The plain path: all frames in one batch, attention and sampling step by step, masks for attention made at stride 4 and
then resized, heads for losses read as well, and all names scored for every query of every frame.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import peak_bytes
from singleout.media import Video
from singleout.nn.mask2former.geometry import Geometry
from singleout.nn.mask2former.layers import hide_outside
from singleout.systems.ov2seg import network as networks
from singleout.systems.ov2seg.config import VARIANTS
from singleout.systems.ov2seg.inference import OV2Seg, OV2SegStream
from singleout.systems.ov2seg.network import OV2SegNetwork
from singleout.systems.ov2seg.values import Seen, name_logits
from singleout.systems.ov2seg.watch import Verdict, Watch
from timing import Stopwatch, calibration, measure, plain_steps

Frames = np.ndarray


def whole(system: OV2Seg, frames: Frames, table: Path, num_names: int, short: int) -> None:
    """Everything, from frames to codes. short: pixels of the shorter side in the network."""
    names = [f"name {number}" for number in range(num_names)]
    settings: dict[str, Any] = {"threshold": 0.0, "one_name": False, "fine": False, "detections": 50, "short": short}
    for _ in system.stream(frames, names, classifier=table, device="cpu", **settings):
        pass


def plain(network: OV2SegNetwork, frames: Tensor, classifier: Tensor) -> list[Seen]:
    """All frames in one batch, with all heads, and all names for every query."""
    with plain_steps(), patch.object(networks, "resized", _unresized), plain_attention():
        seen: list[Seen] = network(frames, every_head=True)
        for one in seen:
            name_logits(one.spoken, classifier, network.config.sharpness)
            one.masks()
        return seen


def _unresized(finest: Tensor, levels: Sequence[Tensor]) -> list[Tensor]:
    """The map as it is, for each level, with the sizes of both kept for `plain_attention`."""
    _SIZES[:] = [(finest.shape[:2], level.shape[:2]) for level in levels]
    return [finest.flatten(0, 1)] * len(levels)


_SIZES: list[tuple[torch.Size, torch.Size]] = []


@contextmanager
def plain_attention() -> Iterator[None]:
    """Masks for attention are made at stride 4 and then resized to the level whose turn it is."""
    turn = [0]

    def resized(logits: Tensor) -> Tensor:
        fine, coarse = _SIZES[turn[0] % len(_SIZES)]
        turn[0] += 1
        masks = logits.unflatten(-1, fine)[None]
        return hide_outside(F.interpolate(masks, coarse, mode="bilinear", align_corners=False)[0].flatten(1))

    with patch.object(networks, "hide_outside", resized):
        yield


def read_frames(asked: argparse.Namespace) -> Frames:
    """Frames of the video, or drawn ones: (num_frames, height, width, 3) uint8."""
    if asked.video is None:
        return np.random.default_rng(0).integers(0, 255, (asked.frames, asked.height, asked.width, 3), dtype=np.uint8)
    with Video(asked.video) as video:
        return np.stack(list(video.frames(0, min(asked.frames, video.num_frames))))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--variant", default="resnet-50", choices=sorted(VARIANTS))
    parser.add_argument("--video", type=Path, help="take frames of this video or folder")
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=854)
    parser.add_argument("--short", type=int, default=480, help="pixels of the shorter side in the network")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--names", type=int, default=1203)
    parser.add_argument("--few", type=int, default=10, help="names to compare many of them with")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="measure the plain path as well")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    network = OV2SegNetwork(VARIANTS[asked.variant]).eval().requires_grad_(False)
    system, frames = OV2Seg(network, name="ov2seg"), read_frames(asked)
    count = len(frames)
    print(
        f"ov2seg/{asked.variant}, {count} frames {frames.shape[1]}x{frames.shape[2]}, {asked.names} names, "
        f"{asked.threads} threads"
    )
    print(calibration())
    stages = {
        "prepare": (Geometry, "prepare"),
        "network": (OV2SegNetwork, "forward"),
        "match and keep": (Watch, "add"),
        "choose": (Verdict, "__init__"),
        "masks to codes": (OV2SegStream, "_shown"),
    }
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        many, few = Path(folder) / "many.npy", Path(folder) / "few.npy"
        rows = torch.randn(max(asked.names, asked.few), network.config.text_width).numpy()
        np.save(many, rows[: asked.names])
        np.save(few, rows[: asked.few])
        whole(system, frames[:2], few, asked.few, asked.short)
        with watch.on(stages):
            run_all = partial(whole, system, frames, many, asked.names, asked.short)
            all_names = measure("whole", run_all, "frame", repeat=asked.repeat, parts=count)
        watch.tell("frame", count * asked.repeat)
        run_few = partial(whole, system, frames, few, asked.few, asked.short)
        some_names = measure(f"whole, {asked.few} names", run_few, "frame", repeat=asked.repeat, parts=count)
        print(f"{asked.names} names cost {all_names.clock / some_names.clock:.2f} times what {asked.few} cost")
        print(f"peak memory {peak_bytes() / 2**30:.1f} GiB")
    if asked.plain:
        compare_with_plain(network, frames, torch.from_numpy(rows), asked.short)
    print(calibration())


def compare_with_plain(network: OV2SegNetwork, frames: Frames, classifier: Tensor, short: int) -> None:
    """Print how far the plain path is behind, and that it says the same."""
    prepared = Geometry.of(frames.shape[1:3], short, 1333).prepare(frames)
    count = len(frames)
    with torch.inference_mode():
        ours = network(prepared)
        quick = measure("the network alone", lambda: network(prepared), "frame", parts=count)
    slow = measure("plain path, the network alone", lambda: plain(network, prepared, classifier), "frame", parts=count)
    theirs = plain(network, prepared[:1], classifier)
    apart = float((ours[0].spoken - theirs[0].spoken).abs().max() / theirs[0].spoken.abs().max())
    times = slow.clock / quick.clock
    print(f"against the plain path: {times:.2f} times; directions differ by {apart:.1e} of their largest value")
    print(f"peak memory with the plain path {peak_bytes() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
