"""Linear layers on many rows, fast on CPUs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_FEW = 64  # rows under which it does not matter
_BATCH = 16  # torch hands a 1x1 convolution on one thread to oneDNN only from this batch size on


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """torch's `linear`, x: (..., in) to (..., out), where no gradient is asked for on a CPU by another route.

    A linear layer is a convolution of size 1. oneDNN, which torch uses for convolutions, multiplies matrices of these
    shapes a third faster than the BLAS that torch uses for linear layers, as measured on an AMD EPYC.
    """
    rows = x.numel() // x.shape[-1]
    batch = 1 if torch.get_num_threads() > 1 else _BATCH
    if (
        torch.is_grad_enabled()
        or x.device.type != "cpu"
        or x.dtype != torch.float32
        or rows < _FEW
        or rows % batch
        or not torch.backends.mkldnn.is_available()
    ):
        return F.linear(x, weight, bias)
    pixels = x.reshape(batch, rows // batch, 1, x.shape[-1]).permute(0, 3, 1, 2)
    out = F.conv2d(pixels, weight[:, :, None, None], bias)
    return out.permute(0, 2, 3, 1).reshape(*x.shape[:-1], len(weight))
