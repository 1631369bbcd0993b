"""Sizes of AOT and DeAOT and their published variants (Yang, Wei and Yang 2021; Yang and Yang 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from singleout.nn.backbones.resnet import RESNETS, ResNetConfig
from singleout.nn.backbones.swin import SWINS, SwinConfig

NEVER = 9999  # frames between two that are remembered, where only the given ones are


@dataclass(frozen=True)
class AOTConfig:
    """Shape of the network and how it remembers."""

    encoder: ResNetConfig | SwinConfig | Literal["mobilenet_v2"]  #: what turns a frame into maps
    num_blocks: int  #: layers that look into the memory
    gap: int = NEVER  #: frames between two that the long-term memory keeps
    training_gap: int = NEVER  #: the same in training, whose clips are short
    gated: bool = False  #: DeAOT: what is seen and whose it is go through the layers apart
    align_corners: bool = True  #: sizes are multiples of 16 plus 1, and maps are enlarged corner to corner
    width: int = 256  #: channels of a token
    num_ids: int = 10  #: objects that share a pass; the weights of the identities have one row more
    radius: int = 7  #: of the window that the short-term memory is seen through
    drop_path: float = 0.1  #: share of branches left out in training

    @property
    def patch(self) -> int:
        """Side of the patch of labels that becomes one identity token."""
        return 17 if self.align_corners else 16


def _stages(encoder: ResNetConfig | SwinConfig, **changed: object) -> ResNetConfig | SwinConfig:
    return replace(encoder, num_stages=3, **changed)  # type: ignore[arg-type]


_TINY = AOTConfig("mobilenet_v2", 1)
_LARGE = AOTConfig("mobilenet_v2", 3, gap=5, training_gap=2)
_R50 = replace(_LARGE, encoder=_stages(RESNETS["resnet50"]))
_SWIN_B = replace(_LARGE, encoder=_stages(SWINS["swin_b"]), align_corners=False)
_SWIN_L = replace(_SWIN_B, encoder=_stages(SWINS["swin_l"], window=(1, 12, 12)))

#: T, S and B keep only given frames; B and L have the same tensors. Weights of r101-aotl were never published, and the
#: configuration of swinl-deaotl never was: it is inferred from that of swinl-aotl and the others.
VARIANTS: dict[str, AOTConfig] = {
    "aott": _TINY,
    "aots": replace(_TINY, num_blocks=2),
    "aotb": replace(_TINY, num_blocks=3),
    "aotl": _LARGE,
    "r50-aotl": _R50,
    "r101-aotl": replace(_LARGE, encoder=_stages(RESNETS["resnet101"])),
    "swinb-aotl": _SWIN_B,
    "swinl-aotl": _SWIN_L,
    "deaott": replace(_TINY, gated=True),
    "deaots": replace(_TINY, num_blocks=2, gated=True),
    "deaotb": replace(_TINY, num_blocks=3, gated=True),
    "deaotl": replace(_LARGE, gated=True),
    "r50-deaotl": replace(_R50, gated=True),
    "swinb-deaotl": replace(_SWIN_B, gated=True),
    "swinl-deaotl": replace(_SWIN_L, gated=True),
}
