"""Attention to a memory of many tokens, without ever holding all weights at once."""

from __future__ import annotations

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
    rows = max(64, _MOST // key.shape[2])
    if query.shape[2] <= rows:
        return F.scaled_dot_product_attention(query, key, value)
    out = query.new_empty(*query.shape[:3], value.shape[-1])
    for start in range(0, query.shape[2], rows):
        part = slice(start, start + rows)
        out[:, :, part] = F.scaled_dot_product_attention(query[:, :, part], key, value)
    return out
