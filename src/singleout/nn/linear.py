"""Linear layers on many rows, fast on CPUs where no gradient is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakTensorKeyDictionary

ROWS = 256  # that go through at a time: 256 of 2048 hidden values are 2 MiB, which a cache holds
_FEW = 64  # rows under which it does not matter
# From so many rows and weights on, matrices are laid out for each product: a twentieth of its time, and keeping them
# laid out would take the memory of CLIP's ViT-L/14 once more.
_MANY, _LARGE = 1024, 1 << 22
# oneDNN's product with a matrix that is laid out for it beforehand, which torch's compiler uses as well.
_PRODUCT: Any = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
_LAY_OUT: Any = getattr(torch.ops.mkldnn, "_reorder_linear_weight", None)


@dataclass(frozen=True)
class Linear:
    """A linear layer whose weights are laid out for products with many rows, on a CPU and without gradients.

    As measured on an AMD EPYC it takes a sixth less time than torch's own with a ReLU behind it.
    """

    laid: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None) -> Linear:
        """weight: (out, in). bias: (out,), of the same type; in bfloat16 what goes in and comes out is so too."""
        return cls(_LAY_OUT(weight.detach().contiguous(), ROWS) if usable() else weight.detach(), bias)

    def __call__(self, x: Tensor, *, relu: bool = False, silu: bool = False, add: Tensor | None = None) -> Tensor:
        """x: (..., in) to (..., out). relu, silu: what comes behind. add: (..., out), to be added instead."""
        rows = x.reshape(-1, x.shape[-1]).to(self.laid.dtype)
        if not usable():
            out = F.linear(rows, self.laid, self.bias)
            out = out if add is None else out.add_(add.reshape(out.shape))
            out = out.relu_() if relu else out
            out = F.silu(out, inplace=True) if silu else out
        elif add is not None and add.dtype != rows.dtype:
            out = _PRODUCT(rows, self.laid, self.bias, "none", [], "") + add.reshape(len(rows), -1)
        elif add is not None:
            out = _PRODUCT.binary(rows, add.reshape(len(rows), -1), self.laid, self.bias, "add")
        else:
            out = _PRODUCT(rows, self.laid, self.bias, "relu" if relu else "swish" if silu else "none", [], "")
        return out.view(*x.shape[:-1], -1)


def usable() -> bool:
    """Whether this torch has the product that is meant."""
    return _PRODUCT is not None and _LAY_OUT is not None and torch.backends.mkldnn.is_available()


def is_fast(x: Tensor, kind: torch.dtype = torch.float32) -> bool:
    """Whether the ways that are fast on a CPU may be taken: there, in single precision and without a gradient."""
    return not torch.is_grad_enabled() and x.device.type == "cpu" and x.dtype == kind


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False, add: Tensor | None = None
) -> Tensor:
    """torch's `linear`, x: (..., in) to (..., out), with a ReLU or a sum behind it; see `Linear`.

    weight: where it is a frozen parameter or a part of one, it is laid out once.
    """
    layer = laid_out(x, weight, bias)
    if layer is not None:
        return layer(x, relu=relu, add=add)
    if x.dtype == getattr(_here, "kind", torch.float32):
        x = x.to(weight.dtype)
    out = F.linear(x, weight, bias)
    out = out if add is None else out + add
    return F.relu(out) if relu else out


def laid_out(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, times: float = 1.0) -> Linear | None:
    """The layer for rows such as those of x, None where laying it out is not possible or does not pay.

    times: weights and bias are multiplied by it. Of frozen weights it is kept, but for large ones, see `_LARGE`. Within
    `products_in` it is one of bfloat16.
    """
    kind = getattr(_here, "kind", torch.float32)
    if not (is_fast(x) or is_fast(x, kind)) or not usable() or x.numel() < _FEW * x.shape[-1]:
        return None
    owner = weight if weight._base is None else weight._base
    # What is trained may change without leaving a trace, through ``data``; inference tensors count no changes.
    if not isinstance(owner, nn.Parameter) or owner.requires_grad or owner.is_inference():
        return None
    scaled = None if bias is None else _scaled(bias, times, kind)
    if x.numel() >= _MANY * x.shape[-1] and weight.numel() >= _LARGE:
        return Linear.of(_scaled(weight, times, kind), scaled)
    return Linear(_laid(owner, weight, times, kind), scaled)


@contextmanager
def products_in(kind: torch.dtype, device: torch.device) -> Iterator[None]:
    """Within it this thread multiplies in another type; sums around the products, norms and softmax keep their own.

    On a CPU that is for `linear` alone, elsewhere torch's automatic casts.
    """
    if device.type != "cpu":
        with torch.autocast(device.type, kind, enabled=kind != torch.float32):
            yield
        return
    before = getattr(_here, "kind", torch.float32)
    _here.kind = kind
    try:
        yield
    finally:
        _here.kind = before


_known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
_lock = threading.Lock()
_here = threading.local()


def _laid(owner: nn.Parameter, weight: Tensor, times: float, kind: torch.dtype) -> Tensor:
    key = (weight.storage_offset(), weight.shape, times, kind)
    # Weights that were loaded or moved since are laid out anew.
    state = (owner._version, owner.data_ptr())
    with _lock:
        parts = _known.setdefault(owner, {})
        if key not in parts or parts[key][0] != state:
            parts[key] = state, Linear.of(_scaled(weight, times, kind), None).laid
    laid: Tensor = parts[key][1]
    return laid


def _scaled(values: Tensor, times: float, kind: torch.dtype) -> Tensor:
    return (values if times == 1 else values.detach() * times).to(kind)
