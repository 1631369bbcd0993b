"""MaskFormer's pixel decoder (Cheng et al. 2021): a feature pyramid from a backbone's coarsest map to stride 4."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.convolution import conv3x3
from singleout.nn.linear import is_fast
from singleout.nn.normed import NormedConv, normed_conv


class PyramidDecoder(nn.Module):
    """See the module. channels: of the backbone's maps, from stride 4 on."""

    def __init__(self, channels: Sequence[int], width: int = 256, *, mask_width: int = 256) -> None:
        super().__init__()
        *finer, coarsest = channels
        self.laterals = nn.ModuleList(normed_conv(wide, width, 1) for wide in finer)
        self.outputs = nn.ModuleList([*(normed_conv(width, width, 3) for _ in finer), normed_conv(coarsest, width, 3)])
        self.mask_features = nn.Conv2d(width, mask_width, 3, padding=1)
        nn.init.kaiming_uniform_(self.mask_features.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """What masks are read from, (batch, mask_width, h, w) at stride 4; maps: as `channels`."""
        *finer, coarsest = maps
        *laid, first = self.outputs
        running = _smooth(coarsest, first)
        for found, lateral, output in zip(finer[::-1], [*self.laterals][::-1], laid[::-1], strict=True):
            above = F.interpolate(running, found.shape[-2:], mode="nearest")
            here: Tensor = lateral.norm(F.conv2d(found, lateral.weight))
            running = _smooth(here.add_(above) if is_fast(above) else here + above, output)
        bias = self.mask_features.bias
        assert bias is not None
        return conv3x3(running, self.mask_features.weight) + bias[:, None, None]


def _smooth(x: Tensor, conv: nn.Module) -> Tensor:
    assert isinstance(conv, NormedConv)
    return F.relu(conv.norm(conv3x3(x, conv.weight)), inplace=is_fast(x))
