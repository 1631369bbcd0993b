"""Losses between logits and what is true or false: focal (Lin et al. 2017) and dice (Milletari et al. 2016)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def sigmoid_focal(logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """The focal loss of each logit, in its shape. targets: 0 or 1; they weigh alpha where 1, else 1 - alpha."""
    share = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    wrong = share + targets - 2 * share * targets
    return entropy * wrong**gamma * (alpha * targets + (1 - alpha) * (1 - targets))


def dice_score(shares: Tensor, targets: Tensor) -> Tensor:
    """How well probabilities cover targets, 0 to 1, over the last axis; one is added above and below."""
    overlap = 2 * (shares * targets).sum(-1) + 1
    return overlap / (shares.sum(-1) + targets.sum(-1) + 1)


def focal_class_cost(logits: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """What it would cost each logit to say yes rather than no; for matching (Zhu et al. 2021)."""
    share = logits.sigmoid()
    yes = alpha * (1 - share) ** gamma * -(share + 1e-8).log()
    no = (1 - alpha) * share**gamma * -(1 - share + 1e-8).log()
    return yes - no
