"""What moves against its surroundings: features matched between near frames, after the camera's own motion.

The camera is an affine field fitted robustly to the matches, as in dominant motion estimation (Odobez and Bouthemy
1995); what moves is what does not follow it both from the frame before and to the frame after.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

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
    height, width = here.shape[-2:]
    side = 2 * REACH + 1
    padded = F.pad(other, (REACH,) * 4)
    similarity = torch.stack(
        [(here * padded[:, y : y + height, x : x + width]).sum(dim=0) for y in range(side) for x in range(side)]
    )
    # Single cells are ambiguous; a neighbourhood that moves together is less so.
    similarity = F.avg_pool2d(similarity[None], 3, stride=1, padding=1)[0]
    places = torch.arange(side * side, device=here.device)
    offsets = torch.stack([places % side, places // side]).float() - REACH
    best = offsets[:, similarity.argmax(dim=0)]
    near = ((offsets[:, :, None, None] - best[:, None]) ** 2).sum(dim=0) <= 2
    weights = similarity.masked_fill(~near, -torch.inf).softmax(dim=0)
    moved: Tensor = torch.einsum("cn,nhw->chw", offsets, weights)
    return moved


def against_camera(moved: Tensor) -> Tensor:
    """How far each cell is from the affine motion that most cells follow. moved: (2, height, width), in cells.

    Returns (height, width), in cells.
    """
    height, width = moved.shape[-2:]
    ys, xs = torch.meshgrid(
        torch.linspace(-1, 1, height, device=moved.device),
        torch.linspace(-1, 1, width, device=moved.device),
        indexing="ij",
    )
    terms = torch.stack([torch.ones_like(xs), xs, ys], dim=-1).flatten(0, 1)
    goal = moved.flatten(1).T
    weights = torch.ones_like(terms[:, 0])
    ridge = 1e-4 * torch.eye(3, device=moved.device)
    deviation = weights
    for _ in range(ROUNDS):
        weighted = terms * weights[:, None]
        fitted = torch.linalg.solve(weighted.T @ terms + ridge, weighted.T @ goal)
        deviation = (goal - terms @ fitted).norm(dim=1)
        weights = 1 / (1 + (deviation / (deviation.median() + 0.05)) ** 2)
    return deviation.view(height, width)
