"""Small convolution blocks that several networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, if asked, ReLU6, with "same" padding for odd kernels.

    Takes and gives (batch, channels, height, width).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        relu: bool = True,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel,
                padding=dilation * (kernel // 2),
                dilation=dilation,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels, eps=1e-3),
        ]
        if relu:
            layers.append(nn.ReLU6())
        super().__init__(*layers)


class Separable(nn.Module):
    """Depthwise 3x3 (or 5x5) and pointwise convolution with a residual where the widths agree."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, *, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = ConvNorm(in_channels, in_channels, kernel, groups=in_channels, dilation=dilation)
        self.pointwise = ConvNorm(in_channels, out_channels, relu=False)
        self.residual = in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width) to (batch, out_channels, height, width)."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return F.relu(out + x if self.residual else out)


def upsample_like(x: Tensor, like: Tensor) -> Tensor:
    """x: (batch, channels, h, w), brought bilinearly to the height and width of `like`."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold every `ConvNorm`'s batch norm into its convolution, in place, for inference; returns the module."""
    for child in module.modules():
        if isinstance(child, ConvNorm) and isinstance(child[1], nn.BatchNorm2d):
            conv = child[0]
            assert isinstance(conv, nn.Conv2d)
            child[0] = torch.nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), child[1].eval())
            child[1] = nn.Identity()
    return module
