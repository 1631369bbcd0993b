"""Convolutions of size 3, fast on CPUs where no gradient is asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.linear import is_fast

# NNPACK's, which torch itself takes for large batches only.
_SPATIAL: Any = getattr(torch, "_nnpack_spatial_convolution", None)


def conv3x3(x: Tensor, weight: Tensor) -> Tensor:
    """A 3x3 convolution with a border of zeros and without bias; x: (batch, in, height, width).

    NNPACK multiplies transformed tiles (Winograd; Lavin and Gray 2016), a fifth of the products, which takes a third of
    the time of the direct way. Rounding comes to 2e-5 of the largest value in place of 3e-7.
    """
    if _SPATIAL is not None and is_fast(x) and torch.backends.nnpack.is_available():
        # One picture at a time: NNPACK takes another way for several, which is not faster than the direct one.
        found = [_SPATIAL(picture.contiguous(), weight, None, [1, 1], [1, 1]) for picture in x.split(1)]
        return found[0] if len(found) == 1 else torch.cat(found)
    return F.conv2d(x, weight, padding=1)
