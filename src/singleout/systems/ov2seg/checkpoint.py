"""Names of the official checkpoints and ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from singleout.nn.loading import load_network as load
from singleout.nn.mask2former.names import (
    PREDICTOR,
    SPARE,
    backbone_rules,
    decoder_rules,
    pixel_decoder_rules,
)
from singleout.nn.naming import Conversion, Rule, rename
from singleout.systems.ov2seg.config import OV2SegConfig
from singleout.systems.ov2seg.network import OV2SegNetwork

_START = PREDICTOR.replace(".", r"\.")
_RULES: tuple[Rule, ...] = (
    # The ResNet is timm's, inside of a wrapper.
    (r"backbone\.base\.", "backbone."),
    *backbone_rules(),
    *pixel_decoder_rules(),
    (rf"{_START}object_embed\.", "decoder.object_head."),
    (rf"{_START}class_embed\.linear\.0\.", "decoder.name_head.layers.0."),
    (rf"{_START}class_embed\.linear\.2\.", "decoder.name_head.layers.1."),
    *decoder_rules("decoder."),
)
_SPARE = (
    *SPARE,
    # The table of the names that it was trained with (LVIS), which is not to be used for others unasked: the official
    # loader takes it over without a word wherever the number of names happens to be the same.
    rf"{_START}class_embed\.zs_weight$",
    # Weights of losses, and a count that norms of newer Detectron2 keep.
    r"criterion\.(freq_weight|empty_object_weight)$",
    r".*\.num_batches_tracked$",
)


def convert_names(state: Mapping[str, Tensor]) -> Conversion:
    """Official weights under our names."""
    return rename(state, _RULES, spare=_SPARE)


def load_network(config: OV2SegConfig, state: Mapping[str, Tensor]) -> OV2SegNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(OV2SegNetwork, config), state, called="OV2Seg")
