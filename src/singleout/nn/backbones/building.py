"""A backbone from its shape: any of this folder that gives maps at strides 4, 8, 16 and 32."""

from __future__ import annotations

from singleout.nn.backbones.convmae import ConvMAE, ConvMAEConfig
from singleout.nn.backbones.convnext import ConvNeXt, ConvNeXtConfig
from singleout.nn.backbones.resnet import ResNet, ResNetConfig
from singleout.nn.backbones.swin import Swin, SwinConfig

BackboneConfig = ResNetConfig | SwinConfig | ConvNeXtConfig | ConvMAEConfig
Backbone = ResNet | Swin | ConvNeXt | ConvMAE


def build_backbone(config: BackboneConfig) -> Backbone:
    """The backbone of this shape, with random weights."""
    if isinstance(config, ResNetConfig):
        return ResNet(config)
    if isinstance(config, SwinConfig):
        return Swin(config)
    return ConvNeXt(config) if isinstance(config, ConvNeXtConfig) else ConvMAE(config)


def sees_time(config: BackboneConfig) -> bool:
    """Whether what the backbone says of a frame depends on the other frames of the call."""
    return isinstance(config, SwinConfig) and config.video
