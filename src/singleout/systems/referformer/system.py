"""What the zoo needs to know of ReferFormer: variants, official names, and how a network becomes a `Segmenter`.

Importing it loads no torch; the methods do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.nn.naming import Conversion
from singleout.nn.referring.names import Shape, find_backbone, is_referring

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.segmenter import Segmenter


@dataclass(frozen=True)
class ReferFormerSystem:
    """A `System` of `singleout.systems.catalog`, which says what each method is for."""

    name: str = "referformer"
    title: str = "ReferFormer"
    tokenizer: str | None = "FacebookAI/roberta-base"

    def variants(self) -> tuple[str, ...]:
        """Those with published weights; swin-s and swin-b can be built and recognised as well."""
        return (
            "resnet-50",
            "resnet-101",
            "swin-t",
            "swin-l",
            "video-swin-t",
            "video-swin-s",
            "video-swin-b",
        )

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """By the parts that only this system has, and the backbone's width and depth."""
        # MUTR is this network with two modules more.
        if not is_referring(shapes) or any(name.startswith(("MTA.", "mti.")) for name in shapes):
            return None
        found = find_backbone(shapes)
        return found if found in (*self.variants(), "swin-s", "swin-b") else None

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """The number of classes, which depends on what the weights were trained on."""
        return {"num_classes": int(shapes["class_embed.0.weight"][0])}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network of a variant with random weights."""
        from singleout.nn.referring.config import find_variant
        from singleout.systems.referformer.config import VARIANTS
        from singleout.systems.referformer.network import ReferFormerNetwork

        return ReferFormerNetwork(find_variant(self.title, VARIANTS, variant, config))

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours."""
        from singleout.systems.referformer.checkpoint import convert_names

        return convert_names(state)

    def segmenter(self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None) -> Segmenter:
        """The loaded network as a `Segmenter`."""
        from singleout.systems.referformer.inference import ReferFormer
        from singleout.systems.referformer.network import ReferFormerNetwork

        assert isinstance(network, ReferFormerNetwork)
        return ReferFormer(network.eval().requires_grad_(False), name=name, tokenizer=tokenizer)


SYSTEM = ReferFormerSystem()
