"""MobileNetV2 with frozen batch norm and features at stride 16 at the most (Sandler et al. 2018), as AOT uses it.

Parameter names are torchvision's. What would lower the resolution after stride 16 dilates instead: the first block of
that group keeps the dilation before it, the others and all later ones double it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.resnet import FrozenBatchNorm, conv_norm

# (expansion, channels, repeats, stride of the first block), as published.
GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
COARSEST = 16  # stride
TAKEN = {3: 24, 6: 32, 13: 96, 18: 1280}  # place of a layer whose output is a map, and the map's channels


def _conv(
    in_channels: int, channels: int, kernel: int = 1, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    padding = dilation * (kernel // 2)
    return nn.Conv2d(in_channels, channels, kernel, stride, padding, dilation, groups=groups, bias=False)


def _active(in_channels: int, channels: int, kernel: int = 1, **shape: int) -> nn.Sequential:
    return nn.Sequential(_conv(in_channels, channels, kernel, **shape), FrozenBatchNorm(channels))


def _run(x: Tensor, layer: nn.Module) -> Tensor:
    """Convolution, norm and ReLU6 of a pair."""
    assert isinstance(layer, nn.Sequential)
    conv, norm = layer
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, FrozenBatchNorm)
    return F.hardtanh(conv_norm(x, conv, norm), 0.0, 6.0, inplace=not torch.is_grad_enabled())


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow without an activation."""

    def __init__(self, in_channels: int, channels: int, expansion: int, stride: int, dilation: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers: list[nn.Module] = [] if expansion == 1 else [_active(in_channels, hidden)]
        layers.append(_active(hidden, hidden, 3, stride=stride, dilation=dilation, groups=hidden))
        self.conv = nn.Sequential(*layers, _conv(hidden, channels), FrozenBatchNorm(channels))
        self.residual = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width)."""
        *layers, narrow, norm = self.conv
        assert isinstance(narrow, nn.Conv2d)
        assert isinstance(norm, FrozenBatchNorm)
        out = x
        for layer in layers:
            out = _run(out, layer)
        out = conv_norm(out, narrow, norm)
        return out + x if self.residual else out


class MobileNetV2(nn.Module):
    """Features at strides 4, 8, 16 and, deeper, 16 again."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = (24, 32, 96, 1280)
        layers: list[nn.Module] = [_active(3, 32, 3, stride=2)]
        in_channels, reached, dilation = 32, 2, 1
        for expansion, channels, repeats, stride in GROUPS:
            first = (stride, dilation)
            if reached * stride > COARSEST:
                first, dilation = (1, dilation), dilation * stride
            reached *= first[0]
            for index in range(repeats):
                steps = first if index == 0 else (1, dilation)
                layers.append(InvertedResidual(in_channels, channels, expansion, *steps))
                in_channels = channels
        layers.append(_active(in_channels, self.channels[-1]))
        self.features = nn.ModuleList(layers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def freeze_low(self) -> None:
        """Keep everything up to stride 4 as it is in training."""
        for layer in self.features[: min(TAKEN) + 1]:
            layer.requires_grad_(False)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames: (batch, time, 3, height, width). Returns four maps (batch * time, channels, h, w)."""
        x = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        maps = []
        for place, layer in enumerate(self.features):
            x = layer(x) if isinstance(layer, InvertedResidual) else _run(x, layer)
            if place in TAKEN:
                maps.append(x)
        return maps
