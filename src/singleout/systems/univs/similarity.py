"""Whether what is found in a clip is an object that is known: by embeddings, boxes and masks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LEAST_NORM = 1e-3
_LEAST_WEIGHT = 1e-3
_LEAST_UNION = 1e-3
_STEEPNESS = 5.0
CONFIDENT = 1.0  # mask logit from which on a pixel is surely in, and its negative from which on it is surely out


def quality(masks: Tensor) -> Tensor:
    """How sharp masks are: of all pixels that may be in, the share that surely are, over all frames of a clip.

    masks: (num, time, height, width) logits. Returns (num,) from 0 to 1.
    """
    flat = masks.flatten(1)
    return (flat > CONFIDENT).sum(1) / (flat > -CONFIDENT).sum(1).clamp(min=1)


def consistency(stored: Tensor, current: Tensor) -> Tensor:
    """Cosine between what is remembered of objects and what is seen of them now, later steps counting more.

    stored: (num, steps, width), zero where nothing is known. current: (num, time, width). Returns (num,).
    """
    alike = torch.einsum("nsc,ntc->nst", _unit(stored), _unit(current)).mean(-1)
    return (alike * _lateness(stored)).sum(1)


def likeness(stored: Tensor, candidates: Tensor) -> Tensor:
    """`consistency` of each object with each candidate.

    stored: (num, steps, width). candidates: (others, time, width). Returns (num, others).
    """
    alike = torch.einsum("nsc,mtc->nmst", _unit(stored), _unit(candidates)).mean(-1)
    return (alike * _lateness(stored)[:, None]).sum(-1)


def bi_softmax(stored: Tensor, candidates: Tensor) -> Tensor:
    """How well candidates suit known objects, where each object has one candidate and each candidate one object.

    stored: (num, steps, width). candidates: (others, time, width). Returns (num, others): the mean over steps and
    frames of two softmaxes of the dot products, over candidates and over objects (Fischer et al. 2022).
    """
    dots = torch.einsum("nsc,mtc->nmst", stored, candidates).flatten(2)
    return (dots.softmax(1) + dots.softmax(0)).mean(-1) / 2


def boxes_of(masks: Tensor) -> Tensor:
    """Boxes around masks, (..., height, width) bool to (..., 4): first and last column and row, divided by the size.

    Left, top, right, bottom; zeros for an empty mask. The last column counts by its own place and not by its far side.
    """
    height, width = masks.shape[-2:]
    ends = [*_ends(masks.any(-2)), *_ends(masks.any(-1))]
    left, right, top, bottom = ends
    scale = torch.tensor([width, height, width, height], device=masks.device)
    return torch.stack([left, top, right, bottom], -1) / scale


def box_overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU of boxes (n, time, 4) with others (m, time, 4) in the same frame: (n, m, time).

    Boxes are in shares of the picture and no union counts for less than 0.001, so that tiny boxes never overlap much.
    """
    one, other = boxes[:, None], others[None]
    inter = (torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])).clamp(min=0)
    shared = inter.prod(-1)
    union = _area(one) + _area(other) - shared
    return shared / union.clamp(min=_LEAST_UNION)


def unsuppressed(overlaps: Tensor, limit: float) -> Tensor:
    """Candidates that no better one overlaps, whether that one is kept or not. overlaps: (n, n), best first.

    Returns (n,) bool.
    """
    return overlaps.triu(1).amax(0) < limit if len(overlaps) else overlaps.new_zeros(0, dtype=torch.bool)


def mask_overlaps(masks: Tensor, others: Tensor) -> Tensor:
    """IoU of masks (n, time, pixels) with others (m, time, pixels), bool, in the same frame: (n, m, time)."""
    one, other = masks.transpose(0, 1).float(), others.transpose(0, 1).float()
    shared = one @ other.transpose(1, 2)
    union = one.sum(-1)[:, :, None] + other.sum(-1)[:, None] - shared
    return (shared / union.clamp(min=1)).permute(1, 2, 0)


def joined_mean(stored: Tensor, new: Tensor) -> Tensor:
    """Halfway between what was known and what is new; the new alone where nothing was. Both (num, width)."""
    known = (stored != 0).any(-1, keepdim=True)
    return torch.where(known, (stored + new) / 2, new)


def _lateness(stored: Tensor) -> Tensor:
    """How much each step counts, (num, steps): later ones more, those of which nothing is known not at all."""
    known = (stored != 0).any(-1)
    steps = stored.shape[1]
    late = torch.arange(1, steps + 1, device=stored.device, dtype=stored.dtype) / steps
    weights = (_STEEPNESS * late).exp() * known
    return weights / weights.sum(1, keepdim=True).clamp(min=_LEAST_WEIGHT)


def _unit(values: Tensor) -> Tensor:
    lengths: Tensor = values.norm(dim=-1, keepdim=True)
    return values / lengths.clamp(min=_LEAST_NORM)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _ends(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First and last place that is occupied, 0 and 0 where none is."""
    places = torch.arange(occupied.shape[-1], device=occupied.device)
    far = math.inf
    first = torch.where(occupied, places, far).amin(-1)
    return first.nan_to_num(posinf=0.0), torch.where(occupied, places, 0).amax(-1).to(first.dtype)
