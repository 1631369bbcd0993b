"""A layer of Mask2Former's decoder (Cheng et al. 2022): queries look at what their own mask covers, then at each other.

Its three steps are called one by one, so that networks for clips can say who sees whom, and can keep what of a picture
does not depend on queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from singleout.nn.attention import Attention
from singleout.nn.mlp import feedforward

Keys = tuple[Tensor, Tensor]
"""Keys and values of a picture, as a layer has projected them: (heads, tokens, depth) each."""


@dataclass(frozen=True)
class Group:
    """Queries that look at queries, in all pictures of a clip. apart: each only at itself, sees then is not read."""

    queries: slice
    sees: slice
    apart: bool = False


class MaskedDecoderLayer(nn.Module):
    """See the module. Without dropout, as it was published."""

    def __init__(self, width: int, *, hidden: int, num_heads: int = 8) -> None:
        super().__init__()
        self.cross_attn = Attention(width, num_heads)
        self.cross_norm = nn.LayerNorm(width)
        self.self_attn = Attention(width, num_heads)
        self.self_norm = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Identity()
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def keys(self, tokens: Tensor, positions: Tensor) -> Keys:
        """What `look` needs of a picture; tokens, positions: (tokens, width)."""
        key, value = self.cross_attn.project_keys((tokens + positions)[None], tokens[None])
        return key[0], value[0]

    def look(self, queries: Tensor, positions: Tensor, keys: Sequence[Keys], masks: Iterable[Tensor]) -> Tensor:
        """Each query looks at its picture where its mask is.

        queries, positions: (num_pictures, num_queries, width). keys, masks: of each picture; masks: of `hide_outside`.
        """
        asked = self.cross_attn.project_query(queries + positions)
        seen = [
            self.cross_attn.attend(ask[None], key[None], value[None], mask=mask[None])
            for ask, (key, value), mask in zip(asked, keys, masks, strict=True)
        ]
        out: Tensor = self.cross_norm(queries + torch.cat(seen))
        return out

    def talk(self, queries: Tensor, positions: Tensor, groups: Sequence[Group]) -> Tensor:
        """Queries look at each other in all pictures; queries, positions: (num_pictures, num_queries, width).

        groups: who sees whom. They hold every query once.
        """
        with_positions = queries + positions
        ask = self.self_attn.project_query(with_positions)
        key, value = self.self_attn.project_keys(with_positions, queries)
        seen = [self._talk_in(group, ask, key, value) for group in groups]
        out: Tensor = self.self_norm(queries + (seen[0] if len(seen) == 1 else torch.cat(seen, dim=1)))
        return out

    def think(self, queries: Tensor) -> Tensor:
        """The feed-forward part; queries: (..., width)."""
        return feedforward(queries, self.linear1, self.linear2, self.norm, self.dropout)

    def _talk_in(self, group: Group, ask: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """ask, key, value: (num_pictures, heads, num_queries, depth), of all; gives (num_pictures, asking, width)."""
        ask = ask[:, :, group.queries]
        sees = group.queries if group.apart else group.sees
        parts = [ask, key[:, :, sees], value[:, :, sees]]
        count = len(ask)
        if group.apart:
            # One query in all pictures is a sequence of its own.
            seen = self.self_attn.attend(*(part.permute(2, 1, 0, 3) for part in parts))
            return seen.transpose(0, 1)
        parts = [part.transpose(0, 1).flatten(1, 2)[None] for part in parts]
        together: Tensor = self.self_attn.attend(*parts)[0].unflatten(0, (count, -1))
        return together


def hide_outside(logits: Tensor) -> Tensor:
    """What is added to scores of attention so that a query sees only its mask: 0 there, minus infinity elsewhere.

    logits: (..., tokens) of masks. A query whose mask is empty sees everything.
    """
    hidden = torch.where(logits < 0, logits.new_full((), -torch.inf), logits.new_zeros(()))
    hidden[logits.amax(dim=-1) < 0] = 0.0
    return hidden
