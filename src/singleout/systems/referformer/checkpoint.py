"""Names of the official checkpoints and ours."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.nn.naming import Conversion, Rule, rename
from singleout.nn.text.roberta import fill_buffers
from singleout.systems.referformer.config import ReferFormerConfig
from singleout.systems.referformer.network import ReferFormerNetwork

_RULES: tuple[Rule, ...] = (
    (r"backbone\.0\.body\.layers\.(\d)\.downsample\.", r"backbone.downsamples.\1."),
    (r"backbone\.0\.body\.norm(\d)\.", r"backbone.norms.\1."),
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


def convert_names(state: Mapping[str, Tensor]) -> Conversion:
    """Official weights under our names. Raises InputError where tied copies differ."""
    return rename(state, _RULES, spare=_SPARE, tied=_TIED)


def load_network(config: ReferFormerConfig, state: Mapping[str, Tensor]) -> ReferFormerNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    with torch.device("meta"):
        network = ReferFormerNetwork(config)
    expected = network.state_dict()
    wrong = sorted(expected.keys() ^ state.keys())
    wrong += sorted(name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape)
    if wrong:
        raise InputError(
            f"not the weights of this ReferFormer: {len(wrong)} tensors do not fit, the first is {wrong[0]}"
        )
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    fill_buffers(network.text_encoder)
    return network.eval().requires_grad_(False)
