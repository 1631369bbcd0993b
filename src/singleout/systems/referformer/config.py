"""The published variants of ReferFormer (Wu et al. 2022, "Language as Queries")."""

from __future__ import annotations

from singleout.nn.backbones.building import BackboneConfig
from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.backbones.swin import SWINS
from singleout.nn.referring.config import ReferringConfig

BACKBONES: dict[str, BackboneConfig] = {
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
VARIANTS = {name: ReferringConfig(backbone) for name, backbone in BACKBONES.items()}
