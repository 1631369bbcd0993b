"""Objects that are followed by matching the learnable queries of neighbouring clips, without prompts.

The way of MinVIS (Huang et al. 2022), which the published code has beside that of `entities`. The best queries of the
first clip are the objects, and no others come up; in each later clip every one of them gets the query that is most like
what it was in the two clips before. What clips say of a frame that they share is averaged, and so are class scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.univs.clips import Clip
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.similarity import likeness, quality

_MOST = 100  # queries of the first clip that become objects
_REMEMBERED = 2  # clips


@dataclass(frozen=True)
class Mean:
    """A frame that has left all clips. logits: (num_objects, h, w) at stride 4, the mean over clips."""

    number: int
    logits: Tensor


class QueryTracker:
    """See the module.

    names: (num_names, text width), embeddings. sharp: whether the sharpness of their masks has a say in which queries
    of the first clip are taken. pooled: embeddings are averaged over frames and clips before they are compared, as the
    published code does for panoptic results.
    """

    def __init__(self, network: UniVSNetwork, names: Tensor, *, sharp: bool, pooled: bool) -> None:
        self.network, self.names, self.sharp, self.pooled = network, names, sharp, pooled
        self.start, self.num_clips = 0, 0
        self._sums: Tensor | None = None  # of masks, (num_objects, time, h, w)
        self._counts = torch.zeros(0)
        self._logits: Tensor | None = None  # sum over clips
        self._before: list[Tensor] = []

    @property
    def scores(self) -> Tensor:
        """Class scores from all clips so far, (num_objects, num_names), 0 to 1."""
        assert self._logits is not None
        return (self._logits / self.num_clips).sigmoid()

    @torch.inference_mode()
    def step(self, clip: Clip) -> list[Mean]:
        """Look at the next clip; returns the frames that have left."""
        left = self._leave(clip.start - self.start)
        decoded = self.network.decode(clip.features, None, self.names)
        assert decoded.logits is not None
        which = self._first(decoded.masks(), decoded.logits) if not self._before else self._matched(decoded.embeds)
        masks, logits = decoded.masks(which), decoded.logits[which]
        if self._sums is None or self._logits is None:
            self._sums, self._counts, self._logits = masks, torch.ones(len(clip)), logits
        else:
            more = len(clip) - self._sums.shape[1]
            self._sums = F.pad(self._sums, (0, 0, 0, 0, 0, more)) + masks
            self._counts = F.pad(self._counts, (0, more)) + 1
            self._logits = self._logits + logits
        self.num_clips += 1
        self._before = [*self._before, decoded.embeds[which].mean(1)][-_REMEMBERED:]
        return left

    def finish(self) -> list[Mean]:
        """The frames of the last clip."""
        return self._leave(len(self._counts))

    def _leave(self, count: int) -> list[Mean]:
        if self._sums is None or not count:
            return []
        left = [Mean(self.start + place, self._sums[:, place] / float(self._counts[place])) for place in range(count)]
        self._sums, self._counts = self._sums[:, count:], self._counts[count:]
        self.start += count
        return left

    def _first(self, masks: Tensor, logits: Tensor) -> Tensor:
        scores = logits.sigmoid().amax(1)
        if self.sharp:
            scores = scores + quality(masks)
        return scores.argsort(descending=True, stable=True)[:_MOST]

    def _matched(self, embeds: Tensor) -> Tensor:
        """The query of each object. embeds: (num_queries, time, width)."""
        known = torch.stack(self._before, 1)
        if self.pooled:
            known, embeds = known.mean(1, keepdim=True), embeds.mean(1, keepdim=True)
        _, columns = linear_sum_assignment(1 - likeness(known, embeds).cpu().numpy())
        return torch.as_tensor(columns, device=embeds.device)
