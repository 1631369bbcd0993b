"""The block that CLIP's text and image towers are made of (Radford et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from singleout.nn.attention import Attention
from singleout.nn.linear import linear

KeysValues = tuple[Tensor, Tensor]


class ClipBlock(nn.Module):
    """Self-attention and a feed-forward part, each behind its norm and beside a way around it."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.first = nn.Linear(width, 4 * width)
        self.second = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None, before: KeysValues | None = None) -> Tensor:
        """x: (batch, num_tokens, width) to the same.

        mask: (batch or 1, num_tokens, num_keys) float, added before the softmax. before: what `keys` gives of tokens
        that stand before these in every text, of one batch or of 1; x attends to them first.
        """
        normed = self.norm1(x)
        keys, values = self.attention.project_keys(normed, normed)
        if before is not None:
            keys, values = (
                torch.cat([old.expand(len(x), -1, -1, -1), new], dim=2)
                for old, new in zip(before, (keys, values), strict=True)
            )
        x = x + self.attention.attend(self.attention.project_query(normed), keys, values, mask=mask)
        hidden = quick_gelu(linear(self.norm2(x), self.first.weight, self.first.bias))
        return linear(hidden, self.second.weight, self.second.bias, add=x)

    def keys(self, x: Tensor) -> KeysValues:
        """Keys and values of tokens, (batch, num_tokens, width), for those behind them."""
        normed = self.norm1(x)
        return self.attention.project_keys(normed, normed)


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), as OpenAI's CLIP was trained with."""
    return x * torch.sigmoid(1.702 * x)
