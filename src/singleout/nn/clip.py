"""The block that CLIP's text and image towers are made of (Radford et al. 2021)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from singleout.nn.attention import Attention
from singleout.nn.linear import laid_out, linear
from singleout.nn.mlp import by_rows

_STEEPNESS = 1.702
_ROWS = 512  # that go through the feed-forward part at a time; fewer are slower in its products
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
        return self._feed(x)

    def first_of(self, x: Tensor) -> Tensor:
        """The first token behind this block alone, (batch, width); x: as in `forward`."""
        normed = self.norm1(x)
        return self._feed(x[:, 0] + self.attention.single_query(normed[:, 0], normed))

    def some_of(self, x: Tensor, places: Tensor, rest: Tensor, batch: int) -> Tensor:
        """Tokens at some places behind this block, without those at the others, of which is known what they are.

        x: (num_tokens, width) to the same. places: (num_tokens,), see `Attention.some_queries`. rest: (num_places,
        width), the tokens that stand at the other places.
        """
        normed = self.norm1(rest)
        known = self.attention.project_keys(normed[None], normed[None])
        keys, values = (part.transpose(1, 2).flatten(2)[0] for part in known)
        return self._feed(x + self.attention.some_queries(self.norm1(x), places, (keys, values), batch))

    def keys(self, x: Tensor) -> KeysValues:
        """Keys and values of tokens, (batch, num_tokens, width), for those behind them."""
        normed = self.norm1(x)
        return self.attention.project_keys(normed, normed)

    def _feed(self, x: Tensor) -> Tensor:
        """The feed-forward part of x, (..., width), and the way around it."""
        # x * sigmoid(1.702 x) is the SiLU of 1.702 x, which may be joined to a product, through 1.702.
        first = laid_out(x, self.first.weight, self.first.bias, times=_STEEPNESS)
        second = laid_out(x, self.second.weight, times=1 / _STEEPNESS)
        if first is None or second is None:
            hidden = quick_gelu(linear(self.norm2(x), self.first.weight, self.first.bias))
            return linear(hidden, self.second.weight, self.second.bias, add=x)
        second = replace(second, bias=self.second.bias)
        return by_rows(lambda rows: second(first(self.norm2(rows), silu=True), add=rows), x, _ROWS)


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), as OpenAI's CLIP was trained with."""
    return x * torch.sigmoid(_STEEPNESS * x)
