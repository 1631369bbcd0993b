"""Names of the official checkpoints and ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from singleout.nn.loading import load_network as load
from singleout.nn.naming import Conversion, Rule, rename
from singleout.systems.aot.config import AOTConfig
from singleout.systems.aot.network import AOTNetwork


def _block(official: str, ours: str) -> Rule:
    return rf"LSTT\.layers\.(\d+)\.{official}", rf"blocks.\1.{ours}"


_RULES: tuple[Rule, ...] = (
    (r"encoder\.layers\.(\d)\.downsample\.", r"encoder.downsamples.\1."),
    (r"encoder\.norm(\d)\.", r"encoder.norms.\1."),
    (r"encoder\.", "encoder."),
    (r"encoder_projector\.", "projector."),
    (r"patch_wise_id_bank\.", "identity_bank."),
    (r"id_norm\.", "identity_norm."),
    (r"LSTT\.decoder_norms\.(\d+)\.(gn\.)?", r"norms.\1."),
    (r"decoder\.conv_in\.conv\.", "decoder.begin.conv."),
    (r"decoder\.conv_in\.gn\.", "decoder.begin.norm."),
    *((rf"decoder\.conv_{16 >> index}x\.conv\.", f"decoder.stages.{index}.conv.") for index in range(3)),
    *((rf"decoder\.conv_{16 >> index}x\.gn\.", f"decoder.stages.{index}.norm.") for index in range(3)),
    *((rf"decoder\.adapter_{16 >> index}x\.", f"decoder.shortcuts.{index}.") for index in range(3)),
    (r"decoder\.conv_out\.", "decoder.out."),
    _block(r"norm([123])\.", r"norm\2."),
    _block(r"id_norm([12])\.", r"identity_norm\2."),
    _block(r"self_attn\.linear_Q\.", "self_attention.query."),
    _block(r"self_attn\.linear_K\.", "self_attention.key."),
    _block(r"self_attn\.linear_V\.", "self_attention.value."),
    _block(r"self_attn\.linear_QK\.", "self_attention.query."),
    _block(r"self_attn\.linear_V1\.", "self_attention.picture_value."),
    _block(r"self_attn\.linear_V2\.", "self_attention.identity_value."),
    _block(r"self_attn\.linear_U1\.", "self_attention.picture_gate."),
    _block(r"self_attn\.linear_U2\.", "self_attention.identity_gate."),
    _block(r"short_term_attn\.relative_emb_k\.", "short_term.relative_key."),
    _block(r"short_term_attn\.relative_emb_v$", "short_term.relative_value"),
    _block(r"linear_QV\.", "query_value."),
    _block(r"linear_ID_V\.", "identity_value."),
    _block(r"linear_ID_U\.", "identity_gate."),
    _block(r"linear_U\.", "picture_gate."),
    _block(r"linear_Q\.", "query."),
    _block(r"linear_V\.", "identify."),
    _block(r"linear1\.", "feedforward.widen."),
    _block(r"linear2\.", "feedforward.narrow."),
    _block(r"activation\.gn\.", "feedforward.norm."),
    _block(r"activation\.conv\.", "feedforward.mix."),
)
# The same parts hang one step deeper in DeAOT, where a gate holds them.
_AOT_RULES: tuple[Rule, ...] = (
    _block(r"long_term_attn\.projection\.", "long_term.projection."),
    _block(r"short_term_attn\.projection\.", "short_term.projection."),
    _block(r"self_attn\.projection\.", "self_attention.projection."),
)
_DEAOT_RULES: tuple[Rule, ...] = (
    _block(r"long_term_attn\.dw_conv\.conv\.", "long_term.mix."),
    _block(r"long_term_attn\.projection\.", "long_term.projection."),
    _block(r"short_term_attn\.dw_conv\.conv\.", "short_term.gate.mix."),
    _block(r"short_term_attn\.projection\.", "short_term.gate.projection."),
    _block(r"self_attn\.dw_conv\.conv\.", "self_attention.gate.mix."),
    _block(r"self_attn\.projection\.", "self_attention.gate.projection."),
)
# What is computed anew, and a token that files from 2022-12 on hold and no forward pass has ever used.
_SPARE = (r"encoder\..*\.relative_position_index$", r"LSTT\.mask_token$", r"(.*\.)?num_batches_tracked$")


def is_gated(names: Mapping[str, object]) -> bool:
    """Whether official names are those of DeAOT."""
    return "LSTT.layers.0.linear_QV.weight" in names


def convert_names(state: Mapping[str, Tensor], *, gated: bool | None = None) -> Conversion:
    """Official weights under our names. gated: whether they are DeAOT's, by default as their names say."""
    deaot = is_gated(state) if gated is None else gated
    return rename(state, _RULES + (_DEAOT_RULES if deaot else _AOT_RULES), spare=_SPARE)


def load_network(config: AOTConfig, state: Mapping[str, Tensor]) -> AOTNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(AOTNetwork, config), state, called="AOT")
