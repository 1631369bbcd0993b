"""ConvMAE (Gao et al. 2022): two stages of convolutions, then a transformer in windows that are opened now and then."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.windows import DropPath, Feedforward, from_windows, to_windows
from singleout.nn.linear import linear

_EPS = 1e-6


@dataclass(frozen=True)
class ConvMAEConfig:
    """Shape of a ConvMAE; `CONVMAES` holds the published ones."""

    depths: tuple[int, int, int]  #: blocks of convolutions, of convolutions, of attention
    widths: tuple[int, int, int]  #: channels at strides 4, 8 and 16
    num_heads: int  #: of the attention
    whole: tuple[int, ...]  #: blocks of attention that see the whole picture; the others see windows
    window: int = 14  #: rows and columns of a window
    trained_grid: int = 14  #: rows and columns at stride 16 that positions were trained for
    reach: int = 40  #: rows and columns for which the whole picture's relative positions were trained
    drop_path: float = 0.2  #: share of branches left out in the last block in training

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels at strides 4, 8, 16 and 32."""
        return *self.widths, self.widths[2]


CONVMAES = {"convmae_base": ConvMAEConfig((2, 2, 11), (256, 384, 768), 12, whole=(1, 4, 7, 10))}


class PatchEmbedding(nn.Module):
    """A convolution to a smaller map, norm and GELU."""

    def __init__(self, in_channels: int, out_channels: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, out_channels, patch, stride=patch)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, height, width), to (batch, h, w, channels)."""
        return F.gelu(self.norm(self.proj(x).permute(0, 2, 3, 1)))


class ConvMLP(nn.Module):
    """Two 1x1 convolutions with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, channels, height, width)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class ConvBlock(nn.Module):
    """A depthwise convolution in the place of attention, and a feed-forward part, each normed before and added."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.conv1 = nn.Conv2d(width, width, 1)
        self.attn = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.conv2 = nn.Conv2d(width, width, 1)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = ConvMLP(width, 4 * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, height, width, channels)."""
        seen = self.conv2(self.attn(self.conv1(self.norm1(x).permute(0, 3, 1, 2))))
        x = x + self.drop_path(seen.permute(0, 2, 3, 1))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return out


class GridAttention(nn.Module):
    """Self attention on a grid, with a term for how far apart two places are in rows and one for columns."""

    def __init__(self, width: int, num_heads: int, reach: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * reach - 1, width // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * reach - 1, width // num_heads))

    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """x: (batch, rows * columns, width). grid: rows and columns."""
        batch, tokens, width = x.shape
        projected = linear(x, self.qkv.weight, self.qkv.bias).view(batch, tokens, 3, self.num_heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        places = query.unflatten(2, grid)
        rows = torch.einsum("bnhwc,hkc->bnhwk", places, apart(self.rel_pos_h, grid[0]))
        columns = torch.einsum("bnhwc,wkc->bnhwk", places, apart(self.rel_pos_w, grid[1]))
        bias = (rows[..., None] + columns[..., None, :]).reshape(batch, self.num_heads, tokens, tokens)
        out = F.scaled_dot_product_attention(query, key, value, bias)
        return linear(out.transpose(1, 2).reshape(batch, tokens, width), self.proj.weight, self.proj.bias)


def apart(table: Tensor, size: int) -> Tensor:
    """The vector of each pair of places on an axis, (size, size, channels), from a table (2 * reach - 1, channels).

    A table for another size is stretched.
    """
    if len(table) != 2 * size - 1:
        table = F.interpolate(table.t()[None], 2 * size - 1, mode="linear")[0].t()
    places = torch.arange(size, device=table.device)
    return table[places[:, None] - places + size - 1]


class AttentionBlock(nn.Module):
    """Attention within windows, or over the whole picture, and a feed-forward part."""

    def __init__(self, width: int, num_heads: int, window: int | None, reach: int, drop_path: float) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = GridAttention(width, num_heads, reach)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = Feedforward(width, 4 * width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, height, width, channels)."""
        x = x + self.drop_path(self._attend(self.norm1(x)))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out

    def _attend(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        if self.window is None:
            return self.attn(x.flatten(1, 2), (height, width)).view_as(x)  # type: ignore[no-any-return]
        side = self.window
        # The zeros that fill up the last windows take part in attention, as published.
        padded = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))[:, None]
        window = (1, side, side)
        parts = to_windows(padded, window)
        seen = self.attn(parts.flatten(0, 3), (side, side)).view_as(parts)
        return from_windows(seen, window)[:, 0, :height, :width]


class ConvMAE(nn.Module):
    """Features at strides 4, 8, 16 and 32, frame by frame."""

    def __init__(self, config: ConvMAEConfig) -> None:
        super().__init__()
        self.config = config
        self.channels = config.channels
        first, second, third = config.widths
        depths = config.depths
        rates = torch.linspace(0, config.drop_path, sum(depths), device="cpu").tolist()
        self.patch_embed1 = PatchEmbedding(3, first, 4)
        self.patch_embed2 = PatchEmbedding(first, second, 2)
        self.patch_embed3 = PatchEmbedding(second, third, 2)
        self.patch_embed4 = nn.Linear(third, third)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.trained_grid**2, third))
        self.blocks1 = nn.ModuleList(ConvBlock(first, rates.pop(0)) for _ in range(depths[0]))
        self.blocks2 = nn.ModuleList(ConvBlock(second, rates.pop(0)) for _ in range(depths[1]))
        self.blocks3 = nn.ModuleList()
        for index in range(depths[2]):
            window, reach = (None, config.reach) if index in config.whole else (config.window, config.window)
            self.blocks3.append(AttentionBlock(third, config.num_heads, window, reach, rates.pop(0)))
        # Of the two maps that come out of the transformer, which are the third and the fourth of all.
        self.norms = nn.ModuleDict({stage: nn.LayerNorm(third, eps=_EPS) for stage in ("3", "4")})

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames: (batch, time, 3, height, width). Returns four maps (batch * time, channels, h, w)."""
        x = self.patch_embed1(frames.flatten(0, 1))
        maps = []
        for blocks, following in ((self.blocks1, self.patch_embed2), (self.blocks2, self.patch_embed3)):
            for block in blocks:
                x = block(x)
            maps.append(x.permute(0, 3, 1, 2))
            x = following(maps[-1])
        x = linear(x, self.patch_embed4.weight, self.patch_embed4.bias) + self._positions(x.shape[1], x.shape[2])
        for block in self.blocks3:
            x = block(x)
        maps.append(self.norms["3"](x).permute(0, 3, 1, 2))
        maps.append(F.max_pool2d(self.norms["4"](x).permute(0, 3, 1, 2), 2))
        return maps

    def _positions(self, height: int, width: int) -> Tensor:
        """Trained positions on a grid of this size, (1, height, width, channels)."""
        side = self.config.trained_grid
        places: Tensor = self.pos_embed.unflatten(1, (side, side))
        if (height, width) == (side, side):
            return places
        grown = F.interpolate(places.permute(0, 3, 1, 2), (height, width), mode="bicubic", align_corners=False)
        return grown.permute(0, 2, 3, 1)
