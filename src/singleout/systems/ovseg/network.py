"""The network of OVSeg (Liang et al. 2023): a picture in, proposals with places in CLIP's space out; CLIP beside it.

MaskFormer proposes masks (Cheng et al. 2021); what they cover goes through a CLIP that was adapted to masked pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.building import build_backbone
from singleout.nn.clip_towers import Clip
from singleout.nn.maskformer.decoder import QueryDecoder
from singleout.nn.maskformer.pixel_decoder import PyramidDecoder
from singleout.nn.mlp import MLP
from singleout.systems.ovseg.config import OVSegConfig
from singleout.systems.ovseg.values import Proposals

STRIDE = 32  # height and width of pictures are multiples of it
# By which cosines are multiplied, in both branches; the scale that CLIP was trained with is never read.
TEMPERATURE = 100.0


class OVSegNetwork(nn.Module):
    """See the module."""

    def __init__(self, config: OVSegConfig) -> None:
        super().__init__()
        self.config = config
        space = config.clip.images.out_width
        self.backbone = build_backbone(config.backbone)
        self.pixel_decoder = PyramidDecoder(self.backbone.channels, config.width, mask_width=config.width)
        self.decoder = QueryDecoder(
            self.backbone.channels[-1],
            config.width,
            num_queries=config.num_queries,
            num_layers=config.decoder_layers,
            hidden=config.decoder_hidden,
            num_heads=config.num_heads,
            dropout=config.dropout,
        )
        self.mask_head = MLP(config.width, config.width, config.width, 3)
        self.class_head = MLP(config.width, config.class_hidden, space, 2)
        self.clip = Clip(config.clip)
        self.no_object = nn.Parameter(0.02 * torch.randn(1, space))

    def forward(self, pictures: Tensor, *, every_layer: bool = False) -> list[Proposals]:
        """Proposals behind the last layer, and before it those behind each other one where every_layer says so.

        pictures: (batch, 3, height, width), normalised, multiples of 32.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3 or pictures.shape[2] % STRIDE or pictures.shape[3] % STRIDE:
            raise ValueError(f"expected pictures (n, 3, multiples of {STRIDE}), got {tuple(pictures.shape)}")
        maps = self.backbone(pictures[None])
        finest = self.pixel_decoder(maps)
        layers = self.decoder(maps[-1])
        return [self._read(queries, finest) for queries in (layers if every_layer else layers[-1:])]

    def rows(self, names: Tensor) -> Tensor:
        """Vectors of names, (num_names, space) of length 1, and behind them that of no object."""
        return torch.cat([names, F.normalize(self.no_object, dim=-1)])

    def _read(self, queries: Tensor, finest: Tensor) -> Proposals:
        masks = torch.einsum("bqc,bchw->bqhw", self.mask_head(queries), finest)
        return Proposals(masks, self.class_head(queries))


def cosines(vectors: Tensor, rows: Tensor) -> Tensor:
    """`TEMPERATURE` times the cosine of vectors (..., space) with rows of length 1: (..., num_rows)."""
    return TEMPERATURE * F.normalize(vectors, dim=-1) @ rows.t()
