"""What the decoders of Mask2Former's children share: learnable queries that look where their own masks are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.mask2former.layers import MaskedDecoderLayer
from singleout.nn.mask2former.pixel_decoder import LEVELS
from singleout.nn.mlp import MLP
from singleout.nn.positions import sine_grid


class MaskedDecoder(nn.Module):
    """The parameters that all of them have; what they find is read off differently, see the systems."""

    def __init__(self, width: int, *, num_queries: int, num_layers: int, hidden: int, num_heads: int) -> None:
        super().__init__()
        self.level_embedding = nn.Parameter(torch.randn(LEVELS, width))
        self.query_features = nn.Parameter(torch.randn(num_queries, width))
        self.query_positions = nn.Parameter(torch.randn(num_queries, width))
        self.layers = nn.ModuleList(
            MaskedDecoderLayer(width, hidden=hidden, num_heads=num_heads) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.mask_head = MLP(width, width, width, 3)

    def masked_layers(self) -> list[MaskedDecoderLayer]:
        """The layers, from the first to the last; layer i looks at level i % `LEVELS`."""
        return [layer for layer in self.layers if isinstance(layer, MaskedDecoderLayer)]


def tokens_of(levels: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """What layers make keys of: what is seen of each level and where that is, (tokens, width) each.

    levels: (h, w, width) each, with their embedding.
    """
    return [
        (level.flatten(0, 1), sine_grid((level.shape[0], level.shape[1]), level.shape[2], level.device).flatten(0, 1))
        for level in levels
    ]


def resized(finest: Tensor, levels: Sequence[Tensor]) -> list[Tensor]:
    """The map that masks are read from at the size of each level, (tokens, width).

    Masks are resized to a level bilinearly; resizing what they are read from gives the same, as both steps are linear,
    and is done once for all queries. Where queries look is not learned by this way, so that it has no gradient.
    finest: (h, w, width). levels: (h, w, width) each.
    """
    maps = finest.detach().permute(2, 0, 1)[None]
    sizes = [level.shape[:2] for level in levels]
    return [F.interpolate(maps, size, mode="bilinear", align_corners=False)[0].flatten(1).t() for size in sizes]
