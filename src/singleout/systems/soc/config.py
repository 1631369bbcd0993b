"""Sizes of SOC (Luo et al. 2023, "Semantic-Assisted Object Cluster") and its variants."""

from __future__ import annotations

from dataclasses import dataclass

from singleout.nn.backbones.swin import SWINS, SwinConfig
from singleout.nn.referring.config import ReferringConfig


@dataclass(frozen=True)
class SocConfig(ReferringConfig):
    """Shape of the network; the defaults are what all published variants share."""

    num_queries: int = 20  #: candidates in each frame, and in the video
    encoder_layers: int = 3  #: layers in which the maps of a frame see each other
    decoder_layers: int = 3  #: layers in which the queries look at them
    mask_width: int = 8  #: channels of the map that masks are read from
    interaction_layers: int = 3  #: layers of either half of the interaction over time
    mixes_videos: bool = True  #: queries of a batch of several videos are mixed up, as published; see `network`


BACKBONES: dict[str, SwinConfig] = {
    "video-swin-t": SWINS["video_swin_t"],
    "video-swin-s": SWINS["video_swin_s"],
    "video-swin-b": SWINS["video_swin_b"],
}

#: Every Video Swin that the official code builds; weights were published for t and b.
VARIANTS = {name: SocConfig(backbone) for name, backbone in BACKBONES.items()}
