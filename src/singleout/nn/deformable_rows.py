"""Deformable self attention of pictures on a CPU, without gradients: the same numbers as `deformable`, in less time.

Each token looks around its own place, which is the same for all pictures of a size and all sentences. So what depends
on places alone is worked out once, places are counted in cells from the beginning, and memory is used again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.deformable import DeformableAttention, Layout, Shapes
from singleout.nn.linear import Linear, linear


@dataclass(frozen=True)
class Around:
    """Where the tokens of a picture look in one layer, apart from what they show.

    ask: tokens to x, y and weight of every place, (3 * places). base: what is added to that, (tokens, 3 * places).
    """

    ask: Linear
    base: Tensor

    @classmethod
    def of(cls, attention: DeformableAttention, positions: Tensor, references: Tensor, shapes: Shapes) -> Around:
        """positions: (tokens, width), which are added to tokens. references: (tokens, levels, 2) in 0..1."""
        offsets, share = attention.sampling_offsets, attention.attention_weights
        weight = torch.cat([offsets.weight[0::2], offsets.weight[1::2], share.weight])
        bias = torch.cat([offsets.bias[0::2], offsets.bias[1::2], share.bias])
        base = F.linear(positions, weight, bias).view(len(positions), 3, attention.num_heads, attention.num_levels, -1)
        sizes = references.new_tensor([(width, height) for height, width in shapes])
        # Cells of a map with a border: its first cell has its middle at 1.
        anchors = references * sizes + 0.5
        base[:, 0] += anchors[:, None, :, None, 0]
        base[:, 1] += anchors[:, None, :, None, 1]
        return cls(Linear.of(weight, None), base.flatten(1))


@dataclass(frozen=True)
class _Scratch:
    """Memory for one picture at a time. table: (rows, heads, channels). rows, shares: (tokens, heads, 4, places)."""

    table: Tensor
    rows: Tensor
    shares: Tensor


class Sampler:
    """Weighted sums of rows of a table that holds the maps of one picture, each with a border of zeros.

    Several threads may use it at once.
    """

    def __init__(self, attention: DeformableAttention, shapes: Shapes, device: torch.device) -> None:
        heads, levels, points = attention.num_heads, attention.num_levels, attention.num_points
        self.shapes, self.heads = shapes, heads
        layout = Layout.of(shapes, device, heads)
        # One number for each place of a token: rows as long as that are what a processor takes many of at once.
        self._last = tuple(_each_place(edge + 1, heads, points) for edge in (layout.width, layout.height))
        self._pitch = _each_place(layout.pitch * heads, heads, points)
        first = layout.start * heads + torch.arange(heads, device=device)[:, None, None]
        self._first = _each_place(first, heads, points)
        self._table_shape = (layout.rows, heads, attention.value_proj.out_features // heads)
        self._rows_shape = (sum(height * width for height, width in shapes), heads, 4, levels * points)
        self._device = device
        self._own = threading.local()

    def __call__(self, value: Tensor, places: Tensor) -> Tensor:
        """value: (tokens, width). places: (tokens, 3 * places), of `Around`. Returns (tokens, width)."""
        scratch = self._scratch()
        self._fill(scratch.table, value)
        x, y, weight = places.view(len(places), 3, -1).unbind(1)
        x, y = (torch.minimum(part.clamp(min=0), last) for part, last in zip((x, y), self._last, strict=True))
        left, top = x.floor(), y.floor()
        chosen, shares = scratch.rows, scratch.shares
        heads = (len(places), self.heads, -1)
        right, lower = x.sub_(left).view(heads), y.sub_(top).view(heads)
        _weigh(shares, right, lower, weight.reshape(heads).softmax(-1))
        # Rows are counted as float32, which is exact for as many as a table may have.
        rows = left.mul_(self.heads).addcmul_(top, self._pitch).add_(self._first)
        chosen[:, :, 0] = rows.view(heads)
        torch.add(chosen[:, :, 0], self.heads, out=chosen[:, :, 1])
        chosen[:, :, 2] = rows.add_(self._pitch).view(heads)
        torch.add(chosen[:, :, 2], self.heads, out=chosen[:, :, 3])
        bags, table = len(places) * self.heads, scratch.table.flatten(0, 1)
        found = F.embedding_bag(chosen.view(bags, -1), table, per_sample_weights=shares.view(bags, -1), mode="sum")
        return found.view_as(value)

    def _scratch(self) -> _Scratch:
        if not hasattr(self._own, "scratch"):
            self._own.scratch = _Scratch(
                torch.zeros(self._table_shape, device=self._device),
                torch.empty(self._rows_shape, dtype=torch.int32, device=self._device),
                torch.empty(self._rows_shape, device=self._device),
            )
        found: _Scratch = self._own.scratch
        return found

    def _fill(self, table: Tensor, value: Tensor) -> None:
        begin, used = 0, 0
        for height, width in self.shapes:
            size = (height + 2) * (width + 2)
            inside = table[used : used + size].view(height + 2, width + 2, -1)[1:-1, 1:-1]
            inside.copy_(value[begin : begin + height * width].view(height, width, -1))
            begin, used = begin + height * width, used + size


def _each_place(numbers: Tensor, heads: int, points: int) -> Tensor:
    """numbers: (levels, 1) or (heads, levels, 1), one for each place of a token: (heads * levels * points)."""
    return numbers.expand(heads, -1, points).flatten()


def _weigh(shares: Tensor, right: Tensor, lower: Tensor, weight: Tensor) -> None:
    """Fill in the four shares of each place, from how far it is from the cell to its left and above.

    shares: (tokens, heads, 4, places). right, lower, weight: (tokens, heads, places).
    """
    lower.mul_(weight)
    upper = weight.sub_(lower)
    torch.mul(upper, right, out=shares[:, :, 1])
    torch.sub(upper, shares[:, :, 1], out=shares[:, :, 0])
    torch.mul(lower, right, out=shares[:, :, 3])
    torch.sub(lower, shares[:, :, 3], out=shares[:, :, 2])


def look_around(
    attention: DeformableAttention, tokens: Tensor, around: Around, sampler: Sampler, padding: Tensor | None
) -> Tensor:
    """tokens and what each sees around its place, (tokens, width), summed up. padding: (tokens,) bool, or None."""
    value = linear(tokens, attention.value_proj.weight, attention.value_proj.bias)
    if padding is not None:
        value[padding] = 0.0
    seen = sampler(value, around.ask(tokens, add=around.base))
    return linear(seen, attention.output_proj.weight, attention.output_proj.bias, add=tokens)


def all_around(
    attentions: Sequence[DeformableAttention], positions: Tensor, references: Tensor, shapes: Shapes
) -> list[list[Around]]:
    """For each picture and layer; positions: (batch, tokens, width), references: (batch, tokens, levels, 2)."""
    return [
        [Around.of(attention, *parts, shapes) for attention in attentions]
        for parts in zip(positions, references, strict=True)
    ]
