"""Overlap of boxes that are given by centre, width and height."""

from __future__ import annotations

import torch
from torch import Tensor


def corners(boxes: Tensor) -> Tensor:
    """Boxes (..., 4) of centre x, centre y, width and height as left, top, right, bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def giou(boxes: Tensor, others: Tensor, eps: float = 1e-6) -> Tensor:
    """Generalised IoU (Rezatofighi et al. 2019) of boxes one by one, (..., 4) of centre and size to (...).

    eps is added above and below each fraction, so that boxes without area, which stand for "not in this frame", agree
    with each other.
    """
    mine, theirs = corners(boxes), corners(others)
    inter = (torch.minimum(mine[..., 2:], theirs[..., 2:]) - torch.maximum(mine[..., :2], theirs[..., :2])).clamp(min=0)
    hull = (torch.maximum(mine[..., 2:], theirs[..., 2:]) - torch.minimum(mine[..., :2], theirs[..., :2])).clamp(min=0)
    shared, whole = inter.prod(-1), hull.prod(-1)
    union = boxes[..., 2:].prod(-1) + others[..., 2:].prod(-1) - shared
    return (shared + eps) / (union + eps) - (whole - union + eps) / (whole + eps)
