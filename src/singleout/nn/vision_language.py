"""Where pictures read words: cross attention of visual tokens to word features (ReferFormer, Wu et al. 2022)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.attention import Attention, FewKeys
from singleout.nn.linear import is_fast
from singleout.nn.mlp import by_rows, feedforward
from singleout.nn.threads import side_by_side

_ROWS = 1024  # that read the words at a time
_MANY = 24  # words from which on folding them costs more than it saves, for a width of 256


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

    def part(self, chosen: slice) -> Words:
        """Some of the sentences."""
        padding = None if self.padding is None else self.padding[chosen]
        return Words(self.features[chosen], self.positions[chosen], padding)

    def few(self, tokens: Tensor) -> bool:
        """Whether visual tokens should read them the short way; see `FewKeys`."""
        return is_fast(tokens) and self.features.shape[1] < _MANY

    def folded(self, attention: Attention) -> list[FewKeys]:
        """How each sentence is read by an attention."""
        hidden = [None] * len(self.features) if self.padding is None else list(self.padding)
        return [
            attention.few_keys(key, value, padding)
            for key, value, padding in zip(self.keys, self.features, hidden, strict=True)
        ]


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
        if words.few(tokens):
            sentences = words.folded(self.multihead_attn)
            pictures = tokens.expand(len(sentences), -1, -1)
            return torch.stack(
                [by_rows(self._reader(read), one, _ROWS) for read, one in zip(sentences, pictures, strict=True)]
            )
        read = self.multihead_attn(tokens, words.keys, words.features, words.padding)
        out: Tensor = tokens + read if self.add else tokens * read
        return out

    def _reader(self, read: FewKeys) -> Callable[[Tensor], Tensor]:
        return lambda rows: read(rows).add_(rows) if self.add else read(rows).mul_(rows)


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
        if not is_fast(tokens):
            return self._seen(tokens.flatten(0, 1), coarse).view_as(tokens)
        out = torch.empty_like(tokens)

        def see(frame: tuple[Tensor, Tensor, Tensor]) -> None:
            here, before, told = frame
            here.copy_(self._seen(before[None], told[None])[0])

        # Frame by frame, because memory that is new costs more than what is done in it.
        frames = list(zip(out.flatten(0, 1), tokens.flatten(0, 1), coarse, strict=True))
        deque(side_by_side(see, frames, tokens.device), maxlen=0)
        return out

    def _seen(self, tokens: Tensor, coarse: Tensor) -> Tensor:
        """tokens: (batch, height, width, channels). coarse: (batch, channels, h, w), what they saw."""
        height, width = tokens.shape[1:3]
        if coarse.shape[2:] != (height, width):
            coarse = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
        out: Tensor = self.norm1(tokens + self.dropout(coarse.permute(0, 2, 3, 1)))
        return out

    def read_words(self, tokens: Tensor, positions: Tensor, words: Words) -> Tensor:
        """The second half, pixel by pixel: cross attention to the words and feed-forward."""
        if words.few(tokens):
            return self._read_few(tokens, positions, words)
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

    def _read_few(self, tokens: Tensor, positions: Tensor, words: Words) -> Tensor:
        sentences = words.folded(self.multihead_attn)
        out = tokens.new_empty(len(sentences), *tokens.shape[1:])
        places = positions.expand(tokens.shape).expand(out.shape)
        for read, *parts in zip(sentences, out, tokens.expand(out.shape), places, strict=True):
            for result, here, place in zip(*(part.flatten(1, 2) for part in parts), strict=True):
                for start in range(0, len(here), _ROWS):
                    rows = here[start : start + _ROWS]
                    seen = self.norm2(read(rows + place[start : start + _ROWS]).add_(rows))
                    result[start : start + _ROWS] = feedforward(
                        seen, self.linear1, self.linear2, self.norm3, self.dropout
                    )
        return out


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
