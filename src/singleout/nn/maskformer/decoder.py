"""MaskFormer's transformer (Cheng et al. 2021): queries look at each other and at a picture, as in DETR."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from singleout.nn.attention import Attention
from singleout.nn.mlp import feedforward
from singleout.nn.positions import sine_grid


class DecoderLayer(nn.Module):
    """Queries among themselves, then at the picture, then each alone; a norm behind each step."""

    def __init__(self, width: int, *, hidden: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, num_heads, dropout)
        self.self_norm = nn.LayerNorm(width)
        self.cross_attn = Attention(width, num_heads, dropout)
        self.cross_norm = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, queries: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """queries: (batch, num_queries, width). positions: of queries. keys, values: (batch, tokens, width)."""
        placed = queries + positions
        queries = self.self_norm(queries + self.dropout(self.self_attn(placed, placed, queries)))
        seen = self.cross_attn(queries + positions, keys, values)
        queries = self.cross_norm(queries + self.dropout(seen))
        return feedforward(queries, self.linear1, self.linear2, self.norm, self.dropout)


class QueryDecoder(nn.Module):
    """Queries that find what is in a picture; a picture is a map of some backbone, in_width channels deep."""

    def __init__(
        self,
        in_width: int,
        width: int = 256,
        *,
        num_queries: int = 100,
        num_layers: int = 6,
        hidden: int = 2048,
        num_heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width = width
        self.projection = nn.Conv2d(in_width, width, 1)
        self.query_positions = nn.Parameter(torch.randn(num_queries, width))
        self.layers = nn.ModuleList(
            DecoderLayer(width, hidden=hidden, num_heads=num_heads, dropout=dropout) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """The queries behind each layer, normed by the last norm: (batch, num_queries, width) each.

        picture: (batch, in_width, h, w).
        """
        size = (picture.shape[2], picture.shape[3])
        values = self.projection(picture).flatten(2).transpose(1, 2)
        keys = values + sine_grid(size, self.width, picture.device).flatten(0, 1)
        positions = self.query_positions.expand(len(picture), -1, -1)
        queries, found = torch.zeros_like(positions), []
        for layer in self.layers:
            queries = layer(queries, positions, keys, values)
            found.append(queries)
        return [self.norm(one) for one in found]
