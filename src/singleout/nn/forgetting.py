"""Which remembered frame goes when a memory of frames is full: one rule for every system that has such a memory.

A frame that was given goes only where nothing else is left, and then the first one stays. The newest frame stays. Of
the others that one goes whose absence leaves the smallest gap for its age: between frame t's neighbours b and a lie
a - b steps, and (a - b) / (now - t) ** (1 / 4) is smallest where frames are close together and long ago. So what is
left becomes sparser the older it is, and no stretch of the video is forgotten altogether. With the age itself in place
of its fourth root nearly all would be of the last moments; see docs/aot.md for what other roots cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_POWER = 0.25  # of the age


@dataclass(frozen=True)
class Stamp:
    """When a frame was remembered, in steps, and whether its objects were given rather than found."""

    step: int
    given: bool = False


def to_forget(stamps: Sequence[Stamp]) -> int:
    """The place of the frame that goes. stamps: one or more, in any order. The next frame comes after all of them."""
    order = sorted(range(len(stamps)), key=lambda place: stamps[place].step)
    if len(order) == 1:
        return order[0]
    now = stamps[order[-1]].step + 1
    inner = [rank for rank, place in enumerate(order[:-1]) if not stamps[place].given]
    if not inner:
        # All are given: the second oldest, or the newest where there are but two.
        return order[1]

    def sparseness(rank: int) -> float:
        before = stamps[order[rank - 1]].step if rank else 2 * stamps[order[0]].step - stamps[order[1]].step
        return float((stamps[order[rank + 1]].step - before) / (now - stamps[order[rank]].step) ** _POWER)

    return order[min(inner, key=sparseness)]
