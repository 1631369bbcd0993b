"""Sine position encodings of sequences, pictures and clips (Vaswani et al. 2017; Carion et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_EPS = 1e-6  # keeps a row that is all padding from dividing by zero


def sine_1d(padding: Tensor, width: int) -> Tensor:
    """Positions of tokens, counted over the real ones and scaled to a whole turn.

    padding: (batch, length) bool. Returns (batch, length, width) float32.
    """
    count = (~padding).cumsum(1, dtype=torch.float32)
    return waves(count / (count[:, -1:] + _EPS) * (2 * math.pi), width)


def sine_2d(padding: Tensor, width: int) -> Tensor:
    """Positions of pixels by row and column, counted over the real ones and scaled to a whole turn.

    padding: (batch, height, width) bool. Returns (batch, height, width, width of the encoding): half for y, half for x.
    """
    real = ~padding
    rows, columns = real.cumsum(1, dtype=torch.float32), real.cumsum(2, dtype=torch.float32)
    rows = (rows - 0.5) / (rows[:, -1:] + _EPS) * (2 * math.pi)
    columns = (columns - 0.5) / (columns[:, :, -1:] + _EPS) * (2 * math.pi)
    return torch.cat([waves(rows, width // 2), waves(columns, width // 2)], dim=-1)


def sine_3d(padding: Tensor, width: int) -> Tensor:
    """Positions of the pixels of a clip: those of `sine_2d` plus those of time, without the half steps.

    padding: (batch, time, height, width) bool. Returns (batch, time, height, width, width of the encoding). After
    VisTR (Wang et al. 2021) as video Mask2Former spells it (Cheng et al. 2021): time has the whole width and is added.
    """
    real = ~padding
    turns = []
    for axis in (1, 2, 3):
        count = real.cumsum(axis, dtype=torch.float32)
        turns.append(count / (count.narrow(axis, count.shape[axis] - 1, 1) + _EPS) * (2 * math.pi))
    time, rows, columns = turns
    return torch.cat([waves(rows, width // 2), waves(columns, width // 2)], dim=-1) + waves(time, width)


def waves(angle: Tensor, width: int) -> Tensor:
    """Sines (even) and cosines (odd) of an angle at falling frequencies: (...) to (..., width)."""
    steps = torch.arange(width // 2, dtype=torch.float32, device=angle.device)
    turned = angle[..., None] / 10000 ** (2 * steps / width)
    return torch.stack([turned.sin(), turned.cos()], dim=-1).flatten(-2)
