"""Losses of masks on points instead of all pixels (PointRend, Kirillov et al. 2020; Mask2Former, Cheng et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.losses.binary import dice_score

Uniform = Callable[..., Tensor]
"""Draws numbers from 0 to 1, as `torch.rand` does: sizes, and the device by name."""


def sample(maps: Tensor, points: Tensor, *, nearest: bool = False) -> Tensor:
    """Maps read at points, zero outside: (n, channels, height, width) to (n, channels, num_points).

    points: (n or 1, num_points, 2), x first, 0 to 1 from edge to edge. nearest: what stands there, as suits labels;
    else bilinearly.
    """
    grid = (2 * points - 1)[:, :, None].expand(len(maps), -1, -1, -1)
    mode = "nearest" if nearest else "bilinear"
    return F.grid_sample(maps, grid.to(maps.dtype), mode=mode, align_corners=False)[..., 0]


@torch.no_grad()
def uncertain_points(
    logits: Tensor, count: int, *, oversample: float = 3.0, uncertain: float = 0.75, uniform: Uniform = torch.rand
) -> Tensor:
    """Points of masks, (num_masks, count, 2), most of them where a mask cannot tell.

    logits: (num_masks, height, width). Of `oversample` times as many points as are asked for, those are taken whose
    logit is nearest to zero, until they are the share `uncertain` of all; the others are drawn evenly.
    """
    drawn = uniform(len(logits), int(count * oversample), 2, device=logits.device)
    unsure = -sample(logits[:, None], drawn)[:, 0].abs()
    num_unsure = int(uncertain * count)
    best = unsure.topk(num_unsure, dim=1).indices[..., None].expand(-1, -1, 2)
    others = uniform(len(logits), count - num_unsure, 2, device=logits.device)
    return torch.cat([drawn.gather(1, best), others], dim=1)


def point_losses(logits: Tensor, truth: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy and dice loss of each mask at its points, (num_masks,) each.

    logits, truth: (num_masks, height, width), which may be of different sizes. points: (num_masks, num_points, 2).
    """
    found = sample(logits[:, None], points)[:, 0]
    with torch.no_grad():
        wanted = sample(truth[:, None], points)[:, 0]
    entropy = F.binary_cross_entropy_with_logits(found, wanted, reduction="none").mean(1)
    return entropy, 1 - dice_score(found.sigmoid(), wanted)


def point_costs(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy and dice loss of every mask with every target, (num_masks, num_targets) each, for matching.

    logits: (num_masks, num_points). truth: (num_targets, num_points), at the same points.
    """
    entropy = (F.softplus(-logits) @ truth.t() + F.softplus(logits) @ (1 - truth).t()) / logits.shape[1]
    shares = logits.sigmoid()
    dice = (2 * shares @ truth.t() + 1) / (shares.sum(1)[:, None] + truth.sum(1) + 1)
    return entropy, 1 - dice
