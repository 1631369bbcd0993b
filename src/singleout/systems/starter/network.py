"""The starter's network: one image backbone, pixels in the text tower's space, and masks carried by matching.

Tensors in, tensors out. Pixels that live in a text space follow LSeg (Li et al. 2022); the propagation follows
space-time memory networks (Oh et al. 2019) and CFBI (Yang et al. 2020), made small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.efficientnet_lite import CHANNELS, EfficientNetLite0
from singleout.nn.layers import ConvNorm, Separable, upsample_like
from singleout.systems.starter.config import StarterConfig
from singleout.systems.starter.matching import Memory, aggregate, read_global, read_local

GUIDANCE_CHANNELS = 4  # positive clicks, negative clicks, inside of a box, word scores


@dataclass(frozen=True)
class Features:
    """What the network sees in a batch of frames. x4, x8, x16, x32: (batch, channels, height/s, width/s).

    key: (batch, key_channels, height/16, width/16) and local_key: (batch, local_channels, height/8, width/8), scaled
    so that their products are similarities for a softmax.
    """

    x4: Tensor
    x8: Tensor
    x16: Tensor
    x32: Tensor
    key: Tensor
    local_key: Tensor

    def __getitem__(self, index: int | slice) -> Features:
        """One frame (kept as a batch of one) or some of the batch."""
        part = slice(index, index + 1) if isinstance(index, int) else index
        return Features(*(getattr(self, name)[part] for name in self.__dataclass_fields__))

    def repeat(self, count: int) -> Features:
        """Each frame `count` times in a row, for decoders that take one frame per object."""
        if count == 1:
            return self
        return Features(*(getattr(self, name).repeat_interleave(count, dim=0) for name in self.__dataclass_fields__))


class Neck(nn.Module):
    """Feature pyramid (Lin et al. 2017) with a picture-wide mean at its top."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        w4, w8, w16, w32 = widths
        self.top = ConvNorm(CHANNELS[32], w32)
        self.context = nn.Sequential(nn.Linear(CHANNELS[32], w32), nn.ReLU(), nn.Linear(w32, w32))
        self.smooth32 = Separable(w32, w32, 5)
        self.lateral16, self.down16, self.smooth16 = (
            ConvNorm(CHANNELS[16], w16),
            ConvNorm(w32, w16),
            Separable(w16, w16, 5),
        )
        self.lateral8, self.down8, self.smooth8 = (
            ConvNorm(CHANNELS[8], w8),
            ConvNorm(w16, w8),
            Separable(w8, w8, 5),
        )
        self.lateral4, self.down4, self.smooth4 = (
            ConvNorm(CHANNELS[4], w4),
            ConvNorm(w8, w4),
            Separable(w4, w4),
        )

    def forward(self, pyramid: dict[int, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """pyramid: backbone features keyed by stride. Returns them at strides 4, 8, 16, 32, each as wide as asked."""
        x32 = self.top(pyramid[32]) + self.context(pyramid[32].mean(dim=(2, 3)))[:, :, None, None]
        x32 = self.smooth32(x32)
        l16, l8, l4 = self.lateral16(pyramid[16]), self.lateral8(pyramid[8]), self.lateral4(pyramid[4])
        x16 = self.smooth16(l16 + upsample_like(self.down16(x32), l16))
        x8 = self.smooth8(l8 + upsample_like(self.down8(x16), l8))
        x4 = self.smooth4(l4 + upsample_like(self.down4(x8), l4))
        return x4, x8, x16, x32


class MaskDecoder(nn.Module):
    """From coarse evidence per object to a mask at stride 4, with the picture's own features at each step."""

    def __init__(self, widths: tuple[int, int, int, int], evidence: tuple[int, int, int], *, wide: bool) -> None:
        super().__init__()
        w4, w8, w16, w32 = widths
        e4, e8, e16 = evidence
        self.in16 = ConvNorm(w16 + e16 + (w32 if wide else 0), 96)
        self.mix16 = nn.Sequential(
            Separable(96, 96, 5),
            Separable(96, 96, dilation=2),
            *([Separable(96, 96, dilation=4)] if wide else []),
        )
        self.in8 = ConvNorm(96 + w8 + e8, 64)
        self.mix8 = nn.Sequential(Separable(64, 64, 5), Separable(64, 64))
        self.in4 = ConvNorm(64 + w4 + e4, 40)
        self.mix4 = nn.Sequential(Separable(40, 40), Separable(40, 40))
        self.out = nn.Conv2d(40, 1, 3, padding=1)
        self.wide = wide

    def forward(self, features: Features, e4: Tensor, e8: Tensor, e16: Tensor) -> Tensor:
        """features: of one frame per object. e4, e8, e16: (num_objects, channels, height/s, width/s).

        Returns logits, (num_objects, height/4, width/4).
        """
        x4, x8, x16 = features.x4, features.x8, features.x16
        top = [x16, e16, upsample_like(features.x32, x16)] if self.wide else [x16, e16]
        x: Tensor = self.mix16(self.in16(torch.cat(top, dim=1)))
        x = self.mix8(self.in8(torch.cat([upsample_like(x, x8), x8, e8], dim=1)))
        x = self.mix4(self.in4(torch.cat([upsample_like(x, x4), x4, e4], dim=1)))
        logits: Tensor = self.out(x)[:, 0]
        return logits


class StarterNetwork(nn.Module):
    """Everything that the starter computes on pictures."""

    def __init__(self, config: StarterConfig | None = None) -> None:
        super().__init__()
        self.config = config or StarterConfig()
        c, widths = self.config, self.config.widths
        _, w8, w16, _ = widths
        self.backbone = EfficientNetLite0()
        self.neck = Neck(widths)
        self.key = nn.Conv2d(w16, c.key_width, 1)
        self.local_key = nn.Conv2d(w8, c.local_width, 1)
        self.key_scale = nn.Parameter(torch.tensor(math.log(30.0)))
        self.local_scale = nn.Parameter(torch.tensor(math.log(30.0)))
        # A mask enters the memory as the 4x4 cells of stride 4 under each cell of stride 16.
        self.value = nn.Sequential(ConvNorm(w16 + 32, 96), Separable(96, 96), nn.Conv2d(96, c.value_width, 1))
        self.carry = MaskDecoder(widths, (1, 2, c.value_width + 1), wide=False)
        self.trust = nn.Parameter(torch.tensor([0.6, 0.4]))
        for parameter in self.carry.out.parameters():
            nn.init.zeros_(parameter)
        self.choose = MaskDecoder(widths, (GUIDANCE_CHANNELS, GUIDANCE_CHANNELS + 2, GUIDANCE_CHANNELS), wide=True)
        self.pixel = nn.Sequential(Separable(w8, 128, 5), Separable(128, 128), nn.Conv2d(128, c.text_width, 1))
        self.text = nn.Linear(c.text_width, c.text_width)
        self.text_bias = nn.Linear(c.text_width, 1)
        nn.init.eye_(self.text.weight)
        nn.init.zeros_(self.text.bias)
        nn.init.zeros_(self.text_bias.weight)
        nn.init.constant_(self.text_bias.bias, -4.0)

    def encode(self, images: Tensor) -> Features:
        """images: (batch, 3, height, width) RGB, 0 to 1, height and width multiples of 32."""
        return self.encode_pyramid(self.backbone(images * 2 - 1))

    def encode_pyramid(self, pyramid: dict[int, Tensor]) -> Features:
        """pyramid: features of the backbone keyed by stride."""
        x4, x8, x16, x32 = self.neck(pyramid)
        key = self._key(pyramid[16], self.key(x16)) * self.key_scale.exp().sqrt()
        local_key = self._key(pyramid[8], self.local_key(x8)) * self.local_scale.exp().sqrt()
        return Features(x4, x8, x16, x32, key, local_key)

    @staticmethod
    def _key(seen: Tensor, learned: Tensor) -> Tensor:
        """What the backbone sees matches well from the start; what is learned is added beside it."""
        return torch.cat([F.normalize(seen, dim=1), 0.7 * F.normalize(learned, dim=1)], dim=1)

    # Words

    def pixels(self, features: Features) -> Tensor:
        """Every cell in the text space: (batch, text_width, height/8, width/8)."""
        out: Tensor = self.pixel(features.x8)
        return out

    def word_logits(self, pixels: Tensor, text: Tensor) -> Tensor:
        """pixels: (batch, text_width, h, w). text: (num_texts, text_width) of the text tower.

        Returns (batch, num_texts, h, w): logits of "this cell belongs to what the text names", each text for itself.
        """
        vectors = self.text(text)
        bias = self.text_bias(text)[:, 0]
        logits: Tensor = torch.einsum("bchw,kc->bkhw", pixels, vectors) + bias[None, :, None, None]
        return logits

    def word_scores(self, pixels: Tensor, text: Tensor) -> Tensor:
        """`word_logits` as probabilities, (batch, num_texts, h, w)."""
        return self.word_logits(pixels, text).float().sigmoid()

    # Marks

    def select(self, features: Features, guidance: Tensor) -> Tensor:
        """Turn hints into masks.

        features: of one frame per object (`Features.repeat`). guidance: (num_objects, 4, height/4, width/4), 0 to 1:
        bumps at positive clicks, at negative clicks, inside of a box, word scores; a hint that is not given is zero.
        Returns logits, (num_objects, height/4, width/4).
        """
        fine = F.max_pool2d(guidance, 2)
        alike = torch.cat([_likeness(features.local_key, fine[:, :1]), _likeness(features.local_key, fine[:, 1:2])], 1)
        evidence8 = torch.cat([fine, alike.to(fine.dtype)], dim=1)
        logits: Tensor = self.choose(features, guidance, evidence8, F.max_pool2d(guidance, 4))
        return logits

    # Propagation

    def remember(self, features: Features, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """What frames leave in memory. probabilities: (batch, num_objects, height/4, width/4).

        Returns keys, (batch, key_channels, cells), and values, (batch, num_objects, value_width + 1, cells).
        """
        batch, count = probabilities.shape[:2]
        probabilities = probabilities.to(features.x16.dtype)
        others = (probabilities.sum(dim=1, keepdim=True) - probabilities).clamp(0, 1)
        single = probabilities.flatten(0, 1)[:, None]
        fine = torch.cat([F.pixel_unshuffle(single, 4), F.pixel_unshuffle(others.flatten(0, 1)[:, None], 4)], dim=1)
        value = self.value(torch.cat([features.x16.repeat_interleave(count, dim=0), fine], dim=1))
        value = torch.cat([value, F.avg_pool2d(single, 4)], dim=1)
        return features.key.flatten(2), value.flatten(2).unflatten(0, (batch, count))

    def read(self, features: Features, keys: Tensor, values: Tensor, local_key: Tensor, last: Tensor) -> Tensor:
        """Logits of each object in frames whose past is given.

        features: of `batch` frames. keys, values: as `remember` gives, joined over the remembered frames. Of the
        frame before: local_key, (batch, local_channels, height/8, width/8), and last, (batch, num_objects, height/4,
        width/4).
        Returns (batch, num_objects, height/4, width/4).
        """
        batch, count = last.shape[:2]
        top_k = None if self.training else self.config.top_k
        read = read_global(features.key.flatten(2), keys, values, top_k)
        read = read.flatten(0, 1).unflatten(2, features.x16.shape[-2:])
        last8 = F.avg_pool2d(last.to(features.x8.dtype), 2)
        local = read_local(features.local_key, local_key, last8, self.config.local_radius).flatten(0, 1)[:, None]
        evidence8 = torch.cat([local, last8.flatten(0, 1)[:, None]], dim=1)
        evidence4 = upsample_like(local, features.x4)
        # The decoder corrects what plain label propagation says.
        matched = upsample_like(read[:, -1:], features.x4)
        both = torch.cat([evidence4, matched], dim=1).clamp(0.01, 0.99).logit()
        plain = (self.trust[:, None, None] * both).sum(dim=1)
        logits: Tensor = plain + self.carry(features.repeat(count), evidence4, evidence8, read)
        per_frame: Tensor = logits.unflatten(0, (batch, count))
        return per_frame

    def write(self, memory: Memory, features: Features, probabilities: Tensor, *, pinned: bool = False) -> None:
        """Make a frame the last one of `memory`, and remember it if it is pinned or its turn has come.

        features: of one frame. probabilities: (num_objects, height/4, width/4); the number of objects must not change
        except by a new Memory.
        """
        if pinned or memory.steps % self.config.memory_gap == 0:
            key, value = self.remember(features, probabilities[None])
            memory.keep(key[0], value[0], pinned=pinned, recent_frames=self.config.recent_frames)
        memory.local_key = features.local_key[0]
        memory.last = probabilities
        memory.steps += 1

    def propagate(self, memory: Memory, features: Features) -> Tensor:
        """Probabilities of each object of `memory` in the next frame, (num_objects, height/4, width/4)."""
        assert memory.local_key is not None and memory.last is not None
        keys, values = torch.cat(memory.keys, dim=1), torch.cat(memory.values, dim=2)
        logits = self.read(features, keys[None], values[None], memory.local_key[None], memory.last[None])
        return aggregate(logits[0])


def _likeness(keys: Tensor, weights: Tensor) -> Tensor:
    """How much each cell looks like those that are weighted. keys: (batch, channels, h, w); weights: (batch, 1, h, w).

    Returns cosines, (batch, 1, h, w); 0 where nothing is weighted.
    """
    keys = F.normalize(keys.float(), dim=1)
    mean = (keys * weights).sum(dim=(2, 3), keepdim=True)
    return (keys * F.normalize(mean, dim=1)).sum(dim=1, keepdim=True)
