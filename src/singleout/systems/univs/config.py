"""Sizes of UniVS and its published variants (Li et al. 2024, "Unified Video Segmentation with Prompts as Queries")."""

from __future__ import annotations

from dataclasses import dataclass, replace

from singleout.nn.backbones.building import BackboneConfig
from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.backbones.swin import SWINS


@dataclass(frozen=True)
class UniVSConfig:
    """Shape of the network; the defaults are what all published variants share."""

    backbone: BackboneConfig  #: what turns frames into maps of four strides
    num_queries: int = 200  #: learnable ones, each of which may find an object by itself
    width: int = 256  #: channels of everything after the backbone
    num_heads: int = 8  #: of every attention
    encoder_layers: int = 6  #: layers in which the maps of a frame see each other
    encoder_hidden: int = 1024  #: width of their feed-forward parts
    num_points: int = 4  #: places that a head looks at on each level there
    decoder_layers: int = 9  #: layers in which queries look at frames and at each other
    decoder_hidden: int = 2048  #: width of their feed-forward parts
    text_width: int = 640  #: numbers of the embedding of a name, a sentence or a word


_SWIN_B = replace(SWINS["swin_b"], window=(1, 12, 12))
_SWIN_L = replace(SWINS["swin_l"], window=(1, 12, 12))

#: All published sizes. Stages 1 to 3 of training have the same tensors.
VARIANTS: dict[str, UniVSConfig] = {
    "r50": UniVSConfig(RESNETS["resnet50"]),
    "swin-t": UniVSConfig(SWINS["swin_t"]),
    "swin-b": UniVSConfig(_SWIN_B),
    "swin-l": UniVSConfig(_SWIN_L),
}
