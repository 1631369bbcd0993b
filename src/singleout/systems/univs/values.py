"""What passes between the parts of the network of UniVS, and between it and those who follow objects with it.

One video at a time, and no batch axis: a clip is a sequence of `FrameFeatures`, one for each frame. A frame is encoded
once and its features are used again in every clip that it is part of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

MASK_STRIDE = 4  # pixels a side of a cell of predicted masks

SelfAttention = Literal["none", "sep", "sep-blocked", "sep-l2p"]
"""Who sees whom in the self attention of the decoder, always in all frames of the clip.

``none``: every query every other. ``sep``: learnable queries each other, prompts each other. ``sep-blocked``: learnable
queries each other, a prompt only itself. ``sep-l2p``: learnable queries each other, prompts everyone.
"""


@dataclass(frozen=True)
class FrameFeatures:
    """What the network sees of one frame, whatever is asked and wherever the frame is in the video.

    levels: what queries look at, at strides 32, 16 and 8, (h, w, width) each. finest: what masks are read from, at
    stride 4, (h, w, width). coarser: of `mask2former.decoder.resized`, (h * w, width) each. keys: for each layer of
    the decoder, keys and values of its level as (heads, h * w, depth); empty where they are to be computed in each clip
    anew, which takes less memory.
    """

    levels: tuple[Tensor, Tensor, Tensor]
    finest: Tensor
    coarser: tuple[Tensor, Tensor, Tensor]
    keys: tuple[tuple[Tensor, Tensor], ...] = ()

    @property
    def mask_size(self) -> tuple[int, int]:
        """Height and width of predicted masks: those of the padded frame divided by `MASK_STRIDE`."""
        return self.finest.shape[0], self.finest.shape[1]


@dataclass(frozen=True)
class DensePrompts:
    """Points of objects in one frame: what the network saw there, and where that was.

    features, positions: (num_objects, num_points, width). An object that is not in the frame is zero in both.
    """

    features: Tensor
    positions: Tensor

    @classmethod
    def join(cls, frames: Sequence[DensePrompts]) -> DensePrompts:
        """The points of several frames one after the other: (num_objects, all points, width)."""
        return cls(
            torch.cat([frame.features for frame in frames], dim=1), torch.cat([frame.positions for frame in frames], 1)
        )


@dataclass(frozen=True)
class Prompts:
    """Prompts as queries of a clip.

    queries, positions: (num_prompts, time, width). features: what a prompt's query may look at, (num_prompts, time or
    1, num_points, width), 1 where it is the same in all frames. feature_positions: the same shape, None for words.
    sentences: (num_sentences, text width), where the prompts are sentences, whose masks take part of the best learnable
    query's and whose self attention always is ``sep-blocked``.
    """

    queries: Tensor
    positions: Tensor
    features: Tensor
    feature_positions: Tensor | None = None
    sentences: Tensor | None = None

    @cached_property
    def keys(self) -> Tensor:
        """Features with their positions."""
        return self.features if self.feature_positions is None else self.features + self.feature_positions


@dataclass(frozen=True)
class Head:
    """What is read off the decoder at one place.

    The first axis is that of queries: the learnable ones, then the prompts. embeds: (num_queries, time, width), by
    which objects are told apart. mask_embeds: the same shape; a mask is their product with the frame's `finest`.
    logits: (num_queries, num_names), or (num_queries, num_sentences) of sentences; None where no names were given or,
    of earlier heads, not asked for. similarity: of sentences, (num_queries, num_sentences), the cosine to each prompt.
    """

    embeds: Tensor
    mask_embeds: Tensor
    logits: Tensor | None = None
    similarity: Tensor | None = None


@dataclass(frozen=True)
class Decoded(Head):
    """What the last head says, and the earlier ones where they were asked for.

    num_learnable: how many of the queries are learnable, 0 where those were left out; the prompts are behind them.
    finest: of each frame. earlier: the heads before, the first of them before any layer; 9 in the published networks.
    """

    num_learnable: int = 0
    finest: tuple[Tensor, ...] = ()
    earlier: tuple[Head, ...] = field(default=())

    def masks(self, which: slice | Tensor = slice(None)) -> Tensor:
        """Mask logits at stride 4, (num_queries, time, h, w); which: of these queries only, an index of the first axis.

        They are computed when they are asked for: take those that are read.
        """
        return read_masks(self.mask_embeds[which], self.finest)


def read_masks(mask_embeds: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """Mask logits (num_queries, time, h, w).

    mask_embeds: (num_queries, time, width). maps: of each frame, (h, w, width).
    """
    tokens = [frame.flatten(0, 1).t() for frame in maps]
    if torch.is_grad_enabled():
        masks = torch.stack([mask_embeds[:, t] @ frame for t, frame in enumerate(tokens)], dim=1)
    else:
        # Frames that are put together afterwards would take the memory twice.
        masks = mask_embeds.new_empty(*mask_embeds.shape[:2], tokens[0].shape[1])
        for t, frame in enumerate(tokens):
            torch.mm(mask_embeds[:, t], frame, out=masks[:, t])
    return masks.view(*masks.shape[:2], *maps[0].shape[:2])
