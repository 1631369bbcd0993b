"""Two opinions on the classes of proposals made one, and from proposals to a class at each pixel.

The geometric ensemble of section 3.3 of Liang et al. (2023), and the rule of their demo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Scores:
    """What each proposal that takes part says of each name.

    scores: (num_proposals, num_names), whose rows need not sum to 1. queries: whose proposals they are.
    """

    scores: Tensor
    queries: Tensor


def mix(proposals: Tensor, regions: Tensor, valid: Sequence[int], weight: float | None) -> Scores:
    """The opinion of the proposals and that of CLIP on their regions, as one.

    proposals: (num_queries, num_names + 1) logits, the last column that of no object. regions: the same of the regions,
    (num_valid, num_names + 1); valid: whose they are. weight: that of CLIP, 0 to 1; None takes the proposals alone.
    """
    own = proposals.softmax(-1)[:, :-1]
    every = torch.arange(len(own), device=own.device)
    if weight is None:
        return Scores(own, every)
    seen, which = regions[:, :-1].softmax(-1), torch.as_tensor(valid, dtype=torch.int64, device=own.device)
    if weight == 0:
        return Scores(seen, which)
    # As published, where CLIP has seen nothing its share is 1, so that such a proposal counts more than others.
    whole = torch.ones_like(own)
    whole[which] = seen
    return Scores(own ** (1 - weight) * whole**weight, every)


def best_of_each(found: Scores, num_columns: int | None = None) -> Scores:
    """Of each name only the proposal that says it loudest, as in the demo; what such a proposal says stays whole.

    num_columns: names that are looked at, the first ones, where others only stand against them.
    """
    if not len(found.queries):
        return found
    rows = found.scores[:, :num_columns].argmax(0).unique()
    return Scores(found.scores[rows], found.queries[rows])


@dataclass(frozen=True)
class ClassMap:
    """labels: (height, width) int64, the name with the largest sum. shares: its part of all sums, 0 to 1.

    blank: bool, where the sum of the first name is exactly 0, by which the demo knows pixels that nothing covers.
    """

    labels: Tensor
    shares: Tensor
    blank: Tensor


@dataclass(frozen=True)
class Canvas:
    """Adds up what proposals say of pixels, a few rows of the result at a time: all names at once may be gigabytes.

    masks: (num_proposals, height, width), how much of each pixel is of each. scores: (num_proposals, num_names). size:
    height and width of the result, to which sums are brought bilinearly.
    """

    masks: Tensor
    scores: Tensor
    size: tuple[int, int]

    def rows(self, start: int, stop: int) -> Tensor:
        """Sums of these rows of the result, (num_names, stop - start, width)."""
        height = self.masks.shape[1]
        # Where the centres of the rows lie in the masks, as torch's interpolation has it.
        centres = (torch.arange(start, stop, dtype=torch.float32) + 0.5) * (height / self.size[0]) - 0.5
        centres = centres.clamp(min=0)
        above = centres.floor().long().clamp(max=height - 1)
        below = (above + 1).clamp(max=height - 1)
        first, last = int(above[0]), int(below[-1]) + 1
        some = self.masks[:, first:last]
        told = torch.einsum("qn,qhw->nhw", self.scores, some.to(self.scores.dtype))
        wide = F.interpolate(told[None], (last - first, self.size[1]), mode="bilinear", align_corners=False)[0]
        share = (centres - above).to(wide.device)[:, None]
        return wide[:, above - first] * (1 - share) + wide[:, below - first] * share

    def whole(self) -> Tensor:
        """All sums, (num_names, height, width)."""
        return self.rows(0, self.size[0])

    def labels(self, *, values: int = 1 << 25) -> ClassMap:
        """The name with the largest sum at each pixel. values: numbers held at a time, by which memory is bounded."""
        height, width = self.size
        names = self.scores.shape[1]
        step = max(values // max(names * max(width, self.masks.shape[2]), 1), 1)
        found = []
        for start in range(0, height, step):
            sums = self.rows(start, min(start + step, height))
            best = sums.max(0)
            shares = best.values / sums.sum(0).clamp(min=torch.finfo(sums.dtype).tiny)
            found.append((best.indices, shares, sums[0] == 0))
        return ClassMap(*(torch.cat(parts) for parts in zip(*found, strict=True)))
