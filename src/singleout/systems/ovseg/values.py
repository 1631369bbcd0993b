"""What the parts of OVSeg hand to each other."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Proposals:
    """What each query proposes for a picture.

    masks: (batch, num_queries, h, w) logits at stride 4. embeds: (batch, num_queries, width of CLIP's space), not of
    length 1.
    """

    masks: Tensor
    embeds: Tensor


@dataclass(frozen=True)
class Region:
    """Where a proposal is. box: left, top, right, bottom in pixels, the last two exclusive. query: whose it is."""

    query: int
    box: tuple[int, int, int, int]
