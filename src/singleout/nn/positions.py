"""Sine position encodings of sequences, pictures and clips (Vaswani et al. 2017; Carion et al. 2020)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

_EPS = 1e-6  # keeps a row that is all padding from dividing by zero


def sine_1d(padding: Tensor, width: int) -> Tensor:
    """Positions of tokens, counted over the real ones and scaled to a whole turn.

    padding: (batch, length) bool. Returns (batch, length, width) float32.
    """
    count = (~padding).cumsum(1, dtype=torch.float32)
    return waves(count / (count[:, -1:] + _EPS) * (2 * math.pi), width)


def sine_2d(padding: Tensor, width: int, *, centred: bool = True) -> Tensor:
    """Positions of pixels by row and column, counted over the real ones and scaled to a whole turn.

    padding: (batch, height, width) bool. centred: a place is the middle of its row and column, else their end. Returns
    (batch, height, width, width of the encoding): half for y, half for x.
    """
    real, middle = ~padding, 0.5 if centred else 0.0
    rows, columns = real.cumsum(1, dtype=torch.float32), real.cumsum(2, dtype=torch.float32)
    rows = (rows - middle) / (rows[:, -1:] + _EPS) * (2 * math.pi)
    columns = (columns - middle) / (columns[:, :, -1:] + _EPS) * (2 * math.pi)
    return torch.cat([waves(rows, width // 2), waves(columns, width // 2)], dim=-1)


@lru_cache(maxsize=16)
def sine_grid(size: tuple[int, int], width: int, device: torch.device) -> Tensor:
    """`sine_2d`, not centred, of a picture without padding; size: height and width. (height, width, width of it)."""
    # Others may need it with gradients.
    with torch.inference_mode(False):
        return sine_2d(torch.zeros(1, *size, dtype=torch.bool, device=device), width, centred=False)[0]


def sine_3d(padding: Tensor, width: int) -> Tensor:
    """Positions of the pixels of a clip: those of `sine_2d`, not centred, plus those of time, counted as well.

    padding: (batch, time, height, width) bool. Returns (batch, time, height, width, width of the encoding). After
    VisTR (Wang et al. 2021) as video Mask2Former spells it (Cheng et al. 2021): time has the whole width and is added.
    """
    count = (~padding).cumsum(1, dtype=torch.float32)
    time = count / (count[:, -1:] + _EPS) * (2 * math.pi)
    places: Tensor = sine_2d(padding.flatten(0, 1), width, centred=False).unflatten(0, padding.shape[:2])
    return places + waves(time, width)


def sine_points(points: Tensor, width: int) -> Tensor:
    """Positions of points in pictures, (..., 2) in 0..1 with x first, as those of `sine_2d`: (..., width)."""
    turns = points * (2 * math.pi)
    return torch.cat([waves(turns[..., 1], width // 2), waves(turns[..., 0], width // 2)], dim=-1)


def waves(angle: Tensor, width: int) -> Tensor:
    """Sines (even) and cosines (odd) of an angle at falling frequencies: (...) to (..., width)."""
    steps = torch.arange(width // 2, dtype=torch.float32, device=angle.device)
    turned = angle[..., None] / 10000 ** (2 * steps / width)
    return torch.stack([turned.sin(), turned.cos()], dim=-1).flatten(-2)
