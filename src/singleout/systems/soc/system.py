"""What the zoo needs to know of SOC: variants, official names, and how a network becomes a `Segmenter`.

Importing it loads no torch; the methods do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.nn.naming import Conversion
from singleout.nn.referring.names import Shape, find_backbone

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.segmenter import Segmenter


@dataclass(frozen=True)
class SocSystem:
    """A `System` of `singleout.systems.catalog`, which says what each method is for."""

    name: str = "soc"
    title: str = "SOC"
    tokenizer: str | None = "FacebookAI/roberta-base"

    def variants(self) -> tuple[str, ...]:
        """Those with published weights; video-swin-s can be built and recognised as well."""
        return ("video-swin-t", "video-swin-b")

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """By the parts that only this system has, and the backbone's width and depth."""
        own = {"vlf.multihead_attn.in_proj_weight", "lvf.multihead_attn.in_proj_weight", "spatial_decoder.lay1.weight"}
        if not own <= shapes.keys():
            return None
        found = find_backbone(shapes)
        return found if found in (*self.variants(), "video-swin-s") else None

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """The number of classes: 65 for weights trained on Ref-YouTube-VOS from scratch, else 1."""
        return {"num_classes": int(shapes["class_embed.0.weight"][0])}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network of a variant with random weights."""
        from singleout.nn.referring.config import find_variant
        from singleout.systems.soc.config import VARIANTS
        from singleout.systems.soc.network import SocNetwork

        return SocNetwork(find_variant(self.title, VARIANTS, variant, config))

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours."""
        from singleout.systems.soc.checkpoint import convert_names

        return convert_names(state)

    def segmenter(self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None) -> Segmenter:
        """The loaded network as a `Segmenter`."""
        from singleout.systems.soc.inference import Soc
        from singleout.systems.soc.network import SocNetwork

        assert isinstance(network, SocNetwork)
        return Soc(network.eval().requires_grad_(False), name=name, tokenizer=tokenizer)


SYSTEM = SocSystem()
