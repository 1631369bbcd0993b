"""Random hints to one thing in a picture, as a user would give them: clicks, a box, words."""

from __future__ import annotations

import torch
from torch import Tensor

from singleout.systems.starter.clicks import bumps
from tools.starter.scenes import SceneMaker


def random_cells(weights: Tensor, count: int, scenes: SceneMaker) -> Tensor:
    """Cells drawn in proportion to weights (batch, height, width): (batch, count, 2) as x, y."""
    flat = weights.flatten(1) + 1e-9
    index = torch.multinomial(flat, count, replacement=True, generator=scenes.generator)
    return torch.stack([index % weights.shape[2], index // weights.shape[2]], dim=2).float()


def draw_guidance(goal: Tensor, others: Tensor, words: Tensor, scenes: SceneMaker) -> Tensor:
    """goal, others, words: (batch, height, width): the thing, other things, and the score of its word.

    Returns (batch, 4, height, width), channels as `StarterNetwork.select` takes them; at least clicks or a box.
    """
    batch, height, width = goal.shape
    inside = (goal > 0.6).float()
    spread = torch.nn.functional.avg_pool2d(inside[:, None], 9, 1, 4)[:, 0]
    # Users click in the middle of things more than at their edges.
    positive = random_cells(inside * spread**2, 3, scenes)
    near = torch.nn.functional.max_pool2d(inside[:, None], 31, 1, 15)[:, 0]
    negative = random_cells((goal < 0.1) * (0.02 + 0.3 * near + 2 * others.clamp(0, 1)), 3, scenes)
    with_clicks = (scenes.rand(batch) < 0.6).float()
    with_box = torch.where(with_clicks > 0, (scenes.rand(batch) < 0.3).float(), torch.ones_like(with_clicks))
    with_words = (scenes.rand(batch) < 0.5).float()
    order = torch.arange(3, device=goal.device)[None]
    num_positive = 1 + (scenes.rand(batch, 1) * 3).long()
    num_negative = (scenes.rand(batch, 1) * 4).long() * (scenes.rand(batch, 1) < 0.5)
    shown_positive = (order < num_positive).float() * with_clicks[:, None]
    shown_negative = (order < num_negative).float()
    columns, rows = inside.amax(1), inside.amax(2)
    xs = torch.arange(width, device=goal.device)[None].float()
    ys = torch.arange(height, device=goal.device)[None].float()
    left = torch.where(columns > 0, xs, 1e4).amin(1)
    right = torch.where(columns > 0, xs, -1.0).amax(1)
    top = torch.where(rows > 0, ys, 1e4).amin(1)
    bottom = torch.where(rows > 0, ys, -1.0).amax(1)
    wobble = 0.06 * scenes.randn(4, batch)
    wide, tall = (right - left + 1), (bottom - top + 1)
    left, right = left + wobble[0] * wide - 0.5, right + wobble[1] * wide + 0.5
    top, bottom = top + wobble[2] * tall - 0.5, bottom + wobble[3] * tall + 0.5
    box = (
        (xs[:, None, :] >= left[:, None, None])
        & (xs[:, None, :] <= right[:, None, None])
        & (ys[:, :, None] >= top[:, None, None])
        & (ys[:, :, None] <= bottom[:, None, None])
    ).float()
    return torch.stack(
        [
            bumps(positive, height, width, shown_positive),
            bumps(negative, height, width, shown_negative),
            box * with_box[:, None, None],
            words * with_words[:, None, None],
        ],
        dim=1,
    )
