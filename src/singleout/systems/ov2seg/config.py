"""Sizes of OV2Seg (Wang et al. 2023, "Towards Open-Vocabulary Video Instance Segmentation") and its two variants."""

from __future__ import annotations

from dataclasses import dataclass

from singleout.nn.backbones.building import BackboneConfig
from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.backbones.swin import SWINS


@dataclass(frozen=True)
class OV2SegConfig:
    """Shape of the network; the defaults are what all published variants share."""

    backbone: BackboneConfig  #: what turns a frame into maps of four strides
    num_queries: int = 100  #: objects that a frame may show
    width: int = 256  #: channels of everything after the backbone
    num_heads: int = 8  #: of every attention
    encoder_layers: int = 6  #: layers in which the maps of a frame see each other
    encoder_hidden: int = 1024  #: width of their feed-forward parts
    num_points: int = 4  #: places that a head looks at on each level there
    decoder_layers: int = 6  #: layers in which queries look at the frame and at each other
    decoder_hidden: int = 2048  #: width of their feed-forward parts
    text_width: int = 512  #: numbers of a row of the classifier
    sharpness: float = 50.0  #: cosines of names are multiplied by it


#: Both sizes of the paper. The weights of Swin-B were never published; its shape follows from the training code.
VARIANTS: dict[str, OV2SegConfig] = {
    "resnet-50": OV2SegConfig(RESNETS["resnet50"]),
    "swin-b": OV2SegConfig(SWINS["swin_b"]),
}
