"""A row of windows of a map, gathered token by token: which of them are of the map, and which are zeros beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

Axes = tuple[int, int, int]  # time, height, width


@dataclass(frozen=True)
class RowOfWindows:
    """Which tokens of maps are in a row of windows, window by window, and where the zeros are that fill it up.

    tokens: places of those of the map, counted over (batch, time, height, width). slots: where they are among all of
    the row, None where there are no zeros. num: of all. asked: places in a window at which some window has a token of
    the map, None for all; kept: which of those of all windows are of the map, None for all.
    """

    tokens: Tensor
    slots: Tensor | None
    num: int
    asked: Tensor | None
    kept: Tensor | None

    @classmethod
    def of(cls, x: Tensor, window: Axes, shift: Axes, place: tuple[int, int]) -> RowOfWindows:
        """The row at a place in time and height of the maps x, filled up and then shifted.

        x: (batch, time, height, width, channels).
        """
        batch, size, device = len(x), (x.shape[1], x.shape[2], x.shape[3]), x.device
        padded = padded_size(size, window)
        starts, counts = (place[0] * window[0], place[1] * window[1], 0), (window[0], window[1], padded[2])
        along = [
            torch.arange(start, start + count, device=device).add_(step).remainder_(whole)
            for start, count, step, whole in zip(starts, counts, shift, padded, strict=True)
        ]
        times, rows, columns = along[0][:, None, None], along[1][:, None], along[2]
        tokens = _by_window((times * size[1] + rows) * size[2] + columns, window[2])
        real = _by_window((times < size[0]) & (rows < size[1]) & (columns < size[2]), window[2])
        maps = torch.arange(batch, device=device)[:, None, None] * math.prod(size)
        tokens, num = tokens + maps, batch * tokens.numel()
        if bool(real.all()):
            return cls(tokens.flatten(), None, num, None, None)
        asked = real.any(0).nonzero()[:, 0]
        kept = real[:, asked].expand(batch, -1, -1)
        real = real.expand(batch, -1, -1)
        return cls(
            tokens[real],
            real.flatten().nonzero()[:, 0],
            num,
            None if len(asked) == real.shape[2] else asked,
            None if bool(kept.all()) else kept.flatten(),
        )

    def spread(self, values: Tensor, zero: Tensor) -> Tensor:
        """Values of the tokens among all of the row, (num, width); zero: the value of a token of zeros, (width,)."""
        if self.slots is None:
            return values
        return zero.repeat(self.num, 1).index_copy_(0, self.slots, values)


def _by_window(x: Tensor, width: int) -> Tensor:
    """x: (time, rows, columns) of a row of windows of this width, to (windows, tokens of a window)."""
    windows: Tensor = x.unflatten(2, (-1, width)).permute(2, 0, 1, 3)
    return windows.flatten(1)


def padded_size(size: Axes, window: Axes) -> Axes:
    """The size rounded up to multiples of the window."""
    time, height, width = (-(-whole // part) * part for whole, part in zip(size, window, strict=True))
    return time, height, width
