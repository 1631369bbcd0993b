"""Multi-scale deformable attention (Zhu et al. 2021): each query looks at a few places of several maps.

Three ways to the same numbers: weighted sums of table rows on a CPU, a Triton kernel on CUDA, and `grid_sample`
elsewhere, which is also the plain statement of what the others compute.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.linear import linear

Shapes = Sequence[tuple[int, int]]  # height and width of each level


class DeformableAttention(nn.Module):
    """Deformable attention over several levels."""

    def __init__(self, width: int, num_heads: int = 8, num_levels: int = 4, num_points: int = 4) -> None:
        super().__init__()
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        places = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(width, 2 * places)
        self.attention_weights = nn.Linear(width, places)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self._reset()

    @torch.no_grad()
    def _reset(self) -> None:
        """At the start each head looks in a direction of its own, each point one step further."""
        angles = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
        directions = directions / directions.abs().amax(dim=-1, keepdim=True)
        steps = torch.arange(1, self.num_points + 1)[:, None]
        bias = (directions[:, None, None] * steps).expand(-1, self.num_levels, -1, -1)
        nn.init.zeros_(self.sampling_offsets.weight)
        self.sampling_offsets.bias.copy_(bias.flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, query: Tensor, references: Tensor, memory: Tensor, shapes: Shapes, padding: Tensor | None = None
    ) -> Tensor:
        """What each query sees, (batch, num_queries, width).

        query: (batch, num_queries, width). references: (batch, num_queries, num_levels, 2 or 4): points or boxes
        (centre, width, height) in 0..1 of each level. memory: (batch, tokens, width), the levels one after the other,
        each row by row. padding: (batch, tokens) bool; what is padded counts as zero.
        """
        locations, weights = self.places(query, references, shapes)
        if not torch.is_grad_enabled() and 4 * weights[0].numel() < memory.shape[1]:
            seen = self._few(memory, shapes, locations, weights, padding)
            return linear(seen, self.output_proj.weight, self.output_proj.bias)
        value = linear(memory, self.value_proj.weight, self.value_proj.bias)
        if padding is not None:
            value = value.masked_fill(padding[..., None], 0.0)
        seen = sample_levels(value.unflatten(-1, (self.num_heads, -1)), shapes, locations, weights)
        return linear(seen, self.output_proj.weight, self.output_proj.bias)

    def _few(
        self, memory: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor, padding: Tensor | None
    ) -> Tensor:
        """What few queries see: samples are taken of the memory itself and projected afterwards.

        The projection is linear, so that is the same; its bias counts as much as what was not padded or outside.
        """
        shown = memory.new_ones(*memory.shape[:2], 1)
        if padding is not None:
            memory = memory.masked_fill(padding[..., None], 0.0)
            shown = shown.masked_fill(padding[..., None], 0.0)
        # Each head of each query is a query of its own, of one head that sees everything.
        where, share = locations.flatten(1, 2)[:, :, None], weights.flatten(1, 2)[:, :, None]
        heads = (*weights.shape[:3], -1)
        seen = sample_levels(memory[:, :, None], shapes, where, share).view(heads)
        counted = sample_levels(shown[:, :, None], shapes, where, share).view(heads)
        weight = self.value_proj.weight.unflatten(0, (self.num_heads, -1))
        bias = self.value_proj.bias.unflatten(0, (self.num_heads, -1))
        value: Tensor = torch.einsum("bqhw,hdw->bqhd", seen, weight) + counted * bias
        return value.flatten(2)

    def places(self, query: Tensor, references: Tensor, shapes: Shapes) -> tuple[Tensor, Tensor]:
        """Where each query looks, (batch, num_queries, heads, levels, points, 2) in 0..1, and how much it counts."""
        grid = (self.num_heads, self.num_levels, self.num_points)
        offsets = linear(query, self.sampling_offsets.weight, self.sampling_offsets.bias).unflatten(-1, (*grid, 2))
        weights = linear(query, self.attention_weights.weight, self.attention_weights.bias)
        weights = weights.unflatten(-1, (self.num_heads, -1)).softmax(-1).unflatten(-1, grid[1:])
        anchors = references[:, :, None, :, None]
        if references.shape[-1] == 2:
            sizes = offsets.new_tensor([(width, height) for height, width in shapes])
            return anchors + offsets / sizes[:, None], weights
        return anchors[..., :2] + offsets * (anchors[..., 2:] * (0.5 / self.num_points)), weights


def sample_levels(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Sums of bilinear samples, zero outside of the maps: (batch, num_queries, heads * channels).

    value: (batch, tokens, heads, channels). locations: (batch, num_queries, heads, levels, points, 2) in 0..1, x first.
    weights: (batch, num_queries, heads, levels, points).
    """
    if value.device.type == "cuda":
        from singleout.nn import deformable_cuda

        if deformable_cuda.AVAILABLE:
            return deformable_cuda.sample_levels(value, shapes, locations, weights)
    if value.device.type == "cpu" and value.dtype == torch.float32:
        return sample_by_rows(value, shapes, locations, weights)
    return sample_by_grid(value, shapes, locations, weights)


def sample_by_grid(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """`sample_levels` level by level with torch's `grid_sample`, for any device."""
    batch, queries, heads, _, points, _ = locations.shape
    total = value.new_zeros(batch * heads, value.shape[-1], queries)
    start = 0
    for level, (height, width) in enumerate(shapes):
        maps = value[:, start : start + height * width].permute(0, 2, 3, 1).reshape(batch * heads, -1, height, width)
        grid = (2 * locations[:, :, :, level] - 1).transpose(1, 2).reshape(batch * heads, queries, points, 2)
        seen = F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        total = total + (seen * weights[:, :, :, level].transpose(1, 2).reshape(batch * heads, 1, queries, -1)).sum(-1)
        start += height * width
    return total.view(batch, heads, -1, queries).permute(0, 3, 1, 2).flatten(2)


def sample_by_rows(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """`sample_levels` as weighted sums of rows of a table, which torch has a fast kernel for on CPUs.

    Each map gets a border of zeros, so that places outside need no test: they are moved onto it.
    """
    layout = Layout.of(shapes, value.device)
    heads = value.shape[2]
    head = torch.arange(heads, device=value.device, dtype=torch.int32)[:, None, None]
    step = (layout.pitch * heads).int()
    # One batch element at a time: its table and its indices stay in the cache.
    results = []
    for maps, where, share in zip(value, locations, weights, strict=True):
        x = (where[..., 0] * layout.width + 0.5).clamp(layout.zero, layout.width + 1)
        y = (where[..., 1] * layout.height + 0.5).clamp(layout.zero, layout.height + 1)
        left, top = x.detach().floor(), y.detach().floor()
        right, lower = x - left, (y - top) * share
        upper = share - lower
        first = (top * layout.pitch + left + layout.start).int() * heads + head
        rows = [first, first + heads, first + step, first + step + heads]
        upper_right, lower_right = upper * right, lower * right
        parts = [upper - upper_right, upper_right, lower - lower_right, lower_right]
        bags = len(where) * heads
        seen = F.embedding_bag(
            torch.cat([part.view(bags, -1) for part in rows], dim=1),
            _padded_table(maps, shapes, layout.rows),
            per_sample_weights=torch.cat([part.view(bags, -1) for part in parts], dim=1),
            mode="sum",
        )
        results.append(seen.view(len(where), -1))
    return torch.stack(results)


@dataclass(frozen=True)
class Layout:
    """Where each level lies in a table of padded maps, (levels, 1) each. rows: of the table for each head."""

    height: Tensor
    width: Tensor
    pitch: Tensor
    start: Tensor
    zero: Tensor
    rows: int

    @classmethod
    def of(cls, shapes: Shapes, device: torch.device, heads: int = 1) -> Layout:
        """The layout for maps of these shapes, whose cells are `heads` rows each where rows are counted as numbers.

        Raises ValueError where they are too large for one table.
        """
        starts, total = [], 0
        for height, width in shapes:
            starts.append(total)
            total += (height + 2) * (width + 2)
        # Places on the far border have a second row that counts nothing, but must exist.
        total += max(width for _, width in shapes) + 4
        # Row numbers are held as float32 while they are computed, which is exact up to 2**24.
        if total * heads >= 2**24:
            raise ValueError(f"maps of {total} cells are too large for one table")
        table = [(height, width, width + 2, start) for (height, width), start in zip(shapes, starts, strict=True)]
        height, width, pitch, start = torch.tensor(table, dtype=torch.float32, device=device).t()[..., None]
        return cls(height, width, pitch, start, torch.zeros_like(width), total)


def _padded_table(maps: Tensor, shapes: Shapes, rows: int) -> Tensor:
    """maps: (tokens, heads, channels) to (rows * heads, channels): each level with a border of zeros."""
    parts, begin, used = [], 0, 0
    for height, width in shapes:
        level = maps[begin : begin + height * width].unflatten(0, (height, width))
        parts.append(F.pad(level, (0, 0, 0, 0, 1, 1, 1, 1)).flatten(0, 1))
        begin += height * width
        used += (height + 2) * (width + 2)
    parts.append(maps.new_zeros(rows - used, *maps.shape[1:]))
    return torch.cat(parts).flatten(0, 1)
