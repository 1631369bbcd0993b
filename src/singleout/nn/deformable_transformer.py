"""The transformer of Deformable DETR with iterative box refinement (Zhu et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from singleout.nn.attention import Attention
from singleout.nn.deformable import DeformableAttention, Shapes
from singleout.nn.deformable_rows import Around, Sampler, all_around, look_around
from singleout.nn.linear import is_fast
from singleout.nn.mlp import feedforward


@dataclass(frozen=True)
class Ground:
    """What the encoder knows of pictures before it sees them.

    positions: (batch or 1, tokens, width). ratios: of `valid_ratios`. references: of `grid_references`. shapes: of the
    levels. around, sampler: see `deformable_rows`; empty and None where that way is not taken.
    """

    positions: Tensor
    ratios: Tensor
    references: Tensor
    shapes: Shapes
    around: list[list[Around]]
    sampler: Sampler | None


class EncoderLayer(nn.Module):
    """Deformable self attention over all levels and a feed-forward part, each normed after it is added."""

    def __init__(
        self, width: int, *, hidden: int, num_heads: int, num_levels: int, num_points: int, dropout: float
    ) -> None:
        super().__init__()
        self.self_attn = DeformableAttention(width, num_heads, num_levels, num_points)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, ground: Ground, padding: Tensor | None) -> Tensor:
        """tokens: (batch, tokens, width); see `Encoder`."""
        references = ground.references.expand(len(tokens), -1, -1, -1)
        seen = self.self_attn(tokens + ground.positions, references, tokens, ground.shapes, padding)
        tokens = self.norm1(tokens + self.dropout(seen))
        return feedforward(tokens, self.linear1, self.linear2, self.norm2, self.dropout)

    def look_around(self, tokens: Tensor, around: Around, sampler: Sampler, padding: Tensor | None) -> Tensor:
        """`forward` for one picture on a CPU and without a gradient. tokens: (tokens, width)."""
        tokens = self.norm1(look_around(self.self_attn, tokens, around, sampler, padding))
        return feedforward(tokens, self.linear1, self.linear2, self.norm2, self.dropout)


class Encoder(nn.Module):
    """Layers that let all levels of a picture see each other."""

    def __init__(
        self,
        width: int,
        *,
        num_layers: int,
        hidden: int,
        num_heads: int = 8,
        num_levels: int = 4,
        num_points: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        shape: dict[str, Any] = {"hidden": hidden, "num_heads": num_heads, "dropout": dropout}
        shape |= {"num_levels": num_levels, "num_points": num_points}
        self.layers = nn.ModuleList(EncoderLayer(width, **shape) for _ in range(num_layers))

    def ground(self, positions: Tensor, ratios: Tensor, shapes: Shapes) -> Ground:
        """What `forward` needs besides tokens; the same for all pictures of a size that are not padded.

        positions: (batch or 1, tokens, width). ratios: (batch or 1, levels, 2) of `valid_ratios`.
        """
        references = grid_references(shapes, ratios)
        if not is_fast(positions):
            return Ground(positions, ratios, references, shapes, [], None)
        attentions = [layer.self_attn for layer in self._layers()]
        around = all_around(attentions, positions, references, shapes)
        sampler = Sampler(attentions[0], shapes, positions.device)
        return Ground(positions, ratios, references, shapes, around, sampler)

    def forward(self, tokens: Tensor, ground: Ground, padding: Tensor | None) -> Tensor:
        """tokens: (batch, tokens, width), the levels one after the other; the same shape comes back.

        padding: (batch, tokens) bool, or None.
        """
        if ground.sampler is None or not is_fast(tokens):
            for layer in self.layers:
                tokens = layer(tokens, ground, padding)
            return tokens
        out = torch.empty_like(tokens)
        for place, picture in enumerate(tokens):
            hidden = None if padding is None else padding[place]
            for layer, around in zip(self._layers(), ground.around[place % len(ground.around)], strict=True):
                picture = layer.look_around(picture, around, ground.sampler, hidden)  # noqa: PLW2901
            out[place] = picture
        return out

    def _layers(self) -> list[EncoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, EncoderLayer)]


class DecoderLayer(nn.Module):
    """Self attention of the queries, their deformable look at the picture, and a feed-forward part."""

    def __init__(
        self, width: int, *, hidden: int, num_heads: int, num_levels: int, num_points: int, dropout: float
    ) -> None:
        super().__init__()
        self.self_attn = Attention(width, num_heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.cross_attn = DeformableAttention(width, num_heads, num_levels, num_points)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        target: Tensor,
        positions: Tensor,
        *,
        references: Tensor,
        memory: Tensor,
        shapes: Shapes,
        padding: Tensor | None,
    ) -> Tensor:
        """target, positions: (batch, num_queries, width). references: (batch, num_queries, levels, 2 or 4)."""
        query = target + positions
        target = self.norm2(target + self.dropout(self.self_attn(query, query, target)))
        seen = self.cross_attn(target + positions, references, memory, shapes, padding)
        target = self.norm1(target + self.dropout(seen))
        return feedforward(target, self.linear1, self.linear2, self.norm3, self.dropout)


class Decoder(nn.Module):
    """Layers in which queries look at a picture, each with a box that is refined from layer to layer."""

    def __init__(
        self,
        width: int,
        *,
        num_layers: int,
        hidden: int,
        num_heads: int = 8,
        num_levels: int = 4,
        num_points: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        shape: dict[str, Any] = {"hidden": hidden, "num_heads": num_heads, "dropout": dropout}
        shape |= {"num_levels": num_levels, "num_points": num_points}
        self.layers = nn.ModuleList(DecoderLayer(width, **shape) for _ in range(num_layers))

    def forward(
        self,
        target: Tensor,
        positions: Tensor,
        references: Tensor,
        *,
        memory: Tensor,
        ratios: Tensor,
        shapes: Shapes,
        padding: Tensor | None,
        box_heads: Sequence[nn.Module],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """States and references after each layer: (batch, num_queries, width) and (batch, num_queries, 4).

        references: (batch, num_queries, 2) in 0..1. box_heads: one for each layer, width to 4 numbers, whose result
        is added to the reference before the sigmoid. The references of a layer carry no gradient into the next one.
        """
        states, refined = [], []
        for layer, box_head in zip(self.layers, box_heads, strict=True):
            scale = ratios if references.shape[-1] == 2 else torch.cat([ratios, ratios], dim=-1)
            scaled = references[:, :, None] * scale[:, None]
            target = layer(target, positions, references=scaled, memory=memory, shapes=shapes, padding=padding)
            references = refine(box_head(target), references).detach()
            states.append(target)
            refined.append(references)
        return states, refined


def refine(change: Tensor, references: Tensor) -> Tensor:
    """Boxes from references (..., 2 or 4) and the change that a head wants of them, (..., 4); all in 0..1."""
    known = references.shape[-1]
    moved = change[..., :known] + inverse_sigmoid(references)
    return torch.cat([moved, change[..., known:]], dim=-1).sigmoid()


def inverse_sigmoid(x: Tensor, eps: float = 1e-5) -> Tensor:
    """The logit of numbers in 0..1, kept finite near the ends."""
    x = x.clamp(0, 1)
    return torch.log(x.clamp(min=eps) / (1 - x).clamp(min=eps))


def valid_ratios(padding: Sequence[Tensor]) -> Tensor:
    """The share of each level that is picture: (batch, levels, 2), width first. padding: a (batch, h, w) bool each."""
    ratios = []
    for level in padding:
        height, width = (~level[:, :, 0]).sum(1), (~level[:, 0, :]).sum(1)
        ratios.append(torch.stack([width / level.shape[2], height / level.shape[1]], dim=-1))
    return torch.stack(ratios, dim=1)


def grid_references(shapes: Shapes, ratios: Tensor) -> Tensor:
    """The middle of every cell, as places on all levels: (batch, tokens, levels, 2). ratios: of `valid_ratios`."""
    points = []
    for level, (height, width) in enumerate(shapes):
        rows = torch.linspace(0.5, height - 0.5, height, device=ratios.device)
        columns = torch.linspace(0.5, width - 0.5, width, device=ratios.device)
        y = rows[None, :, None] / (ratios[:, None, None, level, 1] * height)
        x = columns[None, None, :] / (ratios[:, None, None, level, 0] * width)
        points.append(torch.stack([x.expand(-1, height, -1), y.expand(-1, -1, width)], dim=-1).flatten(1, 2))
    return torch.cat(points, dim=1)[:, :, None] * ratios[:, None]


def focal_bias(share: float = 0.01) -> float:
    """The bias with which a class head starts out believing that a share of the queries is the object."""
    return -math.log((1 - share) / share)
