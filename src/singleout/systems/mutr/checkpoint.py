"""Names of the official checkpoints and ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from singleout.nn.naming import Conversion, Rule
from singleout.nn.referring import names
from singleout.nn.referring.loading import load_network as load
from singleout.systems.mutr.config import MutrConfig
from singleout.systems.mutr.network import MutrNetwork

_CROSS, _SELF = r"mti\.transformer_cross_attention_layers\.(\d)\.", r"mti\.transformer_self_attention_layers\.(\d)\."
_RULES: tuple[Rule, ...] = (
    (r"MTA\.layers\.0\.", "aggregation."),
    (r"mti\.enc_self_attn\.(\d)\.self_attn\.", r"interaction.encoder.\1.self_attn."),
    (r"mti\.enc_self_attn\.(\d)\.norm\.", r"interaction.encoder.\1.norm1."),
    (r"mti\.enc_ffn\.(\d)\.linear", r"interaction.encoder.\1.linear"),
    (r"mti\.enc_ffn\.(\d)\.norm\.", r"interaction.encoder.\1.norm2."),
    (_CROSS + r"multihead_attn\.", r"interaction.decoder.\1.cross_attn."),
    (_CROSS + r"norm\.", r"interaction.decoder.\1.norm1."),
    (_SELF + r"self_attn\.", r"interaction.decoder.\1.self_attn."),
    (_SELF + r"norm\.", r"interaction.decoder.\1.norm2."),
    (r"mti\.transformer_ffn_layers\.(\d)\.linear", r"interaction.decoder.\1.linear"),
    (r"mti\.transformer_ffn_layers\.(\d)\.norm\.", r"interaction.decoder.\1.norm3."),
    (r"mti\.decoder_norm\.", "interaction.decoder_norm."),
    (r"mti\.fq_pos\.", "interaction.frame_query_positions."),
    (r"mti\.query_embed\.", "interaction.query_positions."),
    (r"mti\.query_feat\.", "interaction.queries."),
)


def convert_names(state: Mapping[str, Tensor]) -> Conversion:
    """Official weights under our names. Raises InputError where tied copies differ."""
    return names.convert_names(state, further=_RULES)


def load_network(config: MutrConfig, state: Mapping[str, Tensor]) -> MutrNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(MutrNetwork, config), state)
