"""The training criterion: cross-entropy over the hardest pixels and a soft Jaccard index."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORED = 255  # label of pixels that count for nobody
_HARDEST = 0.15  # share of the pixels that counts in the end
_LEAST = 1e-6


def cross_entropy(logits: Tensor, labels: Tensor, progress: float) -> Tensor:
    """Mean over the hardest pixels.

    logits: (1 + num_objects, height, width). labels: (height, width). progress: 0 at the beginning, where all pixels
    count, to 1 from where on only 15 % do. Ignored pixels have no loss but take part in the ranking, as published.
    """
    each = F.cross_entropy(logits[None], labels[None], ignore_index=IGNORED, reduction="none").flatten()
    progress = min(1.0, progress)
    count = int((progress * _HARDEST + (1 - progress)) * len(each))
    return each.topk(count).values.mean()


def jaccard(logits: Tensor, labels: Tensor) -> Tensor:
    """One minus the soft intersection over union (Nowozin 2014), mean over what is there, the background included."""
    seen = labels != IGNORED
    shares, labels = logits.softmax(0)[:, seen], labels[seen]
    losses = []
    for number in labels.unique().tolist():
        share, is_it = shares[number], (labels == number).float()
        both = (share * is_it).sum()
        either = both + (share * (1 - is_it)).sum() + ((1 - share) * is_it).sum()
        losses.append(1 - both / (either + _LEAST))
    return torch.stack(losses).mean()


def frame_loss(logits: Tensor, labels: Tensor, progress: float) -> Tensor:
    """Half of each; see `cross_entropy`."""
    return 0.5 * cross_entropy(logits, labels, progress) + 0.5 * jaccard(logits, labels)
