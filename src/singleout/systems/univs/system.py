"""What the zoo needs to know of UniVS: variants, official names, and how a network becomes a `Segmenter`.

Importing it loads no torch; the methods do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.nn.mask2former.names import PREDICTOR, find_backbone
from singleout.nn.naming import Conversion

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.nn.text.words import Words
    from singleout.segmenter import Segmenter

Shape = tuple[int, ...]

_SIZES = ("r50", "swin-t", "swin-b", "swin-l")
# Behind a variant: the moving average of the weights, which files of the third stage hold beside the trained ones.
_AVERAGED = "-ema"


@dataclass(frozen=True)
class UniVSSystem:
    """A `System` of `singleout.systems.catalog`, which says what each method is for."""

    name: str = "univs"
    title: str = "UniVS"
    tokenizer: str | None = "openai/clip-vit-base-patch32"
    text_tower: str = "univs/regionclip-text-encoder"
    name_table: str | None = "univs/category-embeddings"

    def variants(self) -> tuple[str, ...]:
        """The sizes, and behind each ``-ema`` for the averaged weights of its file; without it the trained ones."""
        return (*_SIZES, *(f"{size}{_AVERAGED}" for size in _SIZES))

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """By the prompts, which only this system has, and the backbone's width and depth."""
        own = (f"{PREDICTOR}prompt_sot.weight", f"{PREDICTOR}text2vis_projection.weight")
        if any(name not in shapes for name in own):
            return None
        found = find_backbone(shapes)
        return found if found in _SIZES else None

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """The number of learnable queries and the width of text embeddings."""
        return {
            "num_queries": int(shapes[f"{PREDICTOR}query_feat.weight"][0]),
            "text_width": int(shapes[f"{PREDICTOR}text2vis_projection.weight"][1]),
        }

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network of a variant, its weights still to be filled."""
        from dataclasses import replace

        import torch

        from singleout.systems.univs.config import VARIANTS
        from singleout.systems.univs.network import UniVSNetwork

        size = variant.removesuffix(_AVERAGED)
        if size not in VARIANTS:
            raise InputError(f"UniVS has no variant {variant!r}; it has: {', '.join(self.variants())}")
        sizes = {"num_queries": 200, "text_width": 640} | dict(config)
        numbers = all(isinstance(value, int) and value >= 1 for value in sizes.values())
        if len(sizes) > 2 or not numbers:
            raise InputError(
                f"the configuration of UniVS takes num_queries and text_width, numbers from 1 on; got {dict(config)}"
            )
        # Drawing weights that are then overwritten would take longer than reading those.
        with torch.device("meta"):
            network = UniVSNetwork(replace(VARIANTS[size], **sizes))
        return network if torch.get_default_device().type == "meta" else network.to_empty(device="cpu")

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours; of a file with two models those of the trained one."""
        from singleout.systems.univs.checkpoint import convert_names

        return convert_names(state)

    def convert_variant(self, variant: str, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours, of the model that the variant says."""
        from singleout.systems.univs.checkpoint import convert_names

        return convert_names(state, "teacher" if variant.endswith(_AVERAGED) else "student")

    def segmenter(
        self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None, words: Words | None = None
    ) -> Segmenter:
        """The loaded network as a `Segmenter`."""
        from singleout.systems.univs.inference import UniVS
        from singleout.systems.univs.network import UniVSNetwork

        assert isinstance(network, UniVSNetwork)
        return UniVS(network.eval().requires_grad_(False), name=name, words=words)


SYSTEM = UniVSSystem()
