"""Sizes of MUTR (Yan et al. 2024, "Referred by Multi-Modality") and its published variants."""

from __future__ import annotations

from dataclasses import dataclass

from singleout.nn.backbones.building import BackboneConfig
from singleout.nn.backbones.convmae import CONVMAES
from singleout.nn.backbones.convnext import CONVNEXTS
from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.backbones.swin import SWINS
from singleout.nn.referring.config import ReferringConfig


@dataclass(frozen=True)
class MutrConfig(ReferringConfig):
    """Shape of the network; the defaults are what all published variants share."""

    window: int = 4  #: frames whose queries see each other
    interaction_layers: int = 3  #: layers of either half of the interaction over time
    interaction_dropout: float = 0.2  #: in training, there
    #: Queries of a training batch of several videos are mixed up, as the published weights were trained; see `network`.
    mixes_videos: bool = True


BACKBONES: dict[str, BackboneConfig] = {
    "resnet-50": RESNETS["resnet50"],
    "resnet-101": RESNETS["resnet101"],
    "swin-l": SWINS["swin_l"],
    "video-swin-t": SWINS["video_swin_t"],
    "video-swin-s": SWINS["video_swin_s"],
    "video-swin-b": SWINS["video_swin_b"],
    "convnext-l": CONVNEXTS["convnext_large"],
    "convmae-b": CONVMAES["convmae_base"],
}

#: Those with published weights.
VARIANTS = {name: MutrConfig(backbone) for name, backbone in BACKBONES.items()}
