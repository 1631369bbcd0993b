"""Window attention over one, two or three axes, what Swin and Video Swin are made of (Liu et al. 2021, 2022)."""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.window_rows import Axes, RowOfWindows, padded_size
from singleout.nn.linear import is_fast, linear
from singleout.nn.mlp import by_rows
from singleout.nn.threads import side_by_side


@lru_cache(maxsize=16)
def relative_index(window: Axes) -> Tensor:
    """For each pair of tokens of a window the row of the bias table: (tokens, tokens) int64."""
    places = torch.stack(torch.meshgrid(*(torch.arange(size) for size in window), indexing="ij")).flatten(1)
    apart = places[:, :, None] - places[:, None, :]
    index = torch.zeros_like(apart[0])
    for axis, size in enumerate(window):
        index = index * (2 * size - 1) + apart[axis] + size - 1
    return index


class WindowAttention(nn.Module):
    """Self attention within windows, with a learned bias for each offset between two tokens."""

    def __init__(self, width: int, num_heads: int, window: Axes) -> None:
        super().__init__()
        self.num_heads, self.window = num_heads, window
        offsets = (2 * window[0] - 1) * (2 * window[1] - 1) * (2 * window[2] - 1)
        self.relative_position_bias_table = nn.Parameter(torch.empty(offsets, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def bias(self, num_tokens: int) -> Tensor:
        """The bias of a window of so many tokens, (heads, tokens, tokens).

        For windows smaller than the trained one the first rows and columns of its index are taken, as Video Swin
        does. Where a window is smaller in height or width that pairs tokens with offsets that are not theirs; the
        published weights were trained and used so.
        """
        index = relative_index(self.window)[:num_tokens, :num_tokens].to(self.relative_position_bias_table.device)
        return self.relative_position_bias_table[index].permute(2, 0, 1)

    def forward(self, x: Tensor, shift: Axes, biases: Biases) -> Tensor:
        """x: (batch, *grid of windows, tokens, width), all of a map; see `attend`."""
        seen = self.attend(linear(x, self.qkv.weight, self.qkv.bias), shift, (True, True, True), biases)
        return linear(seen, self.proj.weight, self.proj.bias)

    def attend(
        self,
        projected: Tensor,
        shift: Axes,
        ends: tuple[bool, bool, bool],
        biases: Biases,
        asked: Tensor | None = None,
    ) -> Tensor:
        """What each token sees, (batch, *grid, tokens, width), before the last projection.

        projected: queries, keys and values, (batch, *grid, tokens, 3 * width). shift: by how much the map was shifted.
        ends: for each axis whether the last windows here are the map's last, which hold both ends of it where it is
        shifted. asked: places of the tokens of a window that matter, (num,); None for all of them.
        """
        parts = projected.unflatten(-1, (3, self.num_heads, -1))
        width, num = projected.shape[-1] // 3, projected.shape[4] if asked is None else len(asked)
        out = projected.new_empty(*projected.shape[:4], num, width)
        axes = [_apart(*one) for one in zip(projected.shape[1:4], shift, ends, strict=True)]
        for (times, after), (rows, below), (columns, right) in product(*axes):
            some = parts[:, times, rows, columns]
            query, key, value = (some[..., part, :, :].flatten(0, 3).transpose(1, 2) for part in range(3))
            bias = biases((after, below, right)).to(query.dtype)
            if asked is not None:
                query, bias = query[:, :, asked], bias[:, :, asked]
            seen = F.scaled_dot_product_attention(query, key, value, bias)
            out[:, times, rows, columns] = seen.transpose(1, 2).flatten(2).view(*some.shape[:4], num, width)
        return out


def _apart(count: int, shift: int, end: bool) -> list[tuple[slice, int]]:
    """Windows along an axis, and how many of their last places come from the other end of the map."""
    if not (shift and end):
        return [(slice(0, count), 0)]
    last = (slice(count - 1, count), shift)
    return [last] if count == 1 else [(slice(0, count - 1), 0), last]


class Biases:
    """The bias of a block's attention for windows of one size, with what the parts of a window hide from each other."""

    def __init__(self, attention: WindowAttention, window: Axes) -> None:
        self._window = window
        self._plain = attention.bias(math.prod(window)).contiguous()[None]
        self._known = {(0, 0, 0): self._plain}

    def __call__(self, moved: Axes) -> Tensor:
        """(1, heads, tokens, tokens). moved: see `hidden_parts`."""
        if moved not in self._known:
            hidden = hidden_parts(self._window, moved).to(self._plain)
            self._known[moved] = self._plain + hidden
        return self._known[moved]


def to_windows(x: Tensor, window: Axes) -> Tensor:
    """x: (batch, time, height, width, channels), multiples of the window, to (batch, *grid, tokens, channels)."""
    batch, time, height, width, channels = x.shape
    grid = (batch, time // window[0], window[0], height // window[1], window[1], width // window[2], window[2])
    return x.view(*grid, channels).permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6)


def from_windows(x: Tensor, window: Axes) -> Tensor:
    """The reverse of `to_windows`."""
    parts = x.unflatten(4, window).permute(0, 1, 4, 2, 5, 3, 6, 7)
    out: Tensor = parts.flatten(1, 2).flatten(2, 3).flatten(3, 4)
    return out


@lru_cache(maxsize=32)
def hidden_parts(window: Axes, moved: Axes) -> Tensor:
    """-100 between tokens of a window that a shift of the map brought together, else 0: (tokens, tokens).

    moved: for each axis how many of the last places come from the other end of the map.
    """
    parts = torch.zeros(window)
    for axis, (size, count) in enumerate(zip(window, moved, strict=True)):
        other = torch.arange(size) >= size - count
        parts = parts * 2 + other.view([-1 if axis == place else 1 for place in range(3)])
    tokens = parts.flatten()
    return (tokens[:, None] != tokens) * -100.0


class DropPath(nn.Module):
    """Leaves out a whole branch of a sample now and then in training (stochastic depth, Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, ...)."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * kept / (1 - self.rate)


class Feedforward(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., width)."""

        return by_rows(self._rows, x)

    def after(self, norm: nn.Module, x: Tensor) -> Tensor:
        """x and what this makes of it once it is normed, without a gradient; x: (..., width)."""
        return by_rows(lambda rows: self._rows(norm(rows), add=rows), x)

    def _rows(self, rows: Tensor, add: Tensor | None = None) -> Tensor:
        hidden = F.gelu(linear(rows, self.fc1.weight, self.fc1.bias))
        return linear(hidden, self.fc2.weight, self.fc2.bias, add=add)


class WindowBlock(nn.Module):
    """Window attention and a feed-forward part, each normed before and added."""

    def __init__(self, width: int, num_heads: int, window: Axes, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, num_heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Feedforward(width, 4 * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, window: Axes, shift: Axes) -> Tensor:
        """x: (batch, time, height, width, channels)."""
        if is_fast(x):
            return self.mlp.after(self.norm2, self._row_by_row(x.contiguous(), window, shift))
        x = x + self.drop_path(self._attend(self.norm1(x), window, shift))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out

    def _attend(self, x: Tensor, window: Axes, shift: Axes) -> Tensor:
        time, height, width = x.shape[1:4]
        size = padded_size((time, height, width), window)
        # The zeros are ordinary tokens that others may attend to, as in the published code.
        if size != (time, height, width):
            x = F.pad(x, (0, 0, 0, size[2] - width, 0, size[1] - height, 0, size[0] - time))
        if any(shift):
            x = x.roll([-step for step in shift], dims=(1, 2, 3))
        biases = Biases(self.attn, window)
        x = from_windows(self.attn(to_windows(x, window), shift, biases), window)
        if any(shift):
            x = x.roll(list(shift), dims=(1, 2, 3))
        return x[:, :time, :height, :width]

    def _row_by_row(self, x: Tensor, window: Axes, shift: Axes) -> Tensor:
        """x and what it sees, one row of windows after the other.

        So what is worked on stays in the cache, the map is neither padded nor rolled, and zeros are never projected.
        """
        biases, rows, out = Biases(self.attn, window), x.flatten(0, 3), torch.empty_like(x)
        size = (x.shape[1], x.shape[2], x.shape[3])
        grid = [whole // part for whole, part in zip(padded_size(size, window), window, strict=True)]

        def run(place: tuple[int, int]) -> None:
            row = RowOfWindows.of(x, window, shift, place)
            tokens = rows.index_select(0, row.tokens)
            projected = linear(self.norm1(tokens), self.attn.qkv.weight, self.attn.qkv.bias)
            projected = row.spread(projected, self.attn.qkv.bias).view(len(x), 1, 1, grid[2], math.prod(window), -1)
            ends = (place[0] == grid[0] - 1, place[1] == grid[1] - 1, True)
            seen = self.attn.attend(projected, shift, ends, biases, row.asked).flatten(0, 4)
            seen = seen if row.kept is None else seen[row.kept]
            seen = linear(seen, self.attn.proj.weight, self.attn.proj.bias, add=tokens)
            out.flatten(0, 3).index_copy_(0, row.tokens, seen)

        places = list(product(range(grid[0]), range(grid[1])))
        deque(side_by_side(run, places, x.device), maxlen=0)
        return out
