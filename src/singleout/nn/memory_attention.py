"""Attention to a memory of many tokens, without ever holding all weights at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_MOST = 2**22  # weights that may be held at once where the kernel makes them all, 16 MiB


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention (Vaswani et al. 2017), scaled by the root of the depth.

    query: (batch, heads, num_queries, depth). key: (batch, heads, num_keys, depth). value: (…, num_keys, value_depth).
    Returns (batch, heads, num_queries, value_depth).
    """
    if value.shape[-1] == query.shape[-1]:
        # Torch has a kernel that goes block by block.
        return F.scaled_dot_product_attention(query, key, value)
    # The kernel for unequal depths would make all weights at once, and look for rows without any.
    rows = max(64, _MOST // key.shape[2])
    scaled, turned = query * query.shape[-1] ** -0.5, key.transpose(-1, -2)
    parts = [_weights(part, turned) @ value for part in scaled.split(rows, dim=2)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def _weights(query: Tensor, key: Tensor) -> Tensor:
    scores = query @ key
    return scores.float().softmax(-1).to(scores.dtype)
