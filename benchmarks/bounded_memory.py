"""What a bounded memory costs: the starter's features under the rule of `singleout.nn.forgetting`, on real footage.

    python benchmarks/bounded_memory.py                         all of shared/davis16, 1,000 frames, budgets 8 and none
    python benchmarks/bounded_memory.py --sequences dog,cows --size 192 --budgets 4,8,16

Each sequence is played forwards and backwards again and again; the mask of its first frame is given. The memory keeps
every frame whose turn it is (the starter's gap), for ever or within a budget. J&F is that of DAVIS, taken at every
tenth frame of the last half of the run, where the memories differ most. Frames are seen once, as each comes many times.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sequences import Sequence, open_sequences
from singleout.evaluation.metrics.boundary import contour_accuracy
from singleout.evaluation.metrics.region import region_similarity
from singleout.media import Video
from singleout.nn.forgetting import Stamp, to_forget
from singleout.systems import catalog
from singleout.systems.starter.engine import Engine
from singleout.systems.starter.inference import Starter
from singleout.systems.starter.matching import Memory
from singleout.systems.starter.network import Features
from singleout.systems.starter.view import View

_EVERY = 10  # frames between two that are compared with the truth


@dataclass
class RuledMemory(Memory):
    """The starter's memory with a budget in frames, None for none, and the common rule."""

    budget: int | None = None

    def keep(self, key: Tensor, value: Tensor, *, pinned: bool, recent_frames: int) -> None:
        """See `Memory.keep`."""
        if self.budget is not None and len(self.keys) >= self.budget:
            place = to_forget([Stamp(*pair) for pair in zip(self.frames, self.pinned, strict=True)])
            for kept in (self.keys, self.values, self.frames, self.pinned):
                del kept[place]
        super().keep(key, value, pinned=pinned, recent_frames=sys.maxsize)


def back_and_forth(length: int, num_frames: int) -> list[int]:
    """Frame numbers of a video that is played forwards and backwards."""
    there = [*range(length), *range(length - 2, 0, -1)]
    return (there * (num_frames // len(there) + 1))[:num_frames]


@dataclass(frozen=True)
class Played:
    """A sequence that is played back and forth. seen: its frames as the starter sees them. order: frame numbers."""

    sequence: Sequence
    seen: list[Features]
    view: View
    order: list[int]


@torch.inference_mode()
def run(starter: Starter, played: Played, budget: int | None) -> tuple[float, float]:
    """J&F, and seconds per frame in the last tenth of the run."""
    sequence, seen, view, order = played.sequence, played.seen, played.view, played.order
    network, memory = starter.network, RuledMemory(budget=budget)
    network.write(memory, seen[0], view.mask(sequence.truth(0))[None], pinned=True)
    scores, times = [], [time.perf_counter()]
    for step, index in enumerate(order[1:], 1):
        masks = network.propagate(memory, seen[index])
        network.write(memory, seen[index], masks)
        times.append(time.perf_counter())
        if step % _EVERY == 0 and 2 * step >= len(order):
            found, truth = (view.enlarge(masks)[0] > 0.5).numpy(), sequence.truth(index)
            scores.append((region_similarity(found, truth) + contour_accuracy(found, truth)) / 2)
            times[-1] = time.perf_counter()
    taken = [after - before for before, after in pairwise(times)]
    return float(np.mean(scores)), float(np.median(taken[-len(taken) // 10 :]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SINGLEOUT_SHARED", "../shared")))
    parser.add_argument("--sequences", help="some of the sequences, with commas between")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", type=int, default=192, help="short side that the starter sees")
    parser.add_argument("--budgets", default="8", help="frames, with commas between; no budget is always measured")
    asked = parser.parse_args()
    budgets: list[int | None] = [*map(int, asked.budgets.split(",")), None]
    starter = catalog.load("starter")
    assert isinstance(starter, Starter)
    engine = Engine(starter.network, "cpu")
    costs: dict[int | None, list[float]] = {budget: [] for budget in budgets}
    for sequence in open_sequences(asked.shared / "davis16", asked.sequences):
        with Video(sequence.frames) as video, torch.inference_mode():
            view = View.of(video.height, video.width, asked.size)
            seen = [engine.encode(view.shrink(frame)) for frame in video.frames()]
        played = Played(sequence, seen, view, back_and_forth(len(seen), asked.frames))
        found = {budget: run(starter, played, budget) for budget in budgets}
        free = found[None][0]
        for budget, (score, seconds) in found.items():
            costs[budget].append(100 * (free - score))
            name = "none" if budget is None else str(budget)
            print(f"{sequence.name:<20} budget {name:>5}  J&F {100 * score:5.1f}  {1000 * seconds:6.1f} ms", flush=True)
    for budget, lost in costs.items():
        if budget is not None:
            print(f"budget {budget}: costs {np.mean(lost):.2f} points of J&F on average, {max(lost):.2f} at the most")


if __name__ == "__main__":
    main()
