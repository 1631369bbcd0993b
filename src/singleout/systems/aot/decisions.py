"""From scores at stride 4 to whose each pixel is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.aot.values import Size

_LEAST = 1e-5  # share that an identity keeps in the joint decision of several groups, used or not


def shares_of(scores: Tensor, counts: Sequence[int], size: Size, *, align_corners: bool) -> Tensor:
    """The share of background and of each object in each pixel, (1 + num_objects, *size), together 1.

    scores: (groups, 1 + num_ids, h, w). counts: objects in each group; identities beyond them take no part. With
    several groups the result has all their identities.
    """
    large = [
        F.interpolate(own[None, : count + 1], size, mode="bilinear", align_corners=align_corners)[0].softmax(0)
        for own, count in zip(scores, counts, strict=True)
    ]
    if len(large) == 1:
        return large[0]
    return joint_logits(large, scores.shape[1] - 1).softmax(0)


def joint_logits(shares: Sequence[Tensor], num_ids: int) -> Tensor:
    """Several groups joined by soft aggregation (Oh et al. 2019): logits (1 + groups * num_ids, height, width).

    shares: of each group (1 + objects, height, width). What is background to all is background. Unused identities keep
    a little, which counts, as published.
    """
    background = torch.stack([own[0] for own in shares]).prod(0)
    joined = background.new_full((1 + len(shares) * num_ids, *background.shape), 0.0)
    joined[0] = background
    for group, own in enumerate(shares):
        first = 1 + group * num_ids
        joined[first : first + len(own) - 1] = own[1:]
    return joined.clamp_(_LEAST, 1 - _LEAST).logit_()
