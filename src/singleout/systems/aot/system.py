"""What the zoo needs to know of AOT and DeAOT: variants, official names, and how a network becomes a `Segmenter`.

Importing it loads no torch; the methods do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.nn.naming import Conversion

if TYPE_CHECKING:
    from torch import Tensor, nn

    from singleout.segmenter import Segmenter

Shape = tuple[int, ...]


@dataclass(frozen=True)
class AOTSystem:
    """A `System` of `singleout.systems.catalog`, which says what each method is for."""

    name: str = "aot"
    title: str = "AOT"
    tokenizer: str | None = None

    def variants(self) -> tuple[str, ...]:
        """Those with published weights, and the challenge's; r101-aotl can be built and recognised as well."""
        return (
            "aott",
            "aots",
            "aotb",
            "aotl",
            "r50-aotl",
            "swinb-aotl",
            "swinl-aotl",
            "deaott",
            "deaots",
            "deaotb",
            "deaotl",
            "r50-deaotl",
            "swinb-deaotl",
            "swinl-deaotl",
        )

    def recognise(self, shapes: Mapping[str, Shape]) -> str | None:
        """By the parts that only this system has, the encoder and the number of layers.

        B and L have the same tensors. A file of them is taken for L, unless it is asked for as B.
        """
        if not {"patch_wise_id_bank.weight", "encoder_projector.weight"} <= shapes.keys():
            return None
        family = "deaot" if "LSTT.layers.0.linear_QV.weight" in shapes else "aot"
        depth = sum(bool(re.fullmatch(r"LSTT\.layers\.\d+\.norm1\.weight", name)) for name in shapes)
        if "encoder.features.0.0.weight" in shapes:
            size = {1: "t", 2: "s", 3: "l"}.get(depth)
            return None if size is None else f"{family}{size}"
        encoder = _encoder(shapes)
        variant = f"{encoder}-{family}l"
        return variant if depth == 3 and variant in (*self.variants(), "r101-aotl") else None

    def configure(self, variant: str, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        """The number of identities, which a file may have more of."""
        return {"num_ids": int(shapes["patch_wise_id_bank.weight"][1]) - 1}

    def build(self, variant: str, config: Mapping[str, Any]) -> nn.Module:
        """The network of a variant, its weights still to be filled."""
        from dataclasses import replace

        import torch

        from singleout.systems.aot.config import VARIANTS
        from singleout.systems.aot.network import AOTNetwork

        if variant not in VARIANTS:
            raise InputError(f"AOT has no variant {variant!r}; it has: {', '.join(VARIANTS)}")
        num_ids = config.get("num_ids", 10)
        unknown = sorted(config.keys() - {"num_ids"})
        if unknown or not isinstance(num_ids, int) or num_ids < 1:
            raise InputError(f"the configuration of AOT takes num_ids, a number from 1 on; got {dict(config)}")
        # Drawing weights that are then overwritten would take longer than reading those.
        with torch.device("meta"):
            network = AOTNetwork(replace(VARIANTS[variant], num_ids=num_ids))
        return network if torch.get_default_device().type == "meta" else network.to_empty(device="cpu")

    def convert_names(self, state: Mapping[str, Tensor]) -> Conversion:
        """Official names to ours."""
        from singleout.systems.aot.checkpoint import convert_names

        return convert_names(state)

    def segmenter(self, network: nn.Module, variant: str, *, name: str, tokenizer: Path | None) -> Segmenter:
        """The loaded network as a `Segmenter`."""
        from singleout.systems.aot.inference import AOT
        from singleout.systems.aot.network import AOTNetwork

        assert isinstance(network, AOTNetwork)
        return AOT(network.eval().requires_grad_(False), name=name)


def _encoder(shapes: Mapping[str, Shape]) -> str | None:
    if "encoder.layer3.0.conv1.weight" in shapes:
        blocks = sum(bool(re.fullmatch(r"encoder\.layer3\.\d+\.conv1\.weight", name)) for name in shapes)
        # The stem of ResNeSt, whose weights were never published, is a sequence of layers.
        return {6: "r50", 23: "r101"}.get(blocks) if "encoder.conv1.weight" in shapes else None
    patches = shapes.get("encoder.patch_embed.proj.weight")
    return None if patches is None else {128: "swinb", 192: "swinl"}.get(patches[0])


SYSTEM = AOTSystem()
