"""The blocks of AOT: self attention, attention to the memory of long ago and of the frame before, feed-forward.

Shapes and order are those of "Associating Objects with Transformers for Video Object Segmentation" (Yang, Wei and Yang
2021) as its authors' code has them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.windows import DropPath
from singleout.nn.linear import linear
from singleout.nn.local_attention import Relative, local_attention
from singleout.nn.memory_attention import attend
from singleout.systems.aot.config import AOTConfig
from singleout.systems.aot.values import Entry, Recall, Record, Size, Streams

HEADS = 8


def project(x: Tensor, layer: nn.Linear) -> Tensor:
    """x: (batch, tokens, in) through a linear layer."""
    if torch.is_autocast_enabled(x.device.type):
        # The fast product is one of float32, and would go on computing in it.
        return F.linear(x, layer.weight, layer.bias)
    return linear(x, layer.weight, layer.bias)


def to_heads(x: Tensor, heads: int) -> Tensor:
    """x: (batch, tokens, heads * depth) to (batch, heads, tokens, depth)."""
    split: Tensor = x.unflatten(-1, (heads, -1)).transpose(1, 2)
    return split


def from_heads(x: Tensor) -> Tensor:
    """The reverse of `to_heads`."""
    return x.transpose(1, 2).flatten(2)


def as_map(x: Tensor, size: Size) -> Tensor:
    """x: (batch, tokens, channels) to (batch, channels, height, width), channels last."""
    grid: Tensor = x.unflatten(1, size).permute(0, 3, 1, 2)
    return grid


def as_tokens(x: Tensor) -> Tensor:
    """The reverse of `as_map`."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def joined(*parts: Tensor) -> list[Tensor]:
    """Tensors of one group and of several, all of several."""
    groups = max(len(part) for part in parts)
    return [part.expand(groups, *part.shape[1:]) for part in parts]


class ShortTerm(nn.Module):
    """Attention to the places of the frame before that are near; what is shared by AOT and DeAOT."""

    def __init__(self, heads: int, depth: int, radius: int) -> None:
        super().__init__()
        self.heads, self.radius = heads, radius
        offsets = (2 * radius + 1) ** 2
        # A convolution of size 1 whose groups are the heads, as it is published.
        self.relative_key = nn.Conv2d(heads * depth, heads * offsets, 1, groups=heads)

    def read(self, query: Tensor, entry: Entry, size: Size, relative_value: Tensor | None = None) -> Tensor:
        """query: (groups, heads, tokens, depth) to (groups, heads, tokens, value depth)."""
        query, key, value = (part.unflatten(2, size) for part in joined(query, entry.key, entry.value))
        weight = self.relative_key.weight.view(self.heads, -1, query.shape[-1])
        assert self.relative_key.bias is not None
        bias = self.relative_key.bias.view(self.heads, -1)
        if query.dtype != weight.dtype:
            weight, bias = weight.to(query.dtype), bias.to(query.dtype)
        return local_attention(query, key, value, self.radius, Relative(weight, bias, relative_value)).flatten(2, 3)


class SelfAttention(nn.Module):
    """Attention of the tokens of a frame to each other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """x: (batch, tokens, width). position: (tokens, width), added for queries and keys."""
        placed = x + position
        parts = (project(placed, self.query), project(placed, self.key), project(x, self.value))
        query, key, value = (to_heads(part, HEADS) for part in parts)
        return project(from_heads(F.scaled_dot_product_attention(query, key, value)), self.projection)


class AOTShortTerm(ShortTerm):
    """With several heads, a learned value for each offset, and a projection."""

    def __init__(self, width: int, radius: int) -> None:
        super().__init__(HEADS, width // HEADS, radius)
        offsets = self.relative_key.out_channels // HEADS
        self.relative_value = nn.Parameter(torch.zeros(HEADS, width // HEADS, offsets))
        self.projection = nn.Linear(width, width)

    def forward(self, query: Tensor, entry: Entry, size: Size) -> Tensor:
        """query: (groups, heads, tokens, depth) to (groups, tokens, width)."""
        relative = self.relative_value.to(query.dtype)
        return project(from_heads(self.read(query, entry, size, relative)), self.projection)


class LongTerm(nn.Module):
    """The projection of what was read from the long-term memory."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)

    def forward(self, query: Tensor, recall: Recall) -> Tensor:
        """query: (groups, heads, tokens, depth) to (groups, tokens, width)."""
        return project(from_heads(recall.long(query)), self.projection)


class Feedforward(nn.Module):
    """Widen, norm and mix with neighbours, narrow."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.widen, self.narrow = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm = nn.GroupNorm(32, hidden)
        self.mix = nn.Conv2d(hidden, hidden, 5, padding=2, groups=hidden, bias=False)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """x: (batch, tokens, width)."""
        hidden = self.mix(F.gelu(self.norm(as_map(project(x, self.widen), size).float()).to(x.dtype)))
        return project(as_tokens(hidden), self.narrow)


class AOTBlock(nn.Module):
    """One layer of the long short-term transformer."""

    def __init__(self, config: AOTConfig) -> None:
        super().__init__()
        width = config.width
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.self_attention = SelfAttention(width)
        self.query = nn.Linear(width, width)
        self.identify = nn.Linear(width, width)
        self.long_term = LongTerm(width)
        self.short_term = AOTShortTerm(width, config.radius)
        self.feedforward = Feedforward(width, 4 * width)
        self.drop_path = DropPath(config.drop_path)

    def forward(
        self, streams: Streams, size: Size, position: Tensor, recall: Recall | None, identity: Tensor | None = None
    ) -> tuple[Streams, Record]:
        """One step. recall: the memory; identity: (groups, tokens, width) in its place, where the frame is its own."""
        x = streams.picture
        x = x + self.drop_path(self.self_attention(self.norm1(x), position))
        seen = self.norm2(x)
        query = to_heads(project(seen, self.query), HEADS)
        record = Record(query, seen)
        if recall is None:
            assert identity is not None
            recall = own_memory(self.remember(record, identity))
        x = x + self.long_term(query, recall) + self.short_term(query, recall.short, size)
        x = x + self.drop_path(self.feedforward(self.norm3(x), size))
        return Streams(x), record

    def remember(self, record: Record, identity: Tensor) -> Entry:
        """A frame as it is kept. identity: (groups, tokens, width)."""
        return Entry(record.key, to_heads(project(record.value + identity, self.identify), HEADS))


def own_memory(entry: Entry) -> Recall:
    """The memory of a frame that is given: the frame itself, far and near."""

    def long(query: Tensor) -> Tensor:
        return attend(*joined(query, entry.key, entry.value))

    return Recall(long, entry)
