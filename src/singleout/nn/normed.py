"""A convolution and the group norm behind it, as pixel decoders are made of."""

from __future__ import annotations

from torch import Tensor, nn


class NormedConv(nn.Conv2d):
    """Convolution without bias and group norm, with "same" padding."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, groups: int) -> None:
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.GroupNorm(groups, out_channels)

    def forward(self, input: Tensor) -> Tensor:
        """input: (batch, height, width, in_channels), to the same with out_channels."""
        out: Tensor = self.norm(super().forward(input.permute(0, 3, 1, 2)))
        return out.permute(0, 2, 3, 1)


def normed_conv(in_channels: int, out_channels: int, kernel: int) -> NormedConv:
    """A `NormedConv` of 32 groups whose weights begin as MaskFormer's and its children's do."""
    conv = NormedConv(in_channels, out_channels, kernel, groups=32)
    nn.init.kaiming_uniform_(conv.weight, a=1)
    return conv
