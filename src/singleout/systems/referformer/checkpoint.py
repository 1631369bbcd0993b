"""Names of the official checkpoints and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.nn.text.roberta import fill_buffers
from singleout.systems.referformer.config import ReferFormerConfig
from singleout.systems.referformer.network import ReferFormerNetwork

# Official name to ours, the first rule that fits; the rest of the name follows.
_RULES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
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
        (r"pixel_decoder\.adapter_([1-4])\.", r"pixel_decoder.laterals.{\1}."),
        (r"pixel_decoder\.cross_attn_([1-4])\.", r"pixel_decoder.blocks.{\1}."),
        (r"pixel_decoder\.layer_([1-4])\.", r"pixel_decoder.outputs.{\1}."),
        (r"pixel_decoder\.mask_features\.", "pixel_decoder.mask_features."),
    )
)
# The official pyramid counts its levels from the finest one, from 1; ours from the coarsest, from 0.
_LEVEL = re.compile(r"\{(\d)\}")
# The same tensors under a second name; what can be computed; what a profiler left behind.
_SPARE = re.compile(
    r"transformer\.decoder\.bbox_embed\.|text_encoder\.embeddings\.position_ids$"
    r"|.*\.relative_position_index$|(.*\.)?total_(params|ops)$"
)


def our_name(official: str) -> str | None:
    """Our name of an official tensor, None where none is needed. Raises KeyError for a name of another network."""
    if _SPARE.match(official):
        return None
    for pattern, name in _RULES:
        found = pattern.match(official)
        if found:
            start = _LEVEL.sub(lambda level: str(4 - int(level[1])), found.expand(name))
            return start + official[found.end() :]
    raise KeyError(official)


def convert_names(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Official weights under our names, and the official names that no rule knows, sorted."""
    converted, unknown = {}, []
    for name, tensor in state.items():
        try:
            ours = our_name(name)
        except KeyError:
            unknown.append(name)
            continue
        if ours is not None:
            converted[ours] = tensor
    return converted, sorted(unknown)


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
