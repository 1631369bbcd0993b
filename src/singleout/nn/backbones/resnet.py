"""ResNet with frozen batch norm, as detectors use it (He et al. 2016); parameter names are torchvision's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.convolution import FoldedConv


@dataclass(frozen=True)
class ResNetConfig:
    """Shape of a ResNet; `RESNETS` holds the usual ones."""

    depths: tuple[int, int, int, int]  #: blocks of each stage
    bottleneck: bool = True  #: blocks of three convolutions that widen four times, else of two
    width: int = 64  #: channels of the stem
    num_stages: int = 4  #: stages that are built, the coarser ones left out
    deep_stem: bool = False  #: three 3x3 convolutions in place of one of 7x7, as in DeepLab
    last_dilations: tuple[int, ...] = ()  #: of the 3x3 convolutions of the last stage's blocks; 1 where not given

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels at strides 4, 8, 16 and 32, whether or not all stages are built."""
        first = self.width * (4 if self.bottleneck else 1)
        return first, 2 * first, 4 * first, 8 * first


RESNETS = {
    "resnet18": ResNetConfig((2, 2, 2, 2), bottleneck=False),
    "resnet50": ResNetConfig((3, 4, 6, 3)),
    "resnet101": ResNetConfig((3, 4, 23, 3)),
    # R101c of detectron2's DeepLab (Chen et al. 2017).
    "resnet101_deeplab": ResNetConfig((3, 4, 23, 3), deep_stem=True, last_dilations=(1, 2, 4)),
}


class FrozenBatchNorm(nn.Module):
    """Batch norm whose statistics and affine values never change: a scale and a shift per channel."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.keeps = False
        self._kept: tuple[tuple[Tensor, int, torch.device], FoldedConv] | None = None

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """Scale and shift, each (channels,)."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def fold(self, conv: nn.Conv2d) -> FoldedConv:
        """The convolution before it with the norm inside."""
        keeps = self.keeps and not torch.is_grad_enabled()
        # Which weights they are, how often they were changed, and where they are now.
        of = (conv.weight, 0 if conv.weight.is_inference() else conv.weight._version, conv.weight.device)
        if keeps and self._kept is not None and self._kept[0][0] is of[0] and self._kept[0][1:] == of[1:]:
            return self._kept[1]
        scale, shift = self.scale_shift()
        folded = FoldedConv(conv.weight * scale[:, None, None, None], shift, conv, kept=keeps)
        if keeps:
            self._kept = of, folded
        return folded


def keep_folded(module: nn.Module) -> None:
    """Fold each norm into its convolution once for all calls without gradients, for networks whose weights stay.

    It takes the memory of the convolutions once more, and pays where pictures are small or many.
    """
    for part in module.modules():
        if isinstance(part, FrozenBatchNorm):
            part.keeps = True


def conv_norm(
    x: Tensor, conv: nn.Conv2d, norm: FrozenBatchNorm, *, relu: bool = False, add: Tensor | None = None
) -> Tensor:
    """Convolution and norm at once: the scale goes into the weights, which is far smaller than the map.

    add: of the result's shape, added to it. relu: what is negative then becomes zero.
    """
    return norm.fold(conv)(x, relu=relu, add=add)


class _Block(nn.Module):
    """What both kinds of blocks share: the path around them."""

    downsample: nn.Sequential | None

    def _around(self, x: Tensor) -> Tensor:
        if self.downsample is None:
            return x
        conv, norm = self.downsample[0], self.downsample[1]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, FrozenBatchNorm)
        return conv_norm(x, conv, norm)


def _downsample(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), FrozenBatchNorm(out_channels)
    )


class BasicBlock(_Block):
    """Two 3x3 convolutions."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = FrozenBatchNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = FrozenBatchNorm(channels)
        self.downsample = _downsample(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width)."""
        out = conv_norm(x, self.conv1, self.bn1, relu=True)
        return conv_norm(out, self.conv2, self.bn2, relu=True, add=self._around(x))


class Bottleneck(_Block):
    """1x1, 3x3 (with the stride) and 1x1 convolutions."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = FrozenBatchNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = FrozenBatchNorm(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = FrozenBatchNorm(4 * channels)
        self.downsample = _downsample(in_channels, 4 * channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width)."""
        out = conv_norm(x, self.conv1, self.bn1, relu=True)
        out = conv_norm(out, self.conv2, self.bn2, relu=True)
        return conv_norm(out, self.conv3, self.bn3, relu=True, add=self._around(x))


class ResNet(nn.Module):
    """Features at strides 4, 8, 16 and 32, frame by frame; at the first of them where fewer stages are built."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config = config
        self.channels = config.channels
        width = config.width
        if config.deep_stem:
            self.conv1 = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.conv3 = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
            self.bn2, self.bn3 = FrozenBatchNorm(width), FrozenBatchNorm(2 * width)
        else:
            self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = FrozenBatchNorm(width)
        kind, expansion = (Bottleneck, 4) if config.bottleneck else (BasicBlock, 1)
        in_channels = 2 * width if config.deep_stem else width
        for stage, depth in enumerate(config.depths[: config.num_stages]):
            blocks = []
            dilations = config.last_dilations if stage == len(config.depths) - 1 else ()
            for index in range(depth):
                stride = 2 if index == 0 and stage > 0 else 1
                dilation = dilations[index] if dilations else 1
                blocks.append(kind(in_channels, width << stage, stride, dilation))
                in_channels = (width << stage) * expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self) -> list[nn.Sequential]:
        """The stages that are built, `layer1` to `layer4`."""
        return [getattr(self, f"layer{stage}") for stage in range(1, self.config.num_stages + 1)]

    def freeze_low(self) -> None:
        """Keep stem and first stage as they are in training: what they see is the same in every data set."""
        stem = [self.conv1, self.conv2, self.conv3] if self.config.deep_stem else [self.conv1]
        for module in (*stem, self.stages()[0]):
            module.requires_grad_(False)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames: (batch, time, 3, height, width). Returns a map (batch * time, channels, h, w) a stage."""
        x = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = conv_norm(x, self.conv1, self.bn1, relu=True)
        if self.config.deep_stem:
            x = conv_norm(conv_norm(x, self.conv2, self.bn2, relu=True), self.conv3, self.bn3, relu=True)
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        maps = []
        for stage in self.stages():
            x = stage(x)
            maps.append(x)
        return maps
