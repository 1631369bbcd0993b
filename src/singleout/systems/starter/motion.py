"""What moves against its surroundings: features matched between near frames, after the camera's own motion.

The camera is an affine field fitted robustly to the matches, as in dominant motion estimation (Odobez and Bouthemy
1995); what moves is what does not follow it both from the frame before and to the frame after.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.starter.matching import window_products

REACH = 5  # cells of 8 pixels that anything may move between two frames that are compared
ROUNDS = 15  # of the robust fit
FULL = 9.0  # times the usual deviation from the camera's motion that counts as moving for sure


def motion_map(here: Tensor, others: Sequence[Tensor]) -> Tensor:
    """here: features of a frame, (channels, height, width). others: of frames near it in time, on both sides if any.

    Returns (height, width), 0 to 1; 0 where there is nothing to compare with.
    """
    if not others:
        return here.new_zeros(here.shape[-2:])
    deviations = []
    for other in others:
        deviation = against_camera(displacement(here, other))
        # Matches are exact to about a tenth of a cell, whatever the camera does.
        deviations.append(deviation / (deviation.median() + 0.05))
    # What was hidden in one of the frames has no match there; it has one in the other.
    least = torch.stack(deviations).amin(dim=0)
    smooth = F.avg_pool2d(least[None, None], 3, stride=1, padding=1, count_include_pad=False)[0, 0]
    return (smooth / FULL).clamp(0, 1)


def displacement(here: Tensor, other: Tensor) -> Tensor:
    """Where each cell went: (2, height, width), x and y in cells, from the best match in a window and its neighbours.

    here, other: (channels, height, width), scaled so that their products are similarities for a softmax.
    """
    side = 2 * REACH + 1
    similarity = window_products(here, other, REACH)
    # Single cells are ambiguous; a neighbourhood that moves together is less so.
    similarity = F.avg_pool2d(similarity[None], 3, stride=1, padding=1)[0]
    best = similarity.argmax(dim=0)
    step = torch.arange(-1, 2, device=here.device)
    xs = (best % side)[None] + step.repeat(3)[:, None, None]
    ys = (best // side)[None] + step.repeat_interleave(3)[:, None, None]
    outside = (xs < 0) | (xs >= side) | (ys < 0) | (ys >= side)
    index = ys.clamp(0, side - 1) * side + xs.clamp(0, side - 1)
    weights = similarity.gather(0, index).masked_fill(outside, -torch.inf).softmax(dim=0)
    return torch.stack([(weights * (xs - REACH)).sum(dim=0), (weights * (ys - REACH)).sum(dim=0)])


def against_camera(moved: Tensor) -> Tensor:
    """How far each cell is from the affine motion that most cells follow. moved: (2, height, width), in cells.

    Returns (height, width), in cells.
    """
    height, width = moved.shape[-2:]
    ys, xs = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(xs), xs, ys], axis=-1).reshape(-1, 3)
    # So few numbers are faster in numpy than in torch, on every device.
    goal = moved.flatten(1).T.double().cpu().numpy()
    weights, deviation = np.ones(len(terms)), np.zeros(len(terms))
    for _ in range(ROUNDS):
        weighted = terms * weights[:, None]
        fitted = np.linalg.solve(weighted.T @ terms + 1e-4 * np.eye(3), weighted.T @ goal)
        deviation = np.linalg.norm(goal - terms @ fitted, axis=1)
        weights = 1 / (1 + (deviation / (np.median(deviation) + 0.05)) ** 2)
    return torch.from_numpy(deviation.reshape(height, width)).to(moved)
