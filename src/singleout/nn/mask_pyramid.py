"""What turns maps of several strides into one map that masks are read from, and the plain way to do it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.vision_language import Words


class MaskPyramid(nn.Module, ABC):
    """Maps of strides 32, 16, 8 and 4 to one map of stride 4, for masks.

    Its steps are apart, so that what frames share and what sentences share is computed once. The last convolution,
    `mask_features`, is linear and is run apart, because a mask head may take it in; see `dynamic_mask`.
    """

    mask_features: nn.Conv2d

    @abstractmethod
    def lateral(self, index: int, maps: Tensor) -> Tensor:
        """The convolution by which a level comes in, frame by frame; index: 0 for the coarsest.

        maps: (batch, time, height, width, channels), to the same with other channels.
        """

    def see_frames(self, index: int, tokens: Tensor, positions: Tensor, padding: Tensor | None) -> Tensor:
        """What a level learns of other frames and no words, on what `lateral` gave; nothing by default."""
        return tokens

    @abstractmethod
    def forward(self, levels: Sequence[Tensor], positions: Sequence[Tensor], words: Words) -> Tensor:
        """The last map before `mask_features`, (num_sentences * time, channels, height, width).

        levels: what `see_frames` gave, of all frames or of some of them, coarsest first.
        """

    @property
    def transformer_parts(self) -> nn.Module:
        """The parts that start training as the layers of a transformer do."""
        return nn.ModuleList()


class NarrowingPyramid(MaskPyramid):
    """Convolutions that halve the channels whenever the map doubles in size; knows neither words nor other frames.

    The mask head of DETR (Carion et al. 2020) as MTTR has it (Botach et al. 2022). channels: of the four levels,
    coarsest first.
    """

    def __init__(self, channels: Sequence[int], out_width: int) -> None:
        super().__init__()
        wide = channels[0]
        widths = [wide, *(wide >> step for step in range(1, len(channels) + 1))]
        self.laterals = nn.ModuleList(
            nn.Conv2d(there, width, 1) for there, width in zip(channels[1:], widths[1:], strict=False)
        )
        self.outputs = nn.ModuleList(_Block(before, after) for before, after in pairwise([wide, *widths]))
        self.mask_features = nn.Conv2d(widths[-1], out_width, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def lateral(self, index: int, maps: Tensor) -> Tensor:
        """See `MaskPyramid`; the coarsest level comes in as it is."""
        if index == 0:
            return maps
        found: Tensor = self.laterals[index - 1](maps.flatten(0, 1).permute(0, 3, 1, 2))
        tokens: Tensor = found.permute(0, 2, 3, 1).unflatten(0, maps.shape[:2])
        return tokens

    def forward(self, levels: Sequence[Tensor], positions: Sequence[Tensor], words: Words) -> Tensor:
        """See `MaskPyramid`; a finest level that sentences share may be of one video only."""
        coarsest, *finer = levels
        first, *others = self.outputs
        above: Tensor = first(_maps(coarsest))
        for output, level in zip(others[:-1], finer, strict=True):
            above = output(above)
            here = _maps(level)
            grown = F.interpolate(above, here.shape[2:], mode="nearest")
            above = (grown.unflatten(0, (-1, len(here))) + here).flatten(0, 1)
        last: Tensor = others[-1](above)
        return last


class _Block(nn.Conv2d):
    """Convolution of size 3, group norm of 8 groups and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.norm = nn.GroupNorm(8, out_channels)

    def forward(self, input: Tensor) -> Tensor:
        """input: (batch, channels, height, width)."""
        return torch.relu(self.norm(super().forward(input)))


def _maps(level: Tensor) -> Tensor:
    """(batch, time, height, width, channels) to (batch * time, channels, height, width)."""
    return level.flatten(0, 1).permute(0, 3, 1, 2)
