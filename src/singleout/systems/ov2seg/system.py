"""What the zoo needs to know of OV2Seg: variants, official names, and how a network becomes a `Segmenter`.

Importing it loads no torch; the methods do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.nn.mask2former.names import PREDICTOR, count_names, find_backbone
from singleout.nn.naming import Conversion

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.nn.text.words import Words
    from singleout.segmenter import Segmenter

Shape = tuple[int, ...]

_SIZES = {"num_queries": 100, "text_width": 512, "decoder_layers": 6}


@dataclass(frozen=True)
class OV2SegSystem:
    """A `System` of `singleout.systems.catalog`, which says what each method is for."""

    name: str = "ov2seg"
    title: str = "OV2Seg"
    tokenizer: str | None = "openai/clip-vit-base-patch32"
    text_tower: str = "clip/vit-b-32"
    name_table: str | None = None

    def variants(self) -> tuple[str, ...]:
        """The sizes."""
        return ("resnet-50", "swin-b")

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """By the heads for objects and for words, which only this system has together, and the backbone's sizes."""
        own = (f"{PREDICTOR}object_embed.layers.1.weight", f"{PREDICTOR}class_embed.linear.2.weight")
        if any(name not in shapes for name in own):
            return None
        if "backbone.base.layer1.0.conv3.weight" in shapes:
            return {6: "resnet-50"}.get(count_names(shapes, r"backbone\.base\.layer3\.\d+\.conv1\.weight"))
        return {"swin-b": "swin-b"}.get(find_backbone(shapes) or "")

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """The number of queries, the width of rows of the classifier, and the number of layers.

        The layers are counted because a network with fewer or more of them than it was trained with finds nothing.
        """
        return {
            "num_queries": int(shapes[f"{PREDICTOR}query_embed.weight"][0]),
            "text_width": int(shapes[f"{PREDICTOR}class_embed.linear.2.weight"][0]),
            "decoder_layers": count_names(shapes, re.escape(PREDICTOR) + r"transformer_ffn_layers\.\d+\.norm\.weight"),
        }

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network of a variant, its weights still to be filled."""
        from dataclasses import replace

        import torch

        from singleout.systems.ov2seg.config import VARIANTS
        from singleout.systems.ov2seg.network import OV2SegNetwork

        if variant not in VARIANTS:
            raise InputError(f"OV2Seg has no variant {variant!r}; it has: {', '.join(VARIANTS)}")
        sizes = {**_SIZES, **config}
        numbers = all(isinstance(value, int) and not isinstance(value, bool) and value >= 1 for value in sizes.values())
        if len(sizes) > len(_SIZES) or not numbers:
            raise InputError(
                f"the configuration of OV2Seg takes {', '.join(_SIZES)}, numbers from 1 on; got {dict(config)}"
            )
        # Drawing weights that are then overwritten would take longer than reading those.
        with torch.device("meta"):
            network = OV2SegNetwork(replace(VARIANTS[variant], **sizes))
        return network if torch.get_default_device().type == "meta" else network.to_empty(device="cpu")

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours."""
        from singleout.systems.ov2seg.checkpoint import convert_names

        return convert_names(state)

    def segmenter(
        self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None, words: Words | None = None
    ) -> Segmenter:
        """The loaded network as a `Segmenter`."""
        from singleout.systems.ov2seg.inference import OV2Seg
        from singleout.systems.ov2seg.network import OV2SegNetwork

        assert isinstance(network, OV2SegNetwork)
        return OV2Seg(network.eval().requires_grad_(False), name=name, words=words)


SYSTEM = OV2SegSystem()
