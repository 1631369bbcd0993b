"""Sizes of OVSeg and its published variants (Liang et al. 2023, "Open-Vocabulary Semantic Segmentation with
Mask-adapted CLIP")."""

from __future__ import annotations

from dataclasses import dataclass, replace

from singleout.nn.backbones.building import BackboneConfig
from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.backbones.swin import SWINS
from singleout.nn.clip_towers import CLIPS, ClipSize


@dataclass(frozen=True)
class OVSegConfig:
    """Shape of the network, and the sizes and thresholds that were published with it."""

    backbone: BackboneConfig  #: what turns a picture into maps of four strides
    clip: ClipSize  #: the towers that name regions
    size: int  #: pixels of the shorter side that pictures are brought to
    longest: int  #: the most pixels of the longer side
    mask_threshold: float  #: probability from which a pixel is of a proposal's region
    num_queries: int = 100  #: proposals
    width: int = 256  #: channels of pixel decoder and transformer
    num_heads: int = 8  #: of the transformer's attention
    decoder_layers: int = 6  #: of the transformer
    decoder_hidden: int = 2048  #: width of its feed-forward parts
    class_hidden: int = 1024  #: hidden width of the head that places queries among names
    dropout: float = 0.1  #: of the transformer in training


#: The published sizes; weights published for one of them differ in values only.
VARIANTS: dict[str, OVSegConfig] = {
    "swin-b": OVSegConfig(replace(SWINS["swin_b"], window=(1, 12, 12)), CLIPS["vit-l-14"], 640, 2560, 0.4),
    "r101c": OVSegConfig(RESNETS["resnet101_deeplab"], CLIPS["vit-b-16"], 512, 2048, 0.5),
}
