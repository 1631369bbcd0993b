"""Masks by small convolutions whose weights a query makes up (CondInst, Tian et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Kernels:
    """Three 1x1 convolutions of one mask each.

    The first reads features (num_masks, channels, features) and the way to the reference (num_masks, channels, 2).
    """

    features: Tensor
    way: Tensor
    middle: Tensor
    last: Tensor
    biases: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def read(cls, numbers: Tensor, in_channels: int, channels: int) -> Kernels:
        """numbers: (num_masks, `count(in_channels, channels)`): weights of all layers, then biases of all layers."""
        first = channels * (in_channels + 2)
        sizes = [first, channels * channels, channels, channels, channels, 1]
        one, two, three, *biases = numbers.split(sizes, dim=-1)
        one = one.unflatten(-1, (channels, in_channels + 2))
        middle, last = two.unflatten(-1, (channels, channels)), three[:, None]
        return cls(one[..., :in_channels], one[..., in_channels:], middle, last, (biases[0], biases[1], biases[2]))

    def finish(self, read: Tensor, references: Tensor, size: tuple[int, int], stride: int) -> Tensor:
        """Masks from what the first layer read of the features, (num_masks, channels, height * width).

        references: (num_masks, 2) in pixels of the input, x first. The way from a pixel to its reference is told in
        pixels of the input, not as a share of the picture. Returns (num_masks, height, width) logits.
        """
        height, width = size
        x = torch.arange(width, device=read.device) * stride + stride // 2
        y = torch.arange(height, device=read.device) * stride + stride // 2
        dx = (references[:, 0, None] - x).unsqueeze(1).expand(-1, height, -1)
        dy = (references[:, 1, None] - y).unsqueeze(2).expand(-1, -1, width)
        out = torch.baddbmm(read, self.way, torch.stack([dx, dy], dim=1).flatten(2))
        out = F.relu(out + self.biases[0][..., None])
        out = F.relu(torch.baddbmm(self.biases[1][..., None], self.middle, out))
        out = torch.baddbmm(self.biases[2][..., None], self.last, out)
        return out.view(-1, height, width)


def count(in_channels: int, channels: int) -> int:
    """How many numbers describe the convolutions of one mask."""
    return channels * (in_channels + 2) + channels * channels + channels + 2 * channels + 1


def masks_of(features: Tensor, numbers: Tensor, references: Tensor, *, channels: int, stride: int) -> Tensor:
    """Masks of some queries on each picture, (batch, num_queries, height, width) logits.

    features: (batch, height, width, in_channels). numbers: (batch, num_queries, `count`). references: (batch,
    num_queries, 2) in pixels of the input, x first.
    """
    batch, height, width, in_channels = features.shape
    kernels = Kernels.read(numbers.flatten(0, 1), in_channels, channels)
    first = kernels.features.reshape(batch, -1, in_channels)
    read = torch.bmm(first, features.flatten(1, 2).transpose(1, 2))
    read = read.view(-1, channels, height * width)
    masks = kernels.finish(read, references.flatten(0, 1), (height, width), stride)
    return masks.view(batch, -1, height, width)


def masks_before(
    maps: Tensor, conv: nn.Conv2d, numbers: Tensor, references: Tensor, *, channels: int, stride: int
) -> Tensor:
    """`masks_of` the result of a 3x3 convolution, without running it, for one query on each picture.

    The convolution and the first layer of the query's are both linear, so they are multiplied into one of few output
    channels, which is many times cheaper. maps: (batch, channels, height, width) before the convolution. numbers:
    (batch, `count`). references: (batch, 2). Returns (batch, height, width) logits.
    """
    kernels = Kernels.read(numbers, conv.out_channels, channels)
    weight = torch.einsum("bco,oikl->bklci", kernels.features, conv.weight)
    assert conv.bias is not None
    bias = kernels.features @ conv.bias
    size = (maps.shape[2], maps.shape[3])
    # With so few channels a product with all nine weights, whose results are then moved, is faster than a convolution.
    taps = torch.bmm(weight.flatten(1, 3), maps.flatten(2)).view(len(maps), 9, -1, *size)
    read = bias[..., None, None].repeat(1, 1, *size)
    for tap, (down, right) in enumerate(product((-1, 0, 1), repeat=2)):
        here, there = zip(
            *(_overlap(step, length) for step, length in zip((down, right), size, strict=True)), strict=True
        )
        read[:, :, here[0], here[1]] += taps[:, tap, :, there[0], there[1]]
    return kernels.finish(read.flatten(2), references, size, stride)


def _overlap(step: int, length: int) -> tuple[slice, slice]:
    """The places of a row that have a neighbour `step` away, and those neighbours."""
    return slice(max(0, -step), length - max(0, step)), slice(max(0, step), length - max(0, -step))
