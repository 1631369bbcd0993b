"""Names of MaskFormer's official checkpoints and ours. Loads no torch."""

from __future__ import annotations

import re

from singleout.nn.naming import Rule

# How many maps the pyramid has beside the coarsest; official names count them from stride 4 as 1, 2, 3, and that as 4.
_FINER = 3


def pyramid_rules(prefix: str) -> tuple[Rule, ...]:
    """To ``pixel_decoder.``, a `PyramidDecoder`."""
    start = re.escape(prefix)
    return (
        *(
            rule
            for place in range(_FINER + 1)
            for rule in (
                (rf"{start}adapter_{place + 1}\.", f"pixel_decoder.laterals.{place}."),
                (rf"{start}layer_{place + 1}\.", f"pixel_decoder.outputs.{place}."),
            )
        ),
        (rf"{start}mask_features\.", "pixel_decoder.mask_features."),
    )


def query_rules(prefix: str) -> tuple[Rule, ...]:
    """To ``decoder.``, a `QueryDecoder`, and to the heads behind it."""
    start = re.escape(prefix)
    layer = rf"{start}transformer\.decoder\.layers\.(\d+)\."
    return (
        (rf"{layer}multihead_attn\.", r"decoder.layers.\1.cross_attn."),
        (rf"{layer}norm1\.", r"decoder.layers.\1.self_norm."),
        (rf"{layer}norm2\.", r"decoder.layers.\1.cross_norm."),
        (rf"{layer}norm3\.", r"decoder.layers.\1.norm."),
        (layer, r"decoder.layers.\1."),
        (rf"{start}transformer\.decoder\.norm\.", "decoder.norm."),
        (rf"{start}input_proj\.", "decoder.projection."),
        (rf"{start}query_embed\.weight$", "decoder.query_positions"),
        (rf"{start}mask_embed\.", "mask_head."),
        (rf"{start}class_embed\.", "class_head."),
    )
