"""Where pictures read words: cross attention of visual tokens to word features (ReferFormer, Wu et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.attention import Attention
from singleout.nn.mlp import feedforward


@dataclass(frozen=True)
class Words:
    """Word features of some sentences.

    features, positions: (num_sentences, length, width). padding: (num_sentences, length) bool, or None.
    """

    features: Tensor
    positions: Tensor
    padding: Tensor | None

    @property
    def keys(self) -> Tensor:
        """Features with their positions."""
        return self.features + self.positions


class WordFusion(nn.Module):
    """Visual tokens times, or plus, what they read of the words; no norm.

    add: sum instead of product (MUTR, Yan et al. 2024).
    """

    def __init__(self, width: int, num_heads: int = 8, *, add: bool = False) -> None:
        super().__init__()
        self.add = add
        self.multihead_attn = Attention(width, num_heads)

    def forward(self, tokens: Tensor, words: Words) -> Tensor:
        """tokens: (num_sentences or 1, tokens, width). Returns (num_sentences, tokens, width)."""
        read = self.multihead_attn(tokens, words.keys, words.features, words.padding)
        out: Tensor = tokens + read if self.add else tokens * read
        return out


class VisionLanguageBlock(nn.Module):
    """The frames see each other on a coarse grid, then every pixel reads the words; normed after each sum."""

    def __init__(self, width: int, hidden: int, num_heads: int, dropout: float, *, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.self_attn = Attention(width, num_heads, dropout)
        self.multihead_attn = Attention(width, num_heads, dropout)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, positions: Tensor, padding: Tensor | None, words: Words) -> Tensor:
        """tokens: (num_sentences or 1, time, height, width, channels); comes back for every sentence.

        positions: the same shape, or 1 in the first two places. padding: (…, time, height, width) bool, or None.
        """
        return self.read_words(self.see_frames(tokens, positions, padding), positions, words)

    def see_frames(self, tokens: Tensor, positions: Tensor, padding: Tensor | None) -> Tensor:
        """The first half, which knows no words: self attention on every `factor`-th pixel of all frames."""
        batch, time, height, width, channels = tokens.shape
        size = (max(height // self.factor, 1), max(width // self.factor, 1))
        value = _pick(tokens, size)
        query = value + _pick(positions, size)
        hidden = None if padding is None else _pick(padding[..., None].float(), size)[..., 0].bool()
        seen = self.self_attn(
            query.flatten(1, 3), query.flatten(1, 3), value.flatten(1, 3), None if hidden is None else hidden.flatten(1)
        )
        coarse = seen.view(batch * time, *size, channels).permute(0, 3, 1, 2)
        if size != (height, width):
            coarse = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
        out: Tensor = self.norm1(tokens + self.dropout(coarse.permute(0, 2, 3, 1).view_as(tokens)))
        return out

    def read_words(self, tokens: Tensor, positions: Tensor, words: Words) -> Tensor:
        """The second half, pixel by pixel: cross attention to the words and feed-forward."""
        keys, values = self.multihead_attn.project_keys(words.keys, words.features)
        # Frame by frame: a frame's tokens stay in the cache from one step to the next, and sentences share its query.
        out = []
        for here, places in zip(_frames(tokens), _frames(positions.expand(tokens.shape)), strict=True):
            query = self.multihead_attn.project_query(here + places)
            read = self.multihead_attn.attend(query, keys, values, words.padding)
            read = self.norm2(here + self.dropout(read))
            out.append(feedforward(read, self.linear1, self.linear2, self.norm3, self.dropout))
        result: Tensor = torch.stack(out, dim=1).unflatten(2, tokens.shape[2:4])
        return result


def _frames(x: Tensor) -> tuple[Tensor, ...]:
    """The frames of (batch, time, height, width, channels), each (batch, height * width, channels)."""
    return x.flatten(2, 3).unbind(1)


def _pick(x: Tensor, size: tuple[int, int]) -> Tensor:
    """x: (batch, time, height, width, channels), brought to (…, *size, channels) by nearest neighbours."""
    if x.shape[2:4] == torch.Size(size):
        return x
    picked = F.interpolate(x.flatten(0, 1).permute(0, 3, 1, 2), size, mode="nearest")
    found: Tensor = picked.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])
    return found
