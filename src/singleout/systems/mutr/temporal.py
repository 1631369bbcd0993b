"""What MUTR has of its own: words that gather what all frames show."""

from __future__ import annotations

from torch import Tensor, nn

from singleout.nn.attention import Attention
from singleout.nn.mlp import feedforward


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
