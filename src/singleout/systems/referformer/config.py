"""Sizes of ReferFormer (Wu et al. 2022, "Language as Queries") and its published variants."""

from __future__ import annotations

from dataclasses import dataclass, field

from singleout.nn.backbones.resnet import RESNETS, ResNetConfig
from singleout.nn.backbones.swin import SWINS, SwinConfig
from singleout.nn.text.roberta import RobertaSize


@dataclass(frozen=True)
class ReferFormerConfig:
    """Shape of the network; the defaults are what all published variants share."""

    backbone: ResNetConfig | SwinConfig  #: what turns frames into maps of four strides
    text: RobertaSize = field(default_factory=RobertaSize)  #: what turns sentences into vectors
    num_classes: int = 1  #: rows of the class heads; one says only whether a query is the object
    num_queries: int = 5  #: candidates in each frame
    width: int = 256  #: channels of everything after the backbone
    num_heads: int = 8  #: of every attention
    encoder_layers: int = 4  #: layers in which the maps of a frame see each other
    decoder_layers: int = 4  #: layers in which the queries look at them
    feedforward: int = 2048  #: width of the feed-forward parts
    num_points: int = 4  #: places that a head looks at on each level
    mask_width: int = 256  #: channels of the map that masks are read from
    mask_channels: int = 8  #: of the convolutions that a query makes up
    dropout: float = 0.1  #: in training


BACKBONES: dict[str, ResNetConfig | SwinConfig] = {
    "resnet-50": RESNETS["resnet50"],
    "resnet-101": RESNETS["resnet101"],
    "swin-t": SWINS["swin_t"],
    "swin-s": SWINS["swin_s"],
    "swin-b": SWINS["swin_b"],
    "swin-l": SWINS["swin_l"],
    "video-swin-t": SWINS["video_swin_t"],
    "video-swin-s": SWINS["video_swin_s"],
    "video-swin-b": SWINS["video_swin_b"],
}

#: Every backbone that the official code builds; weights were published for all but swin-s and swin-b.
VARIANTS = {name: ReferFormerConfig(backbone) for name, backbone in BACKBONES.items()}
