"""Multi-head attention whose parts can be run apart; parameter names are those of torch's `MultiheadAttention`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.linear import linear


@dataclass(frozen=True)
class FewKeys:
    """Attention to a few keys as two products: keys and values are multiplied into the projections around them.

    For eight words and a width of 256 that is a quarter of the work. scores: (heads * keys, width) and (heads * keys,).
    out: (width, heads * keys) and (width,).
    """

    num_heads: int
    scores: tuple[Tensor, Tensor]
    out: tuple[Tensor, Tensor]

    def __call__(self, query: Tensor) -> Tensor:
        """query: (num_queries, width) to the same."""
        # Keys first: a softmax over the few numbers of a row is slow, over columns it is not.
        scores = torch.addmm(self.scores[1][:, None], self.scores[0], query.t())
        shares = scores.unflatten(0, (self.num_heads, -1)).softmax(1)
        return torch.addmm(self.out[1], shares.flatten(0, 1).t(), self.out[0].t())


class Attention(nn.Module):
    """Attention of queries to keys (Vaswani et al. 2017), batch first.

    torch's own module projects queries anew for each call; here `project_query` and `project_keys` may be kept, which
    is what makes many sentences on one video cheap.
    """

    def __init__(self, width: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """query: (batch, num_queries, width). key, value: (batch, num_keys, width); see `attend` for the others."""
        return self.attend(self.project_query(query), *self.project_keys(key, value), padding, mask)

    def project_query(self, query: Tensor) -> Tensor:
        """query: (batch, num_queries, width) to (batch, heads, num_queries, width / heads)."""
        return self._heads(self._project(query, 0))

    def project_keys(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """key, value: (batch, num_keys, width), each to (batch, heads, num_keys, width / heads)."""
        return self._heads(self._project(key, 1)), self._heads(self._project(value, 2))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """What was projected before.

        padding: (batch, num_keys) bool, True hides a key. mask: instead of it, (batch or 1, num_queries, num_keys)
        float, added before the softmax.
        """
        visible = None if padding is None else ~padding[:, None, None]
        if mask is not None:
            visible = mask[:, None]
        dropout = self.dropout if self.training else 0.0
        batch = max(query.shape[0], key.shape[0])
        query, key, value = (part.expand(batch, -1, -1, -1) for part in (query, key, value))
        out = F.scaled_dot_product_attention(query, key, value, visible, dropout)
        return linear(out.transpose(1, 2).flatten(2), self.out_proj.weight, self.out_proj.bias)

    def single_query(self, query: Tensor, x: Tensor) -> Tensor:
        """Attention of one query each, whose keys are not projected: the query is, back to where they come from.

        query: (batch, width) to the same. x: (batch, num_keys, width), what keys and values would be made of.
        """
        ask, keys, values = (part.unflatten(0, (self.num_heads, -1)) for part in self.in_proj_weight.chunk(3))
        ask_bias, _, value_bias = self.in_proj_bias.chunk(3)
        asked = F.linear(query, ask.flatten(0, 1), ask_bias).unflatten(-1, (self.num_heads, -1))
        # What the keys' bias adds is the same for all keys, which a softmax does not see.
        towards = torch.einsum("bhd,hdw->bhw", asked * asked.shape[-1] ** -0.5, keys)
        shares = (towards @ x.transpose(1, 2)).softmax(-1)
        told = torch.einsum("bhw,hdw->bhd", shares @ x, values).flatten(1) + value_bias
        return F.linear(told, self.out_proj.weight, self.out_proj.bias)

    def some_queries(self, x: Tensor, places: Tensor, rest: tuple[Tensor, Tensor], batch: int) -> Tensor:
        """Self attention of tokens at some places of a batch, where it is known what stands at all others.

        x: (num_tokens, width) to the same. places: (num_tokens,) int64, where each stands among all places of the
        batch, one element after the other. rest: keys and values that stand elsewhere, (num_places, width) each.
        """
        asked = self._project(x, 0)
        query = asked.new_zeros(batch * len(rest[0]), x.shape[-1]).index_copy_(0, places, asked)
        key, value = (
            known.repeat(batch, 1).to(asked.dtype).index_copy_(0, places, self._project(x, part))
            for part, known in enumerate(rest, 1)
        )
        query, key, value = (self._heads(part.unflatten(0, (batch, -1))) for part in (query, key, value))
        out = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2).flatten(0, 1)
        return linear(out[places], self.out_proj.weight, self.out_proj.bias)

    def few_keys(self, key: Tensor, value: Tensor, padding: Tensor | None = None) -> FewKeys:
        """Attention to these keys for any queries, without a gradient; key, value: (num_keys, width)."""
        ask, _, _ = self.in_proj_weight.chunk(3)
        ask = ask.unflatten(0, (self.num_heads, -1))
        ask_bias = self.in_proj_bias.chunk(3)[0].unflatten(0, (self.num_heads, -1))
        (keys,), (values,) = self.project_keys(key[None], value[None])
        keys = keys * keys.shape[-1] ** -0.5
        bias = torch.einsum("hld,hd->hl", keys, ask_bias)
        if padding is not None:
            bias = bias.masked_fill(padding, -torch.inf)
        told = torch.einsum("whd,hld->whl", self.out_proj.weight.unflatten(1, (self.num_heads, -1)), values)
        scores = torch.einsum("hld,hdw->hlw", keys, ask).flatten(0, 1)
        return FewKeys(self.num_heads, (scores, bias.flatten()), (told.flatten(1), self.out_proj.bias))

    def _project(self, x: Tensor, part: int) -> Tensor:
        width = x.shape[-1]
        rows = slice(part * width, (part + 1) * width)
        return linear(x, self.in_proj_weight[rows], self.in_proj_bias[rows])

    def _heads(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        return heads
