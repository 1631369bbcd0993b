"""Convolutions that are fast on CPUs where no gradient is asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.linear import is_fast

# NNPACK's, which torch itself takes for large batches only.
_SPATIAL: Any = getattr(torch, "_nnpack_spatial_convolution", None)
# oneDNN's with what follows it, which torch's compiler uses as well.
_POINTWISE: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
_LAY_OUT: Any = getattr(torch.ops.mkldnn, "_reorder_convolution_weight", None)


class FoldedConv:
    """A convolution with other weights than its own, such as those that take in a norm behind it.

    Where it is kept for many calls, and pictures are in the order of channels last on a CPU, a sum and a ReLU behind it
    take no time of their own; the numbers are the same.
    """

    def __init__(self, weight: Tensor, bias: Tensor, conv: nn.Conv2d, *, kept: bool = False) -> None:
        self.bias, self.kept = bias, kept
        self._laid_for: tuple[int, ...] = ()
        self._weight = weight
        self._steps: tuple[Any, ...] = (conv.stride, conv.padding, conv.dilation, conv.groups)

    def __call__(self, x: Tensor, *, relu: bool = False, add: Tensor | None = None) -> Tensor:
        """x: (batch, in, height, width). add: of the result's shape. relu: what is negative then becomes zero."""
        if self.kept and _joins(x):
            return self._joined(x, relu=relu, add=add)
        out = F.conv2d(x, self._dense(), self.bias, *self._steps)
        out = out if add is None else out.add_(add)
        return out.relu_() if relu else out

    def _dense(self) -> Tensor:
        return self._weight.to_dense() if self._weight.is_mkldnn else self._weight

    def _joined(self, x: Tensor, *, relu: bool, add: Tensor | None) -> Tensor:
        stride, padding, dilation, groups = self._steps
        weight, shape = self._weight, tuple(x.shape)
        if shape != self._laid_for:
            # Which layout is best depends on the size: of one for another size each call is many times slower.
            dense = self._dense().contiguous(memory_format=torch.channels_last)
            weight = _LAY_OUT(dense, padding, stride, dilation, groups, shape)
            self._weight, self._laid_for = weight, shape
        steps = (padding, stride, dilation, groups)
        out: Tensor
        if add is None:
            out = _POINTWISE(x, weight, self.bias, *steps, "relu" if relu else "none", [], None)
        else:
            after = "relu" if relu else None
            out = _POINTWISE.binary(x, add, weight, self.bias, *steps, "add", 1.0, after, [], None)
        return out


def _joins(x: Tensor) -> bool:
    return (
        _POINTWISE is not None
        and _LAY_OUT is not None
        and is_fast(x)
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
    )


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
