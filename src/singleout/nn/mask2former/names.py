"""Names of Mask2Former's official checkpoints, which its children inherit, and ours. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping

from singleout.nn.naming import Rule

Shape = tuple[int, ...]

BACKBONE = "backbone."
PIXEL_DECODER = "sem_seg_head.pixel_decoder."
PREDICTOR = "sem_seg_head.predictor."


def backbone_rules(prefix: str = BACKBONE) -> tuple[Rule, ...]:
    """From detectron2's ResNet and Mask2Former's Swin to ``backbone.``; prefix: what official names begin with."""
    start = re.escape(prefix)
    return (
        (rf"{start}stem\.conv(\d)\.norm\.", r"backbone.bn\1."),
        (rf"{start}stem\.conv(\d)\.", r"backbone.conv\1."),
        *(
            rule
            for stage in range(1, 5)
            for rule in (
                (rf"{start}res{stage + 1}\.(\d+)\.shortcut\.norm\.", rf"backbone.layer{stage}.\1.downsample.1."),
                (rf"{start}res{stage + 1}\.(\d+)\.shortcut\.", rf"backbone.layer{stage}.\1.downsample.0."),
                (rf"{start}res{stage + 1}\.(\d+)\.conv(\d)\.norm\.", rf"backbone.layer{stage}.\1.bn\2."),
                (rf"{start}res{stage + 1}\.(\d+)\.", rf"backbone.layer{stage}.\1."),
            )
        ),
        (rf"{start}layers\.(\d)\.downsample\.", r"backbone.downsamples.\1."),
        (rf"{start}norm(\d)\.", r"backbone.norms.\1."),
        (start, "backbone."),
    )


def pixel_decoder_rules(prefix: str = PIXEL_DECODER) -> tuple[Rule, ...]:
    """To ``pixel_decoder.``, a `PixelDecoder`."""
    start = re.escape(prefix)
    return (
        (rf"{start}input_proj\.", "pixel_decoder.input_projections."),
        (rf"{start}transformer\.level_embed$", "pixel_decoder.level_embedding"),
        (rf"{start}transformer\.encoder\.", "pixel_decoder.encoder."),
        (rf"{start}adapter_1\.", "pixel_decoder.lateral."),
        (rf"{start}layer_1\.", "pixel_decoder.output."),
        (rf"{start}mask_features\.", "pixel_decoder.mask_features."),
    )


def decoder_rules(to: str, prefix: str = PREDICTOR) -> tuple[Rule, ...]:
    """To the layers of a decoder, `MaskedDecoderLayer`, under ``{to}layers.``, its last norm and its mask head."""
    start = re.escape(prefix)
    return (
        (rf"{start}transformer_cross_attention_layers\.(\d+)\.multihead_attn\.", rf"{to}layers.\1.cross_attn."),
        (rf"{start}transformer_cross_attention_layers\.(\d+)\.norm\.", rf"{to}layers.\1.cross_norm."),
        (rf"{start}transformer_self_attention_layers\.(\d+)\.self_attn\.", rf"{to}layers.\1.self_attn."),
        (rf"{start}transformer_self_attention_layers\.(\d+)\.norm\.", rf"{to}layers.\1.self_norm."),
        (rf"{start}transformer_ffn_layers\.(\d+)\.", rf"{to}layers.\1."),
        (rf"{start}decoder_norm\.", f"{to}norm."),
        (rf"{start}mask_embed\.", f"{to}mask_head."),
        (rf"{start}level_embed\.weight$", f"{to}level_embedding"),
        # Files of early 2022 say static_query.
        (rf"{start}(query_feat|static_query)\.weight$", f"{to}query_features"),
        (rf"{start}query_embed\.weight$", f"{to}query_positions"),
    )


#: What is computed anew, or is of the training of another network.
SPARE = (r".*\.relative_position_index$", r"criterion\.empty_weight$")


def find_backbone(shapes: Mapping[str, Shape], prefix: str = BACKBONE) -> str | None:
    """The backbone that official names and shapes tell: r50, r101 or swin-t, -s, -b, -l; None for another one."""
    if f"{prefix}res4.0.conv1.weight" in shapes:
        return {6: "r50", 23: "r101"}.get(count_names(shapes, re.escape(prefix) + r"res4\.\d+\.conv1\.weight"))
    width = shapes.get(f"{prefix}patch_embed.proj.weight", (0,))[0]
    depth = count_names(shapes, re.escape(prefix) + r"layers\.2\.blocks\.\d+\.norm1\.weight")
    size = {(96, 6): "t", (96, 18): "s", (128, 18): "b", (192, 18): "l"}.get((width, depth))
    return None if size is None else f"swin-{size}"


def count_names(shapes: Mapping[str, Shape], pattern: str) -> int:
    """How many official names fit a pattern whole."""
    whole = re.compile(pattern)
    return sum(bool(whole.fullmatch(name)) for name in shapes)
