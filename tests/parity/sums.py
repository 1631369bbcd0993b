"""Sums in the order of the official code, for gradients that jump where a hidden unit is zero to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.resnet import FrozenBatchNorm


def conv_then_norm(
    x: Tensor, conv: nn.Conv2d, norm: FrozenBatchNorm, *, relu: bool = False, add: Tensor | None = None
) -> Tensor:
    """Convolution and norm one after the other, as the official code has them; ours puts the one into the other."""
    scale, shift = norm.scale_shift()
    out = F.conv2d(x.contiguous(), conv.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups)
    out = out * scale[:, None, None] + shift[:, None, None]
    out = out if add is None else out.add_(add)
    return out.relu_() if relu else out


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are made in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
