"""A feature pyramid whose every level looks at all frames and at the words (ReferFormer, Wu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.convolution import conv3x3
from singleout.nn.linear import is_fast
from singleout.nn.mask_pyramid import MaskPyramid
from singleout.nn.normed import NormedConv
from singleout.nn.vision_language import VisionLanguageBlock, Words

_GROUPS = 8  # of every group norm


class CrossModalFPN(MaskPyramid):
    """See the module. At stride s attention among pixels runs on every (32 / s)-th of them."""

    def __init__(
        self, channels: Sequence[int], width: int, out_width: int, *, hidden: int, num_heads: int, dropout: float
    ) -> None:
        super().__init__()
        count = len(channels)
        self.laterals = nn.ModuleList(NormedConv(wide, width, 1, groups=_GROUPS) for wide in channels)
        self.blocks = nn.ModuleList(
            VisionLanguageBlock(width, hidden, num_heads, dropout, factor=1 << index) for index in range(count)
        )
        self.outputs = nn.ModuleList(NormedConv(width, width, 3, groups=_GROUPS) for _ in range(count))
        self.mask_features = nn.Conv2d(width, out_width, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)  # type: ignore[arg-type]

    def lateral(self, index: int, maps: Tensor) -> Tensor:
        """See `MaskPyramid`; all levels come in with the width of the pyramid."""
        tokens: Tensor = self.laterals[index](maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        return tokens

    def see_frames(self, index: int, tokens: Tensor, positions: Tensor, padding: Tensor | None) -> Tensor:
        """The wordless half of a level, attention among the pixels of all frames, on what `lateral` gave.

        Sentences may share the result where the map knows no words itself.
        """
        block = self.blocks[index]
        assert isinstance(block, VisionLanguageBlock)
        return block.see_frames(tokens, positions, padding)

    @property
    def transformer_parts(self) -> nn.Module:
        """The blocks of all levels."""
        return self.blocks

    def forward(self, levels: Sequence[Tensor], positions: Sequence[Tensor], words: Words) -> Tensor:
        """See `MaskPyramid`."""
        above: Tensor | None = None
        for index, (tokens, places) in enumerate(zip(levels, positions, strict=True)):
            block, output = self.blocks[index], self.outputs[index]
            assert isinstance(block, VisionLanguageBlock)
            assert isinstance(output, NormedConv)
            here = block.read_words(tokens, places, words).flatten(0, 1).permute(0, 3, 1, 2)
            if above is not None:
                # What is new has the order that the convolution takes, so that nothing is transposed by itself.
                here = F.interpolate(above, here.shape[2:], mode="nearest").add_(here)
            above = F.relu(output.norm(conv3x3(here, output.weight)), inplace=is_fast(here))
        assert above is not None
        return above
