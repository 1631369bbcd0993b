"""Names and sentences as prompts: their vectors look at the frame before they become queries (Li et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from singleout.nn.attention import Attention
from singleout.systems.univs.values import FrameFeatures


class WordEncoder(nn.Module):
    """Text embeddings as vectors of the network's width, which have seen a frame."""

    def __init__(self, text_width: int, width: int, num_heads: int) -> None:
        super().__init__()
        self.text_norm = nn.LayerNorm(text_width)
        self.projection = nn.Linear(text_width, width)
        self.multihead_attn = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Sequence[FrameFeatures], text: Tensor, *, look: bool = True) -> Tensor:
        """text: (num_tokens, text width), to (num_tokens, time, width).

        look: whether tokens look at every pixel of the frame, as all published weights do.
        """
        tokens: Tensor = self.projection(self.text_norm(text))
        if not look:
            return tokens[:, None].expand(-1, len(features), -1)
        return torch.stack([self._look(tokens, frame) for frame in features], dim=1)

    def _look(self, tokens: Tensor, frame: FrameFeatures) -> Tensor:
        pixels = torch.cat([level.flatten(0, 1) for level in frame.levels])[None]
        seen: Tensor = self.norm(tokens + self.multihead_attn(tokens[None], pixels, pixels)[0])
        return seen
