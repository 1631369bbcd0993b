"""Queries that agree over time: one set for a whole video from those of its frames.

VITA (Heo et al. 2022) as MUTR (Yan et al. 2024) and SOC (Luo et al. 2023) have it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.attention import Attention
from singleout.nn.mlp import feedforward

_HIDDEN = -1000.0  # what is added where a token must not look; a token that may look nowhere sees its whole window


class EncoderLayer(nn.Module):
    """Self attention of the queries of some frames, and a feed-forward part, each normed after it is added."""

    def __init__(self, width: int, *, hidden: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, num_heads, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x: (batch, tokens, width). mask: (batch, tokens, tokens), added; None where all see each other."""
        x = self.norm1(x + self.dropout(self.self_attn(x, x, x, mask=mask)))
        return feedforward(x, self.linear1, self.linear2, self.norm2, self.dropout)


class DecoderLayer(nn.Module):
    """Queries of the video look at the queries of all frames, then at each other."""

    def __init__(self, width: int, *, hidden: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.cross_attn = Attention(width, num_heads, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.self_attn = Attention(width, num_heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, positions: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """x: (batch, num_queries, width). positions: (num_queries, width). keys, values: (batch, tokens, width)."""
        x = self.norm1(x + self.dropout(self.cross_attn(x + positions, keys, values)))
        x = self.norm2(x + self.dropout(self.self_attn(x + positions, x + positions, x)))
        return feedforward(x, self.linear1, self.linear2, self.norm3, self.dropout)


class Interaction(nn.Module):
    """One set of queries for a video from those of its frames.

    MUTR calls it "high-level temporal interaction" (MTI), SOC "video-level object cluster" (VOC). window: frames whose
    queries see each other, None for all frames. own_start: whether the video's queries start as learned vectors; else
    they start as what they are given.
    """

    def __init__(
        self,
        width: int,
        *,
        num_frame_queries: int,
        num_queries: int,
        window: int | None,
        num_layers: int,
        hidden: int,
        num_heads: int,
        dropout: float,
        own_start: bool = True,
    ) -> None:
        super().__init__()
        self.window = window
        self.encoder = nn.ModuleList(
            EncoderLayer(width, hidden=hidden, num_heads=num_heads, dropout=dropout) for _ in range(num_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(width, hidden=hidden, num_heads=num_heads, dropout=dropout) for _ in range(num_layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.frame_query_positions = nn.Embedding(num_frame_queries, width)
        self.query_positions = nn.Embedding(num_queries, width)
        self.queries = nn.Embedding(num_queries, width) if own_start else None
        for layer in (*self.encoder, *self.decoder):
            for parameter in layer.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)

    def forward(self, states: Tensor, *, start: Tensor | None = None, shifted: bool = False) -> Tensor:
        """Queries of each video, (num_videos, num_queries, width).

        states: (num_videos, time, num_frame_queries, width). start: (num_videos, width), where queries have no start of
        their own. shifted: whether every other layer of the encoder looks across the borders of windows. MUTR's
        published code does so in evaluation only, and its weights never learned it; it is kept, because the published
        scores were made with it.
        """
        memory = self._encode(states, self.window, shifted=shifted)
        keys, values = (memory + self.frame_query_positions.weight).flatten(1, 2), memory.flatten(1, 2)
        if self.queries is not None:
            found = self.queries.weight.expand(len(states), -1, -1)
        else:
            assert start is not None
            found = start[:, None].expand(-1, self.query_positions.num_embeddings, -1)
        for layer in self.decoder:
            found = layer(found, self.query_positions.weight, keys, values)
        out: Tensor = self.decoder_norm(found)
        return out

    def _encode(self, states: Tensor, window: int | None, *, shifted: bool) -> Tensor:
        videos, time, queries, _ = states.shape
        if window is None:
            seen = states.flatten(1, 2)
            for layer in self.encoder:
                seen = layer(seen)
            return seen.view_as(states)
        tokens = F.pad(states, (0, 0, 0, 0, 0, -time % window))
        real = torch.arange(tokens.shape[1], device=states.device) < time
        for index, layer in enumerate(self.encoder):
            shift = window // 2 if shifted and index % 2 else 0
            mask = window_mask(real, window, shift).repeat_interleave(queries, 1).repeat_interleave(queries, 2)
            rolled = tokens.roll(shift, dims=1)
            windows = rolled.unflatten(1, (-1, window)).flatten(2, 3).flatten(0, 1)
            seen = layer(windows, mask.repeat(videos, 1, 1))
            tokens = seen.view_as(rolled).roll(-shift, dims=1)
        return tokens[:, :time]


def mixed_up(states: Tensor) -> Tensor:
    """What the official code takes for the frames of each video in a batch: (time, video) is read as (video, time).

    states: (num_videos, time, ...), more than one video. Published weights were trained so where a GPU had several.
    """
    return states.transpose(0, 1).reshape(states.shape)


def window_mask(real: Tensor, window: int, shift: int) -> Tensor:
    """What frames of a window hide from each other, (num_windows, window, window) float, to be added.

    real: (time,) bool, False for frames that only fill up the last window; nobody looks at them. shift: by how many
    frames time was rolled; then the first window holds the end and the beginning, which do not see each other.
    """
    there = real.roll(shift).view(-1, window)
    hidden = ~there[:, None].expand(-1, window, -1)
    if shift:
        wrapped = torch.arange(window, device=real.device) < shift
        hidden = hidden.clone()
        hidden[0] |= wrapped[:, None] != wrapped
    return hidden * _HIDDEN
