"""Convolutions of size 1 as matrix products, which keep channels last whatever number of threads there are."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x: (batch, in, height, width) to (batch, out, height, width), channels last. weight: (out, in, 1, 1).

    On a single thread torch takes a slow path for a convolution of size 1 of one picture, and its result has channels
    first, so that every layer after it is slow as well.
    """
    rows = x.permute(0, 2, 3, 1).flatten(1, 2)
    out: Tensor = F.linear(rows, weight.flatten(1), bias).unflatten(1, x.shape[2:])
    return out.permute(0, 3, 1, 2)


def pointwise_by(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """The same with the weights of a convolution."""
    return pointwise(x, conv.weight, conv.bias)
