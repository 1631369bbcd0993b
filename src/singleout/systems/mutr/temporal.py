"""What MUTR adds to ReferFormer: words that gather what all frames show, and queries that agree over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.attention import Attention
from singleout.nn.mlp import feedforward

_HIDDEN = -1000.0  # what is added where a token must not look; a token that may look nowhere sees its whole window


class Aggregation(nn.Module):
    """Words look at the pixels of all frames of one level ("low-level temporal aggregation", MTA)."""

    def __init__(self, width: int, *, hidden: int, num_heads: int) -> None:
        super().__init__()
        self.multihead_attn = Attention(width, num_heads)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, words: Tensor, positions: Tensor, pixels: Tensor, padding: Tensor | None) -> Tensor:
        """words, positions: (num_sentences, length, width). pixels: (num_sentences or 1, tokens, width).

        padding: (num_sentences or 1, tokens) bool, or None. Words that only fill up a sentence are not hidden: nobody
        looks at them. Comes back in the shape of words.
        """
        words = self.norm1(words + self.multihead_attn(words + positions, pixels, pixels, padding))
        return feedforward(words, self.linear1, self.linear2, self.norm2, nn.Identity())


class EncoderLayer(nn.Module):
    """Self attention of the queries of a few frames, and a feed-forward part, each normed after it is added."""

    def __init__(self, width: int, *, hidden: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, num_heads, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: (batch, tokens, width). mask: (batch, tokens, tokens), added."""
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
    """One set of queries for a video from those of its frames ("high-level temporal interaction", MTI)."""

    def __init__(
        self,
        width: int,
        *,
        num_frame_queries: int,
        num_queries: int,
        window: int,
        num_layers: int,
        hidden: int,
        num_heads: int,
        dropout: float,
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
        self.queries = nn.Embedding(num_queries, width)
        for layer in (*self.encoder, *self.decoder):
            for parameter in layer.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)

    def forward(self, states: Tensor, *, shifted: bool) -> Tensor:
        """Queries of each video, (num_videos, num_queries, width).

        states: (num_videos, time, num_frame_queries, width). shifted: whether every other layer of the encoder looks
        across the borders of windows. The published code does so in evaluation only, and its weights never learned it;
        it is kept, because the published scores were made with it.
        """
        videos, time, queries, _ = states.shape
        tokens = F.pad(states, (0, 0, 0, 0, 0, -time % self.window))
        real = torch.arange(tokens.shape[1], device=states.device) < time
        for index, layer in enumerate(self.encoder):
            shift = self.window // 2 if shifted and index % 2 else 0
            mask = window_mask(real, self.window, shift).repeat_interleave(queries, 1).repeat_interleave(queries, 2)
            rolled = tokens.roll(shift, dims=1)
            windows = rolled.unflatten(1, (-1, self.window)).flatten(2, 3).flatten(0, 1)
            seen = layer(windows, mask.repeat(videos, 1, 1))
            tokens = seen.view_as(rolled).roll(-shift, dims=1)
        memory = tokens[:, :time]
        keys, values = (memory + self.frame_query_positions.weight).flatten(1, 2), memory.flatten(1, 2)
        found = self.queries.weight.expand(videos, -1, -1)
        for layer in self.decoder:
            found = layer(found, self.query_positions.weight, keys, values)
        out: Tensor = self.decoder_norm(found)
        return out


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
