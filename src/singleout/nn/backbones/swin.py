"""Swin, frame by frame, and Video Swin, all frames at once: one network, two windows (Liu et al. 2021, 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from singleout.nn.backbones.window_rows import Axes
from singleout.nn.backbones.windows import WindowBlock


@dataclass(frozen=True)
class SwinConfig:
    """Shape of a Swin or Video Swin; `SWINS` holds the published ones."""

    width: int  #: channels at stride 4
    depths: tuple[int, int, int, int]  #: blocks of each stage
    num_heads: tuple[int, int, int, int]  #: attention heads of each stage
    drop_path: float = 0.2  #: share of branches left out in the last block in training
    window: Axes = (1, 7, 7)  #: frames, rows and columns of a window
    video: bool = False  #: windows reach over time, shrink to maps smaller than they are, and outputs are not normed
    recompute: bool = False  #: give up activations in training and compute them again, for memory
    num_stages: int = 4  #: stages that are built, the coarser ones left out

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels at strides 4, 8, 16 and 32, whether or not all stages are built."""
        return self.width, 2 * self.width, 4 * self.width, 8 * self.width


SWINS = {
    "swin_t": SwinConfig(96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "swin_s": SwinConfig(96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "swin_b": SwinConfig(128, (2, 2, 18, 2), (4, 8, 16, 32), drop_path=0.3),
    "swin_l": SwinConfig(192, (2, 2, 18, 2), (6, 12, 24, 48), drop_path=0.3),
    "video_swin_t": SwinConfig(96, (2, 2, 6, 2), (3, 6, 12, 24), window=(8, 7, 7), video=True),
    "video_swin_s": SwinConfig(96, (2, 2, 18, 2), (3, 6, 12, 24), window=(8, 7, 7), video=True),
    "video_swin_b": SwinConfig(128, (2, 2, 18, 2), (4, 8, 16, 32), window=(8, 7, 7), video=True),
}


class PatchEmbedding(nn.Module):
    """Patches of 4x4 pixels to vectors."""

    proj: nn.Conv2d | nn.Conv3d

    def __init__(self, width: int, *, video: bool) -> None:
        super().__init__()
        # Published Video Swin weights have a time axis of one in this kernel.
        self.proj = nn.Conv3d(3, width, (1, 4, 4), (1, 4, 4)) if video else nn.Conv2d(3, width, 4, 4)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (batch, time, 3, height, width), to (batch, time, rows, columns, width); zeros fill up to 4."""
        batch, time, _, height, width = frames.shape
        x = F.pad(frames.flatten(0, 1), (0, -width % 4, 0, -height % 4))
        kernel = self.proj.weight.flatten(2, 3) if self.proj.weight.ndim == 5 else self.proj.weight
        x = F.conv2d(x, kernel, self.proj.bias, stride=4).permute(0, 2, 3, 1)
        out: Tensor = self.norm(x.unflatten(0, (batch, time)))
        return out


class PatchMerging(nn.Module):
    """Four neighbours to one vector of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, height, width, channels); odd sizes are filled up with zeros."""
        x = F.pad(x, (0, 0, 0, x.shape[3] % 2, 0, x.shape[2] % 2))
        even, odd = x[:, :, 0::2], x[:, :, 1::2]
        x = torch.cat([even[..., 0::2, :], odd[..., 0::2, :], even[..., 1::2, :], odd[..., 1::2, :]], dim=-1)
        out: Tensor = self.reduction(self.norm(x))
        return out


class Swin(nn.Module):
    """Features at strides 4, 8, 16 and 32; at the first of them where fewer stages are built."""

    def __init__(self, config: SwinConfig) -> None:
        super().__init__()
        self.config = config
        self.channels = config.channels
        self.patch_embed = PatchEmbedding(config.width, video=config.video)
        rates = torch.linspace(0, config.drop_path, sum(config.depths), device="cpu").tolist()
        self.layers = nn.ModuleList()
        built = config.num_stages
        for stage, (depth, num_heads) in enumerate(zip(config.depths[:built], config.num_heads[:built], strict=True)):
            blocks = [WindowBlock(self.channels[stage], num_heads, config.window, rates.pop(0)) for _ in range(depth)]
            self.layers.append(nn.ModuleDict({"blocks": nn.ModuleList(blocks)}))
        self.downsamples = nn.ModuleList(PatchMerging(width) for width in self.channels[: built - 1])
        self.norms = nn.ModuleList() if config.video else nn.ModuleList(map(nn.LayerNorm, self.channels[:built]))

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames: (batch, time, 3, height, width). Returns a map (batch * time, channels, h, w) a stage.

        What Video Swin says of a frame depends on all frames of the call.
        """
        batch = frames.shape[0]
        x = self.patch_embed(frames if self.config.video else frames.flatten(0, 1)[:, None])
        maps = []
        for stage, layer in enumerate(self.layers):
            assert isinstance(layer, nn.ModuleDict)
            x = self._stage(x, layer["blocks"])
            out = self.norms[stage](x) if len(self.norms) else x
            maps.append(out.reshape(batch * frames.shape[1], *out.shape[2:]).permute(0, 3, 1, 2))
            if stage < len(self.downsamples):
                x = self.downsamples[stage](x)
        return maps

    def _stage(self, x: Tensor, blocks: nn.Module) -> Tensor:
        size = (x.shape[1], x.shape[2], x.shape[3])
        window, shift = self.windows(size)
        assert isinstance(blocks, nn.ModuleList)
        for index, block in enumerate(blocks):
            steps = shift if index % 2 else (0, 0, 0)
            if self.config.recompute and self.training:
                x = checkpoint(block, x, window, steps, use_reentrant=False)
            else:
                x = block(x, window, steps)
        return x

    def windows(self, size: Axes) -> tuple[Axes, Axes]:
        """The window and the shift for a map of this size; only Video Swin shrinks them to small maps."""
        window, shift = self.config.window, tuple(part // 2 for part in self.config.window)
        if self.config.video:
            shift = tuple(0 if whole <= part else step for whole, part, step in zip(size, window, shift, strict=True))
            window = tuple(min(whole, part) for whole, part in zip(size, window, strict=True))  # type: ignore[assignment]
        return window, shift  # type: ignore[return-value]
