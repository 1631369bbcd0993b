"""Mask2Former's pixel decoder (Cheng et al. 2022): from a backbone's maps to what queries look at and masks come from.

Maps of strides 32, 16 and 8 see each other by deformable attention; the finest of them is then laid over stride 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.deformable import Shapes
from singleout.nn.deformable_transformer import Encoder, Ground
from singleout.nn.linear import is_fast, linear
from singleout.nn.normed import normed_conv
from singleout.nn.positions import sine_grid

LEVELS = 3  # strides 32, 16 and 8
_GROUPS = 32  # of every group norm


@dataclass(frozen=True)
class PixelMaps:
    """levels: at strides 32, 16 and 8, (batch, h, w, width) each. finest: at stride 4, what masks are read from."""

    levels: list[Tensor]
    finest: Tensor


class PixelDecoder(nn.Module):
    """See the module. channels: of the backbone's maps at strides 4, 8, 16 and 32."""

    def __init__(
        self,
        channels: Sequence[int],
        width: int = 256,
        *,
        mask_width: int = 256,
        num_layers: int = 6,
        hidden: int = 1024,
        num_heads: int = 8,
        num_points: int = 4,
    ) -> None:
        super().__init__()
        self.width = width
        projections = [nn.Conv2d(wide, width, 1) for wide in reversed(channels[1:])]
        self.input_projections = nn.ModuleList(
            nn.Sequential(conv, nn.GroupNorm(_GROUPS, width)) for conv in projections
        )
        self.level_embedding = nn.Parameter(torch.empty(LEVELS, width))
        self.encoder = Encoder(
            width,
            num_layers=num_layers,
            hidden=hidden,
            num_heads=num_heads,
            num_levels=LEVELS,
            num_points=num_points,
            dropout=0.0,
        )
        self.lateral = normed_conv(channels[0], width, 1)
        self.output = normed_conv(width, width, 3)
        self.mask_features = nn.Conv2d(width, mask_width, 1)
        self._ground: tuple[object, Ground] | None = None
        self._reset()

    @torch.no_grad()
    def _reset(self) -> None:
        nn.init.normal_(self.level_embedding)
        for projection in self.input_projections:
            assert isinstance(projection, nn.Sequential)
            nn.init.xavier_uniform_(projection[0].weight)  # type: ignore[arg-type]
            nn.init.zeros_(projection[0].bias)  # type: ignore[arg-type]
        for name, parameter in self.encoder.named_parameters():
            if parameter.ndim > 1 and name.rsplit(".", 2)[-2] not in ("sampling_offsets", "attention_weights"):
                nn.init.xavier_uniform_(parameter)
        nn.init.kaiming_uniform_(self.mask_features.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> PixelMaps:
        """maps: the backbone's, at strides 4, 8, 16 and 32, (batch, channels, h, w) each."""
        projected = [
            projection(found).permute(0, 2, 3, 1)
            for projection, found in zip(self.input_projections, reversed(maps[1:]), strict=True)
        ]
        shapes = [(level.shape[1], level.shape[2]) for level in projected]
        tokens = torch.cat([level.flatten(1, 2) for level in projected], dim=1)
        # Nothing is hidden from anyone: the zeros that fill up a picture are looked at like the rest of it.
        tokens = self.encoder(tokens, self._grounds(shapes, tokens), None)
        sizes = [height * width for height, width in shapes]
        levels = [part.unflatten(1, shape) for part, shape in zip(tokens.split(sizes, dim=1), shapes, strict=True)]
        return PixelMaps(levels, self._finest(maps[0], levels[-1]))

    def _finest(self, found: Tensor, level: Tensor) -> Tensor:
        """found: (batch, channels, h, w) at stride 4. level: (batch, h, w, width) at stride 8."""
        above = F.interpolate(level.permute(0, 3, 1, 2), found.shape[-2:], mode="bilinear", align_corners=False)
        here = self.lateral(found.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        here = above.add_(here) if is_fast(above) else above + here
        # Attention asks which masks are above zero, and single cells change sides where rounding is as coarse as in the
        # faster `conv3x3`; with channels last it still is four times that of this order, which costs a sixth more.
        crossed = F.conv2d(here.contiguous(), self.output.weight, padding=1)
        laid = F.relu(self.output.norm(crossed), inplace=is_fast(here))
        weight = self.mask_features.weight
        return linear(laid.permute(0, 2, 3, 1), weight.flatten(1), self.mask_features.bias)

    def _grounds(self, shapes: Shapes, tokens: Tensor) -> Ground:
        """What the encoder knows of pictures of this size; kept for the next one where nothing is trained."""
        marks = self.level_embedding
        weights = tuple((one.data_ptr(), 0 if one.is_inference() else one._version) for one in self.parameters())
        # What was made for inference alone cannot be written to elsewhere, and a part of it is scratch paper.
        of = (tuple(shapes), tokens.device, weights, torch.is_inference_mode_enabled())
        fast = is_fast(tokens) and not marks.requires_grad
        if fast and self._ground is not None and self._ground[0] == of:
            return self._ground[1]
        places = [sine_grid(shape, self.width, tokens.device).flatten(0, 1) for shape in shapes]
        positions = torch.cat([place + mark for place, mark in zip(places, marks, strict=True)])[None]
        ground = self.encoder.ground(positions, positions.new_ones(1, LEVELS, 2), shapes)
        if fast:
            self._ground = of, ground
        return ground
