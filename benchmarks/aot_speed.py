"""Seconds per frame of AOT and DeAOT at 480p, against the reference's figures, and the plain path beside.

    python benchmarks/aot_speed.py                     R50-AOT-L with 1, 4, 8 and 13 remembered frames; DeAOT-T
    python benchmarks/aot_speed.py --plain             also the plain path, which takes a while
    python benchmarks/aot_speed.py --variant r50-deaotl --stored 1 8

Weights are random, which costs the same time as trained ones; frames are drawn, 480x854, with three objects. The time
of a frame is that of seeing it (resizing included), deciding at 480x854 and remembering it. To have so many frames in
the memory, the first one is remembered several times.

A matrix product and a convolution of fixed size are timed before and after: where the reference's figures come from
they took 94 and 75 ms with two threads, so these figures are scaled by the mean of both ratios. Seconds of the
processor (all threads) stand beside those of the clock, because on a shared machine they say more.

The plain path: attention by its formula, the window's as a dense product with a mask over all places, all layers in
torch's own order.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import peak_bytes
from singleout.nn.local_attention import Relative
from singleout.systems.aot.config import VARIANTS
from singleout.systems.aot.inference import AOT
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.options import Options
from singleout.systems.aot.tracker import Tracker
from timing import Seconds, best, fixed_work

HEIGHT, WIDTH = 480, 854
# Seconds per frame and GiB at the most of the official code, by variant and remembered frames, on two threads.
REFERENCE = {
    "r50-aotl": {1: (2.40, 1.4), 4: (3.09, 1.8), 8: (3.93, 2.6), 13: (5.89, 3.5)},
    "deaott": {1: (0.69, 1.05)},
}
PRODUCT_MS, CONVOLUTION_MS = 94.0, 75.0


def start(variant: str, options: Options) -> tuple[Tracker, np.ndarray]:
    """A tracker that has seen its first frame with three objects, and frames to go on with."""
    torch.manual_seed(0)
    network = AOTNetwork(VARIANTS[variant]).eval().requires_grad_(False)
    dice = np.random.default_rng(0)
    frames = dice.integers(0, 256, (4, HEIGHT, WIDTH, 3), dtype=np.uint8)
    ids = np.zeros((HEIGHT, WIDTH), np.int32)
    ids[100:300, 100:300], ids[200:400, 400:500], ids[50:150, 600:800] = 1, 2, 3
    tracker = AOT(network, name=variant).tracker((HEIGHT, WIDTH), options)
    tracker.see(frames[0])
    tracker.mark(ids)
    tracker.commit()
    return tracker, frames


def remember(tracker: Tracker, count: int) -> None:
    """Fill the memory with copies of its first frame."""
    for store in tracker.engines[0].stores:
        tensors, header = store.save()
        filled = {name: torch.cat([part[:, :1]] * count, dim=1) for name, part in tensors.items()}
        store.load(filled, {**header, "stamps": [header["stamps"][0]] * count}, torch.device("cpu"))


def next_frame(tracker: Tracker, frames: np.ndarray, repeat: int) -> Seconds:
    """Of a frame: the best of some, after one that warms up."""
    pictures = itertools.cycle(frames[1:])

    def run() -> None:
        tracker.see(next(pictures))
        tracker.commit()

    run()
    return best(run, repeat=repeat)


def dense_window(query: Tensor, key: Tensor, value: Tensor, radius: int, relative: Relative) -> Tensor:
    """The window attention as a dense product with a mask over all places."""
    batch, heads, height, width, depth = query.shape
    window = 2 * radius + 1
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    down, across = (at.flatten()[None] - at.flatten()[:, None] for at in (rows, columns))
    inside = (down.abs() <= radius) & (across.abs() <= radius)
    offset = ((down + radius) * window + across + radius).clamp(0, window * window - 1)
    learned = query.flatten(2, 3) @ relative.key.transpose(1, 2) + relative.bias[:, None]
    scores = (query.flatten(2, 3) * depth**-0.5) @ key.flatten(2, 3).transpose(-1, -2)
    scores = scores + learned.gather(-1, offset.expand(batch, heads, -1, -1))
    weights = scores.masked_fill(~inside, -torch.inf).softmax(-1)
    out = weights @ value.flatten(2, 3)
    if relative.value is not None:
        own = torch.zeros_like(learned).scatter_add_(-1, offset.expand_as(weights), weights * inside)
        out = out + own @ relative.value.transpose(1, 2)
    seen: Tensor = out.view(batch, heads, height, width, -1)
    return seen


def formula(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention as it is written down."""
    read: Tensor = ((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)).softmax(-1) @ value
    return read


@contextmanager
def plain_steps() -> Iterator[None]:
    """Everything in the plain way."""
    with ExitStack() as stack:
        stack.enter_context(patch("singleout.systems.aot.blocks.local_attention", dense_window))
        stack.enter_context(patch("singleout.systems.aot.blocks.F.scaled_dot_product_attention", formula))
        for place in ("memory", "blocks", "gated_blocks"):
            stack.enter_context(patch(f"singleout.systems.aot.{place}.attend", formula))
        stack.enter_context(patch("singleout.nn.linear._FEW", sys.maxsize))
        yield


def compare(variant: str, stored: list[int], repeat: int, *, plain: bool, slower: float) -> None:
    """Print a line for each number of remembered frames."""
    tracker, frames = start(variant, Options(gap=10**6))
    for count in stored:
        remember(tracker, count)
        taken = next_frame(tracker, frames, repeat)
        peak = peak_bytes() / 2**30
        line = f"{variant:<10} {count:>3} remembered {taken.clock:6.2f} s {taken.work:6.2f} CPU-s, peak {peak:4.2f} GiB"
        official = REFERENCE.get(variant, {}).get(count)
        if official is not None:
            expected = official[0] * slower
            line += f"; official {official[0]:.2f} s, here about {expected:.2f} s, peak {official[1]} GiB: "
            line += f"{expected / taken.clock:.2f} times faster"
        print(line, flush=True)
        if plain:
            with plain_steps():
                slow = next_frame(tracker, frames, 1)
            times = slow.clock / taken.clock
            print(f"{'':<10} plain path {slow.clock:10.2f} s {slow.work:6.2f} CPU-s: {times:.2f} times", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--variant", choices=sorted(VARIANTS))
    parser.add_argument("--stored", type=int, nargs="+")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="measure the plain path as well")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    product, convolution = fixed_work()
    slower = (product / PRODUCT_MS + convolution / CONVOLUTION_MS) / 2
    print(f"{asked.threads} threads; matrix product {product:.0f} ms, convolution {convolution:.0f} ms: x {slower:.2f}")
    variants = [asked.variant] if asked.variant else list(REFERENCE)
    for variant in variants:
        stored = asked.stored or sorted(REFERENCE.get(variant, {1: None}))
        compare(variant, stored, asked.repeat, plain=asked.plain, slower=slower)
    product, convolution = fixed_work()
    print(f"after: matrix product {product:.0f} ms, convolution {convolution:.0f} ms")


if __name__ == "__main__":
    main()
