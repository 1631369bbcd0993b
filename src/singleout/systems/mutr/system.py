"""What the zoo needs to know of MUTR: variants, official names, and how a network becomes a `Segmenter`.

Importing it loads no torch; the methods do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.nn.naming import Conversion
from singleout.nn.referring.names import Shape, find_backbone, is_referring

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.segmenter import Segmenter


@dataclass(frozen=True)
class MutrSystem:
    """A `System` of `singleout.systems.catalog`, which says what each method is for."""

    name: str = "mutr"
    title: str = "MUTR"
    tokenizer: str | None = "FacebookAI/roberta-base"

    def variants(self) -> tuple[str, ...]:
        """Those with published weights."""
        return (
            "resnet-50",
            "resnet-101",
            "swin-l",
            "video-swin-t",
            "video-swin-s",
            "video-swin-b",
            "convnext-l",
            "convmae-b",
        )

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """By the two modules that ReferFormer does not have, and the backbone's width and depth."""
        own = {"MTA.layers.0.multihead_attn.in_proj_weight", "mti.query_feat.weight"}
        if not own <= shapes.keys() or not is_referring(shapes):
            return None
        found = find_backbone(shapes)
        return found if found in self.variants() else None

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """Nothing: all published weights have one class."""
        return {}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network of a variant with random weights."""
        from singleout.systems.mutr.config import VARIANTS
        from singleout.systems.mutr.network import MutrNetwork

        if variant not in VARIANTS:
            raise InputError(f"MUTR has no variant {variant!r}; it has: {', '.join(VARIANTS)}")
        if config:
            raise InputError(f"the configuration of MUTR takes nothing; got {dict(config)}")
        return MutrNetwork(VARIANTS[variant])

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours."""
        from singleout.systems.mutr.checkpoint import convert_names

        return convert_names(state)

    def segmenter(self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None) -> Segmenter:
        """The loaded network as a `Segmenter`."""
        from singleout.systems.mutr.inference import Mutr
        from singleout.systems.mutr.network import MutrNetwork

        assert isinstance(network, MutrNetwork)
        return Mutr(network.eval().requires_grad_(False), name=name, tokenizer=tokenizer)


SYSTEM = MutrSystem()
