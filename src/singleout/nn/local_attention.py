"""Attention of each place of a map to the square window around it, by plain matrix products.

The window of AOT's short-term attention (Yang et al. 2021) is usually gathered by a compiled correlation op. Here the
map is cut into small tiles. All pairs of a tile and its surroundings are multiplied at once, which is about twice as
many pairs as are needed, but a matrix product; a strided view then picks, for each place, its own window out of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

TILE = 8  # places a side of a tile
_OUTSIDE = -1e8  # added to the score of a place outside the map, whose weight then is 0 exactly


@dataclass(frozen=True)
class Relative:
    """What is learned of each offset, counted row by row from the upper left.

    key: (heads, offsets, depth), whose product with the query, not scaled, is added to the score, as is bias, (heads,
    offsets). value: (heads, value_depth, offsets), what the offset adds to the value.
    """

    key: Tensor
    bias: Tensor
    value: Tensor | None = None


def local_attention(query: Tensor, key: Tensor, value: Tensor, radius: int, relative: Relative) -> Tensor:
    """Softmax attention of each place to the (2 radius + 1)² places around it, as far as they are in the map.

    query, key: (batch, heads, height, width, depth). value: (batch, heads, height, width, value_depth).
    Returns (batch, heads, height, width, value_depth).
    """
    batch, heads, height, width, depth = query.shape
    window = 2 * radius + 1
    wide = TILE + 2 * radius  # places a side of a tile with its surroundings
    below, right = -height % TILE, -width % TILE
    num_tiles = (width + right) // TILE
    query = F.pad(query.flatten(0, 1), (0, 0, 0, right, 0, below))
    key, value = (
        F.pad(part.flatten(0, 1), (0, 0, radius, radius + right, radius, radius + below)) for part in (key, value)
    )
    outside = _outside((height, width), radius, query.device).to(torch.float32)
    # In place (y, x) of a tile the offset (dy, dx) is the surroundings' place (y + dy, x + dx).
    pairs = wide * wide
    steps = (TILE * TILE * pairs, TILE * pairs + wide, pairs + 1, wide, 1)
    shape = (batch * heads * num_tiles, TILE, TILE, window, window)
    spread = query.new_zeros(0)
    rows = []
    for row, top in enumerate(range(0, height, TILE)):
        tiles = _tiles(query[:, top : top + TILE], TILE, 0)
        around = slice(top, top + wide)
        scores = torch.bmm(tiles * depth**-0.5, _tiles(key[:, around], TILE, radius).transpose(1, 2))
        by_head = tiles.view(batch, heads, num_tiles * TILE * TILE, depth)
        learned = by_head @ relative.key.transpose(1, 2) + relative.bias[:, None]
        own = learned.view(shape) + scores.as_strided(shape, steps)
        own = own.view(-1, num_tiles, TILE, TILE, window * window).float() + outside[row]
        weights = own.softmax(-1).to(value.dtype)
        # Every call writes the same places, so that zeros between them stay.
        if not spread.numel() or weights.requires_grad:
            spread = torch.zeros_like(scores)
        spread.as_strided(shape, steps).copy_(weights.view(shape))
        out = torch.bmm(spread, _tiles(value[:, around], TILE, radius))
        if relative.value is not None:
            per_head = weights.view(batch, heads, num_tiles * TILE * TILE, window * window)
            out = out + (per_head @ relative.value.transpose(1, 2)).view_as(out)
        grid = out.view(batch * heads, num_tiles, TILE, TILE, -1).transpose(1, 2)
        rows.append(grid.reshape(batch * heads, TILE, num_tiles * TILE, -1))
    whole = torch.cat(rows, dim=1)[:, :height, :width]
    return whole.reshape(batch, heads, height, width, -1)


def _tiles(band: Tensor, tile: int, radius: int) -> Tensor:
    """A band (num, rows, columns, depth) as (num * tiles, rows * (tile + 2 radius), depth), tiles side by side."""
    tiles = band.unfold(2, tile + 2 * radius, tile)
    return tiles.permute(0, 2, 1, 4, 3).reshape(len(band) * tiles.shape[2], -1, band.shape[-1])


@lru_cache(maxsize=16)
def _outside(size: tuple[int, int], radius: int, device: torch.device) -> Tensor:
    """What is added to each offset of each place: (tile rows, tiles, TILE, TILE, offsets), 0 inside of the map.

    Places that only fill up the last tiles see what lies inside like others; nobody looks at them.
    """
    inside = []
    for length in size:
        places = torch.arange(length + -length % TILE, device=device)[:, None]
        at = places + torch.arange(-radius, radius + 1, device=device)
        inside.append(((at >= 0) & (at < length)).unflatten(0, (-1, TILE)))
    down, across = inside
    both = down[:, None, :, None, :, None] & across[None, :, None, :, None, :]
    return torch.where(both.flatten(-2), 0.0, _OUTSIDE).to(device)
