"""Names of official checkpoints of ReferFormer and its kin, and ours. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from singleout.nn.naming import Conversion, Rule, rename

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]

_BODY = "backbone.0.body."
_RULES: tuple[Rule, ...] = (
    (r"backbone\.0\.body\.layers\.(\d)\.downsample\.", r"backbone.downsamples.\1."),
    (r"backbone\.0\.body\.norm(\d)\.", r"backbone.norms.\1."),
    # ConvNeXt's: its norms are outside of the body, its convolutions between stages inside of the later stage.
    (r"backbone\.0\.norm_layers\.", "backbone.norms."),
    *((rf"backbone\.0\.body\.stages\.{i + 1}\.downsample\.", f"backbone.downsamples.{i}.") for i in range(3)),
    (r"backbone\.0\.body\.", "backbone."),
    (r"text_encoder\.", "text_encoder."),
    (r"resizer\.fc\.", "text_projection.linear."),
    (r"resizer\.layer_norm\.", "text_projection.norm."),
    (r"input_proj\.", "input_projections."),
    (r"fusion_module\.", "fusion."),
    (r"transformer\.encoder\.", "encoder."),
    (r"transformer\.decoder\.layers\.", "decoder.layers."),
    (r"transformer\.level_embed$", "level_embedding"),
    (r"transformer\.reference_points\.", "first_reference."),
    (r"query_embed\.", "query_positions."),
    (r"class_embed\.", "class_heads."),
    (r"bbox_embed\.", "box_heads."),
    (r"controller\.", "controller."),
    (r"pixel_decoder\.mask_features\.", "pixel_decoder.mask_features."),
    # The official pyramid counts its levels from the finest one, from 1; ours from the coarsest, from 0.
    *((rf"pixel_decoder\.adapter_{4 - index}\.", f"pixel_decoder.laterals.{index}.") for index in range(4)),
    *((rf"pixel_decoder\.cross_attn_{4 - index}\.", f"pixel_decoder.blocks.{index}.") for index in range(4)),
    *((rf"pixel_decoder\.layer_{4 - index}\.", f"pixel_decoder.outputs.{index}.") for index in range(4)),
)
_TIED: tuple[Rule, ...] = ((r"transformer\.decoder\.bbox_embed\.", "bbox_embed."),)
# What is computed anew, and what a profiler left behind.
_SPARE = (
    r"text_encoder\.embeddings\.position_ids$",
    r"backbone\.0\.body\..*\.relative_position_index$",
    r"(.*\.)?total_(params|ops)$",
)


def interaction_rules(official: str) -> tuple[Rule, ...]:
    """Rules for an `Interaction`; official: what its names begin with, a pattern."""
    cross = rf"{official}\.transformer_cross_attention_layers\.(\d)\."
    among = rf"{official}\.transformer_self_attention_layers\.(\d)\."
    return (
        (rf"{official}\.enc_self_attn\.(\d)\.self_attn\.", r"interaction.encoder.\1.self_attn."),
        (rf"{official}\.enc_self_attn\.(\d)\.norm\.", r"interaction.encoder.\1.norm1."),
        (rf"{official}\.enc_ffn\.(\d)\.linear", r"interaction.encoder.\1.linear"),
        (rf"{official}\.enc_ffn\.(\d)\.norm\.", r"interaction.encoder.\1.norm2."),
        (cross + r"multihead_attn\.", r"interaction.decoder.\1.cross_attn."),
        (cross + r"norm\.", r"interaction.decoder.\1.norm1."),
        (among + r"self_attn\.", r"interaction.decoder.\1.self_attn."),
        (among + r"norm\.", r"interaction.decoder.\1.norm2."),
        (rf"{official}\.transformer_ffn_layers\.(\d)\.linear", r"interaction.decoder.\1.linear"),
        (rf"{official}\.transformer_ffn_layers\.(\d)\.norm\.", r"interaction.decoder.\1.norm3."),
        (rf"{official}\.decoder_norm\.", "interaction.decoder_norm."),
        (rf"{official}\.fq_pos\.", "interaction.frame_query_positions."),
        (rf"{official}\.query_embed\.", "interaction.query_positions."),
        (rf"{official}\.query_feat\.", "interaction.queries."),
    )


def convert_names(state: Mapping[str, Tensor], *, further: Sequence[Rule] = ()) -> Conversion:
    """Official weights under our names; further: rules of one's own, which go first.

    Raises InputError where tied copies differ.
    """
    return rename(state, (*further, *_RULES), spare=_SPARE, tied=_TIED)


def is_referring(shapes: Mapping[str, Shape]) -> bool:
    """Whether official names hold the parts that these networks have in common, and no others do."""
    own = {"fusion_module.multihead_attn.in_proj_weight", "pixel_decoder.cross_attn_1.linear1.weight"}
    return own | {"controller.layers.2.weight", "class_embed.3.weight"} <= shapes.keys()


def find_backbone(shapes: Mapping[str, Shape]) -> str | None:
    """The backbone that official names and shapes tell, such as ``video-swin-b``; None for one that we do not know."""
    if f"{_BODY}layer3.0.conv1.weight" in shapes:
        return {6: "resnet-50", 23: "resnet-101"}.get(_count(shapes, r"layer3\.\d+\.conv1\.weight"))
    if f"{_BODY}stages.0.blocks.0.conv_dw.weight" in shapes:
        large = _count(shapes, r"stages\.2\.blocks\.\d+\.gamma"), shapes.get(f"{_BODY}stem.0.weight", (0,))[0]
        return "convnext-l" if large == (27, 192) else None
    if f"{_BODY}blocks3.0.attn.rel_pos_h" in shapes:
        base = _count(shapes, r"blocks3\.\d+\.norm1\.weight"), shapes.get(f"{_BODY}patch_embed4.weight", (0,))[0]
        return "convmae-b" if base == (11, 768) else None
    kernel = shapes.get(f"{_BODY}patch_embed.proj.weight")
    if kernel is None:
        return None
    depth = _count(shapes, r"layers\.2\.blocks\.\d+\.norm1\.weight")
    size = {(96, 6): "t", (96, 18): "s", (128, 18): "b", (192, 18): "l"}.get((kernel[0], depth))
    family = "video-swin" if len(kernel) == 5 else "swin"
    return None if size is None or (family, size) == ("video-swin", "l") else f"{family}-{size}"


def _count(shapes: Mapping[str, Shape], pattern: str) -> int:
    """Names of the backbone that fit."""
    whole = re.compile(re.escape(_BODY) + pattern)
    return sum(bool(whole.fullmatch(name)) for name in shapes)
