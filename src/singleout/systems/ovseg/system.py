"""What the zoo needs to know of OVSeg: variants, official names, and how a network becomes a `Segmenter`.

Importing it loads no torch; the methods do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.nn.naming import Conversion

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.nn.text.words import Kept
    from singleout.segmenter import Segmenter

Shape = tuple[int, ...]

_SIZES = ("swin-b", "r101c")
_QUERIES = "sem_seg_head.predictor.query_embed.weight"
_PROMPTS = "clip_adapter.clip_model.visual.mask_embedding"


@dataclass(frozen=True)
class OVSegSystem:
    """A `System` of `singleout.systems.catalog`, which says what each method is for."""

    name: str = "ovseg"
    title: str = "OVSeg"
    tokenizer: str | None = "openai/clip-vit-base-patch32"

    @property
    def asking(self) -> str:
        """A digest of the templates that names are put into."""
        from singleout.nn.text.words import OVSEG

        return OVSEG.digest

    def variants(self) -> tuple[str, ...]:
        """Swin-B with CLIP ViT-L/14, and DeepLab's ResNet-101 with ViT-B/16."""
        return _SIZES

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """By the parts that only this system has, and the backbone."""
        if "clip_adapter.non_object_embedding" not in shapes or _QUERIES not in shapes:
            return None
        if "backbone.stem.conv3.weight" in shapes:
            return "r101c"
        return "swin-b" if shapes.get("backbone.patch_embed.proj.weight", (0,))[0] == 128 else None

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """The number of queries and the depth of mask prompts."""
        return {"num_queries": int(shapes[_QUERIES][0]), "prompt_depth": int(shapes[_PROMPTS][0])}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network of a variant, its weights still to be filled."""
        from dataclasses import replace

        import torch

        from singleout.systems.ovseg.config import VARIANTS
        from singleout.systems.ovseg.network import OVSegNetwork

        if variant not in VARIANTS:
            raise InputError(f"OVSeg has no variant {variant!r}; it has: {', '.join(self.variants())}")
        sizes = {"num_queries": 100, "prompt_depth": 3} | dict(config)
        numbers = all(isinstance(value, int) and value >= 1 for value in sizes.values())
        if len(sizes) > 2 or not numbers:
            raise InputError(
                f"the configuration of OVSeg takes num_queries and prompt_depth, numbers from 1 on; got {dict(config)}"
            )
        shape = VARIANTS[variant]
        images = replace(shape.clip.images, prompt_depth=sizes["prompt_depth"])
        shape = replace(shape, clip=replace(shape.clip, images=images), num_queries=sizes["num_queries"])
        # Drawing weights that are then overwritten would take longer than reading those.
        with torch.device("meta"):
            network = OVSegNetwork(shape)
        return network if torch.get_default_device().type == "meta" else network.to_empty(device="cpu")

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours."""
        from singleout.systems.ovseg.checkpoint import convert_names

        return convert_names(state)

    def segmenter(
        self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None, kept: Kept | None = None
    ) -> Segmenter:
        """The loaded network as a `Segmenter`."""
        from singleout.systems.ovseg.inference import OVSeg
        from singleout.systems.ovseg.network import OVSegNetwork

        assert isinstance(network, OVSegNetwork)
        return OVSeg(network.eval().requires_grad_(False), name=name, tokenizer=tokenizer, kept=kept)


SYSTEM = OVSegSystem()
