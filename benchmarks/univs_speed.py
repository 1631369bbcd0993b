"""Seconds per clip of UniVS by stage, what sharing frames between clips saves, and what the rest does.

    python benchmarks/univs_speed.py                                 r50, clips of 5 frames at 640x1152, 10 objects
    python benchmarks/univs_speed.py --variant swin-l --frames 6
    python benchmarks/univs_speed.py --plain                         also the plain path, which takes a while

What every clip asks of the network when instances are followed: all new frames are seen, points are taken of the
objects' masks in the frames that were known, queries are decoded, and their masks read. Weights are random, which costs
the same time as trained ones; frames and masks are drawn. What is done with the masks afterwards is not measured here.

A matrix product and a convolution of fixed size are timed before and after, so that a busy or another machine shows:
where the reference's figures come from they took 91 to 98 and 75 ms with two threads. Seconds of the processor (all
threads) stand beside those of the clock, because on a shared machine they say more.

The plain path: every clip sees all its frames anew; attention and sampling step by step; masks for attention made at
stride 4 and then resized; one self attention with a mask over all queries; points of prompts projected one by one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import peak_bytes
from singleout.nn.attention import Attention
from singleout.nn.backbones.resnet import keep_folded
from singleout.nn.mask2former.layers import Group, MaskedDecoderLayer, hide_outside
from singleout.systems.univs import decoder
from singleout.systems.univs.config import VARIANTS
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.values import Decoded, DensePrompts, FrameFeatures, Prompts, read_masks
from singleout.systems.univs.visual_prompts import Dice, points_of_masks
from timing import Stages, Stopwatch, calibration, measure, plain_steps


@dataclass(frozen=True)
class Work:
    """What is asked in every clip.

    frames: (num_frames, 3, height, width). masks: (num_objects, height, width) of 0 and 1. names: (num_names, text
    width). length: frames of a clip. points: of an object in a frame. memory: slots that prompts look at.
    """

    frames: Tensor
    masks: Tensor
    names: Tensor
    length: int
    points: int
    memory: int

    @property
    def num_clips(self) -> int:
        """Clips that follow each other frame by frame."""
        return len(self.frames) - self.length + 1


def points_of(network: UniVSNetwork, work: Work, features: Sequence[FrameFeatures], start: int) -> Prompts:
    """The objects as prompts, from their masks in all frames of the clip but the last."""
    taken = [
        points_of_masks(
            frame, work.masks, None, frame_index=start + place, num_points=work.points, dice=Dice(start + place)
        )
        for place, frame in enumerate(features[:-1])
    ]
    slots = [*taken, taken[-1]]
    seen = [slots[0], *(slots * work.memory)[: max(work.memory, work.length)]]
    return network.visual_prompts(slots, DensePrompts.join(seen))


def look(network: UniVSNetwork, work: Work, features: Sequence[FrameFeatures], start: int) -> Decoded:
    """One clip whose frames have been seen."""
    found = network.decode(features, points_of(network, work, features, start), work.names)
    found.masks()
    return found


def shared(network: UniVSNetwork, work: Work, first: list[FrameFeatures]) -> None:
    """The clips after the first one, each with one new frame."""
    features = first
    for start in range(1, work.num_clips):
        last = start + work.length - 1
        features = [*features[1:], *network.encode(work.frames[last : last + 1])]
        look(network, work, features, start)


def apart(network: UniVSNetwork, work: Work, start: int) -> Decoded:
    """One clip with all its frames."""
    return look(network, work, network.encode(work.frames[start : start + work.length]), start)


@contextmanager
def plain_decoder() -> Iterator[None]:
    """The decoder's steps as they are usually written."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(decoder, "hidden_from", _hidden_from))
        stack.enter_context(patch.object(decoder, "_read_few", _read_all))
        stack.enter_context(patch.object(MaskedDecoderLayer, "talk", _talk))
        yield


def _hidden_from(mask_embeds: Tensor, features: Sequence[FrameFeatures], level: int) -> Iterator[Tensor]:
    masks = read_masks(mask_embeds, [frame.finest for frame in features]).transpose(0, 1)
    size = features[0].levels[level].shape[:2]
    yield from hide_outside(F.interpolate(masks, size, mode="bilinear", align_corners=False).flatten(2))


def _read_all(attention: Attention, owned: Tensor, values: Tensor, keys: Tensor, features: Tensor) -> Tensor:
    time, count, width = owned.shape
    query = owned.transpose(0, 1).reshape(-1, 1, width)
    wide = (count, time, *keys.shape[2:])
    key = torch.cat([query, keys.expand(wide).flatten(0, 1)], dim=1)
    value = torch.cat([values.transpose(0, 1).reshape(-1, 1, width), features.expand(wide).flatten(0, 1)], dim=1)
    seen: Tensor = attention(query, key, value)
    return seen.view(count, time, width).transpose(0, 1)


def _talk(layer: MaskedDecoderLayer, queries: Tensor, positions: Tensor, groups: Sequence[Group]) -> Tensor:
    time, count, _ = queries.shape
    hidden = torch.full((count, count), -torch.inf)
    for group in groups:
        hidden[group.queries, group.sees] = 0.0
    mask = hidden.repeat_interleave(time, 0).repeat_interleave(time, 1)[None]
    tokens, places = queries.transpose(0, 1).flatten(0, 1)[None], positions.transpose(0, 1).flatten(0, 1)[None]
    seen = layer.self_attn(tokens + places, tokens + places, tokens, mask=mask)
    out: Tensor = layer.self_norm(queries + seen[0].unflatten(0, (count, time)).transpose(0, 1))
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--variant", default="r50", choices=sorted(VARIANTS))
    parser.add_argument("--height", type=int, default=640)
    parser.add_argument("--width", type=int, default=1152)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--length", type=int, default=5, help="frames of a clip")
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--points", type=int, default=128, help="of an object in a frame")
    parser.add_argument("--memory", type=int, default=5, help="frames that an object is remembered from")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="measure the plain path as well")
    parser.add_argument("--drop-keys", action="store_true", help="compute the decoder's keys in each clip anew")
    asked = parser.parse_args()
    if asked.frames <= asked.length or asked.height % 32 or asked.width % 32:
        parser.error("give more frames than a clip has, and a height and width that are multiples of 32")
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    network = UniVSNetwork(VARIANTS[asked.variant]).eval().requires_grad_(False)
    network.keep_keys = not asked.drop_keys
    keep_folded(network)
    masks = torch.zeros(asked.objects, asked.height, asked.width)
    for row, mask in enumerate(masks):
        # Objects of many sizes, from the upper left corner.
        mask[: asked.height * (row + 1) // asked.objects, : asked.width * (row + 1) // asked.objects] = 1.0
    frames, names = torch.randn(asked.frames, 3, asked.height, asked.width), torch.randn(40, 640)
    work = Work(frames, masks, names, asked.length, asked.points, asked.memory)
    print(
        f"univs/{asked.variant}, clips of {asked.length} frames {asked.height}x{asked.width}, {asked.threads} threads"
    )
    print(calibration())

    watch = Stopwatch()
    stages: Stages = {
        "backbone": (network.backbone, "forward"),
        "pixel decoder": (network.pixel_decoder, "forward"),
        "keys": (network.decoder, "keys"),
        "decoder": (network, "decode"),
        "read masks": (Decoded, "masks"),
    }
    with torch.inference_mode():
        first = network.encode(work.frames[: work.length])
        shared(network, work, first)
        clips = work.num_clips - 1
        with watch.on(stages):
            each = measure(
                "a clip with one new frame",
                lambda: shared(network, work, first),
                "clip",
                repeat=asked.repeat,
                parts=clips,
            )
        watch.tell("clip", clips * asked.repeat)
        whole = measure("a clip whose frames are all new", lambda: apart(network, work, 0), "clip", repeat=asked.repeat)
    print(f"peak memory {peak_bytes() / 2**30:.1f} GiB; sharing frames: {whole.work / each.work:.2f} times faster")
    if asked.plain:
        with torch.inference_mode():
            ours = apart(network, work, 0).masks()
        with plain_steps(), plain_decoder():
            slow = measure("plain path, a clip", lambda: apart(network, work, 0), "clip")
            theirs = apart(network, work, 0).masks()
        apart_by = float((ours - theirs).abs().max() / theirs.abs().max())
        print(f"against the plain path: {slow.work / whole.work:.2f} times, {slow.work / each.work:.2f} with sharing")
        print(f"its masks differ from ours by {apart_by:.1e} of their largest value")
        print(f"peak memory with the plain path {peak_bytes() / 2**30:.1f} GiB")
    print(calibration())


if __name__ == "__main__":
    main()
