"""The network of OV2Seg (Wang et al. 2023): a frame in, masks, object scores and directions in the space of words out.

It is an image model, Mask2Former whose queries are classified by the cosine to vectors of names; frames never see each
other in it. Which names there are it does not know: `values.name_logits` compares with a table afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from singleout.nn.backbones.building import build_backbone
from singleout.nn.mask2former.decoder import MaskedDecoder, resized, tokens_of
from singleout.nn.mask2former.layers import Group, hide_outside
from singleout.nn.mask2former.pixel_decoder import LEVELS, PixelDecoder
from singleout.nn.mlp import MLP
from singleout.nn.threads import side_by_side
from singleout.systems.ov2seg.config import OV2SegConfig
from singleout.systems.ov2seg.values import Head, Seen

STRIDE = 32  # height and width of frames are multiples of it


class OV2SegNetwork(nn.Module):
    """See the module."""

    def __init__(self, config: OV2SegConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone)
        self.pixel_decoder = PixelDecoder(
            self.backbone.channels,
            config.width,
            mask_width=config.width,
            num_layers=config.encoder_layers,
            hidden=config.encoder_hidden,
            num_heads=config.num_heads,
            num_points=config.num_points,
        )
        self.decoder = QueryDecoder(config)

    def forward(self, frames: Tensor, *, every_head: bool = False) -> list[Seen]:
        """What is seen in each frame; frames: (num_frames, 3, height, width), normalised, multiples of 32.

        every_head: what is read before and after each layer, for losses. Without gradients each frame goes through by
        itself, which keeps what is worked on in the cache, and frames side by side, which keeps all cores at work.
        """
        if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] % STRIDE or frames.shape[3] % STRIDE:
            raise ValueError(f"expected frames (n, 3, multiples of {STRIDE}), got {tuple(frames.shape)}")
        if torch.is_grad_enabled():
            return self._see(frames, every_head)
        parts = frames.split(1)
        return [
            seen for part in side_by_side(lambda one: self._see(one, every_head), parts, frames.device) for seen in part
        ]

    def _see(self, frames: Tensor, every_head: bool) -> list[Seen]:
        maps = self.pixel_decoder(self.backbone(frames[None]))
        return [
            self.decoder(levels, finest, every_head) for *levels, finest in zip(*maps.levels, maps.finest, strict=True)
        ]


class QueryDecoder(MaskedDecoder):
    """Learnable queries look at one frame and at each other; see `OV2SegNetwork`."""

    def __init__(self, config: OV2SegConfig) -> None:
        width = config.width
        super().__init__(
            width,
            num_queries=config.num_queries,
            num_layers=config.decoder_layers,
            hidden=config.decoder_hidden,
            num_heads=config.num_heads,
        )
        self.object_head = MLP(width, width, 2, 2)
        self.name_head = MLP(width, width, config.text_width, 2)

    def forward(self, levels: Sequence[Tensor], finest: Tensor, every_head: bool = False) -> Seen:
        """levels: at strides 32, 16 and 8, (h, w, width) each. finest: (h, w, width), at stride 4."""
        keys = tokens_of([level + mark for level, mark in zip(levels, self.level_embedding, strict=True)])
        coarser = resized(finest, levels)
        queries, positions = self.query_features[None], self.query_positions[None]
        everyone = [Group(slice(None), slice(None))]
        earlier = []
        for index, layer in enumerate(self.masked_layers()):
            if every_head:
                earlier.append(self._read(queries[0]))
            with torch.no_grad():
                embeds = earlier[-1].mask_embeds if every_head else self.mask_head(self.norm(queries[0]))
                hidden = hide_outside(embeds @ coarser[index % LEVELS].t())
            queries = layer.look(queries, positions, [layer.keys(*keys[index % LEVELS])], [hidden])
            queries = layer.think(layer.talk(queries, positions, everyone))
        last = self._read(queries[0])
        return Seen(last.embeds, last.objects, last.spoken, last.mask_embeds, finest, tuple(earlier))

    def _read(self, queries: Tensor) -> Head:
        embeds = self.norm(queries)
        return Head(embeds, self.object_head(embeds), self.name_head(embeds), self.mask_head(embeds))
