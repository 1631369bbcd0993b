"""The decoder: a feature pyramid down to stride 4, one channel for the background and each identity."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Norm(nn.Module):
    """Convolution, group norm and ReLU."""

    def __init__(self, in_channels: int, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2)
        self.norm = nn.GroupNorm(8, channels)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, in_channels, height, width)."""
        x = self.conv(x)
        return F.relu(self.norm(x.float())).to(x.dtype)


class Decoder(nn.Module):
    """channels: of the encoder's maps at strides 4, 8 and 16."""

    def __init__(
        self, in_channels: int, width: int, channels: tuple[int, int, int], num_ids: int, *, align_corners: bool
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.begin = _Norm(in_channels, width, 1)
        half = width // 2
        self.stages = nn.ModuleList([_Norm(width, width, 3), _Norm(width, half, 3), _Norm(half, half, 3)])
        widths = (width, width, half)
        self.shortcuts = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(reversed(channels), widths, strict=True))
        self.out = nn.Conv2d(half, num_ids + 1, 1)

    def forward(self, x: Tensor, maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """x: (groups, in_channels, h, w) at stride 16. maps: see `Sight`. Returns (groups, num_ids + 1, h, w)."""
        x = self.begin(x)
        for stage, shortcut, seen in zip(self.stages, self.shortcuts, reversed(maps), strict=True):
            if x.shape[-2:] != seen.shape[-2:]:
                x = F.interpolate(x, seen.shape[-2:], mode="bilinear", align_corners=self.align_corners)
            x = stage(shortcut(seen) + x)
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = self.out(x.float())
            return out
