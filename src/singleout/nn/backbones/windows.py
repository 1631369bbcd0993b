"""Window attention over one, two or three axes, what Swin and Video Swin are made of (Liu et al. 2021, 2022)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.linear import linear
from singleout.nn.mlp import by_rows

Axes = tuple[int, int, int]  # time, height, width


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

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: (batch, windows, tokens, width). mask: (windows, tokens, tokens), added; None where nothing is hidden."""
        batch, windows, tokens, width = x.shape
        shape = (batch, windows, tokens, 3, self.num_heads, width // self.num_heads)
        projected = linear(x, self.qkv.weight, self.qkv.bias).view(shape)
        query, key, value = projected.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)
        bias = self.bias(tokens)
        if mask is None:
            query, key, value = (part.view(-1, self.num_heads, *part.shape[2:]) for part in (query, key, value))
            bias = bias[None]
        else:
            bias = (bias[None] + mask[:, None]).flatten(0, 1)[None]
        out = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype).contiguous())
        out = out.view(batch, windows, self.num_heads, tokens, -1).transpose(2, 3).flatten(3)
        return linear(out, self.proj.weight, self.proj.bias)


def to_windows(x: Tensor, window: Axes) -> Tensor:
    """x: (batch, time, height, width, channels), multiples of the window, to (batch, windows, tokens, channels)."""
    batch, time, height, width, channels = x.shape
    grid = (batch, time // window[0], window[0], height // window[1], window[1], width // window[2], window[2])
    x = x.view(*grid, channels).permute(0, 1, 3, 5, 2, 4, 6, 7)
    return x.reshape(batch, -1, window[0] * window[1] * window[2], channels)


def from_windows(x: Tensor, window: Axes, size: Axes) -> Tensor:
    """The reverse of `to_windows`; size: time, height, width of the padded map."""
    grid = (x.shape[0], *(whole // part for whole, part in zip(size, window, strict=True)), *window, x.shape[-1])
    return x.view(grid).permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(x.shape[0], *size, x.shape[-1])


def region_mask(size: Axes, window: Axes, shift: Axes) -> Tensor | None:
    """What a shifted map hides: -100 between tokens that the shift brought together, (windows, tokens, tokens).

    None where nothing is shifted.
    """
    if not any(shift):
        return None
    regions = torch.zeros(size)
    for axis in range(3):
        if shift[axis]:
            place = torch.arange(size[axis])
            region = (place >= size[axis] - window[axis]).int() + (place >= size[axis] - shift[axis]).int()
            regions = regions * 3 + region.view([-1 if other == axis else 1 for other in range(3)])
    tokens = to_windows(regions[None, ..., None], window)[0, ..., 0]
    return (tokens[:, None, :] != tokens[:, :, None]) * -100.0


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

        def run(rows: Tensor) -> Tensor:
            return linear(F.gelu(linear(rows, self.fc1.weight, self.fc1.bias)), self.fc2.weight, self.fc2.bias)

        return by_rows(run, x)


class WindowBlock(nn.Module):
    """Window attention and a feed-forward part, each normed before and added."""

    def __init__(self, width: int, num_heads: int, window: Axes, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, num_heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Feedforward(width, 4 * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, window: Axes, shift: Axes, mask: Tensor | None) -> Tensor:
        """x: (batch, time, height, width, channels). mask: of `region_mask` for the padded size."""
        x = x + self.drop_path(self._attend(self.norm1(x), window, shift, mask))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out

    def _attend(self, x: Tensor, window: Axes, shift: Axes, mask: Tensor | None) -> Tensor:
        time, height, width = x.shape[1:4]
        size = padded_size((time, height, width), window)
        # The zeros are ordinary tokens that others may attend to, as in the published code.
        if size != (time, height, width):
            x = F.pad(x, (0, 0, 0, size[2] - width, 0, size[1] - height, 0, size[0] - time))
        if any(shift):
            x = x.roll([-step for step in shift], dims=(1, 2, 3))
        x = from_windows(self.attn(to_windows(x, window), mask if any(shift) else None), window, size)
        if any(shift):
            x = x.roll(list(shift), dims=(1, 2, 3))
        return x[:, :time, :height, :width]


def padded_size(size: Axes, window: Axes) -> Axes:
    """The size rounded up to multiples of the window."""
    time, height, width = (-(-whole // part) * part for whole, part in zip(size, window, strict=True))
    return time, height, width
