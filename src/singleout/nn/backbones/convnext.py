"""ConvNeXt (Liu et al. 2022): a convolutional network with the proportions of a transformer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.windows import DropPath, Feedforward

_EPS = 1e-6


@dataclass(frozen=True)
class ConvNeXtConfig:
    """Shape of a ConvNeXt; `CONVNEXTS` holds the published ones."""

    depths: tuple[int, int, int, int]  #: blocks of each stage
    widths: tuple[int, int, int, int]  #: channels of each stage
    drop_path: float = 0.5  #: share of branches left out in the last block in training

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels at strides 4, 8, 16 and 32."""
        return self.widths


CONVNEXTS = {"convnext_large": ConvNeXtConfig((3, 3, 27, 3), (192, 384, 768, 1536))}


class Block(nn.Module):
    """A wide depthwise convolution, norm and a feed-forward part, scaled channel by channel and added."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.mlp = Feedforward(width, 4 * width)
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, height, width, channels)."""
        seen = self.conv_dw(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = x + self.drop_path(self.mlp(self.norm(seen)) * self.gamma)
        return out


class Step(nn.Sequential):
    """Norm and a convolution to half the size, between two stages."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.LayerNorm(in_channels, eps=_EPS), nn.Conv2d(in_channels, out_channels, 2, stride=2))

    def forward(self, input: Tensor) -> Tensor:
        """input: (batch, height, width, channels)."""
        out: Tensor = self[1](self[0](input).permute(0, 3, 1, 2))
        return out.permute(0, 2, 3, 1)


class ConvNeXt(nn.Module):
    """Features at strides 4, 8, 16 and 32, frame by frame, each normed on its way out."""

    def __init__(self, config: ConvNeXtConfig) -> None:
        super().__init__()
        self.channels = config.channels
        rates = torch.linspace(0, config.drop_path, sum(config.depths), device="cpu").tolist()
        self.stem = nn.Sequential(nn.Conv2d(3, self.channels[0], 4, stride=4), nn.LayerNorm(self.channels[0], eps=_EPS))
        self.stages = nn.ModuleList(
            nn.ModuleDict({"blocks": nn.ModuleList(Block(width, rates.pop(0)) for _ in range(depth))})
            for depth, width in zip(config.depths, self.channels, strict=True)
        )
        self.downsamples = nn.ModuleList(map(Step, self.channels, self.channels[1:]))
        self.norms = nn.ModuleList(map(nn.LayerNorm, self.channels))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames: (batch, time, 3, height, width). Returns four maps (batch * time, channels, h, w)."""
        x = F.conv2d(frames.flatten(0, 1), self.stem[0].weight, self.stem[0].bias, stride=4)  # type: ignore[arg-type]
        x = self.stem[1](x.permute(0, 2, 3, 1))
        maps = []
        for index, stage in enumerate(self.stages):
            if index:
                x = self.downsamples[index - 1](x)
            assert isinstance(stage, nn.ModuleDict)
            for block in stage["blocks"]:  # type: ignore[attr-defined]
                x = block(x)
            maps.append(self.norms[index](x).permute(0, 3, 1, 2))
        return maps
