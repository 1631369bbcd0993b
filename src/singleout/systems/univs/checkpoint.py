"""Names of the official checkpoints and ours, and weights that training starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor

from singleout.errors import InputError
from singleout.nn.loading import load_network as load
from singleout.nn.mask2former.names import (
    PREDICTOR,
    SPARE,
    backbone_rules,
    decoder_rules,
    pixel_decoder_rules,
)
from singleout.nn.naming import Conversion, Rule, rename
from singleout.systems.univs.config import UniVSConfig
from singleout.systems.univs.network import UniVSNetwork

Model = Literal["student", "teacher"]
"""Which of the two models of a stage-3 file: the one that was trained, or the moving average of its weights.

The authors evaluated both, and neither is better throughout.
"""

_TEACHER = ("backbone_t.", "sem_seg_head_t.")
_START = PREDICTOR.replace(".", r"\.")
_RULES: tuple[Rule, ...] = (
    *backbone_rules(),
    *pixel_decoder_rules(),
    *decoder_rules("decoder."),
    (rf"{_START}transformer_prompt_self_attention_layers\.", "decoder.prompt_layers."),
    (rf"{_START}vis2text_projection\.", "decoder.name_head."),
    (rf"{_START}cls_temp\.weight$", "decoder.name_scale"),
    (rf"{_START}text_norm\.", "words.text_norm."),
    (rf"{_START}text2vis_projection\.", "words.projection."),
    (rf"{_START}lang2vision_cross_attention_layer\.", "words."),
    (rf"{_START}prompt_detection\.weight$", "category_mark"),
    (rf"{_START}prompt_grounding\.weight$", "sentence_mark"),
    (rf"{_START}prompt_sot\.weight$", "visual_mark"),
)
# A temperature that no forward pass has ever used.
_UNUSED = rf"{_START}reid_temp\.weight$"


def has_teacher(names: Mapping[str, object]) -> bool:
    """Whether a file of these official names holds student and teacher."""
    return any(name.startswith(_TEACHER) for name in names)


def convert_names(state: Mapping[str, Tensor], model: Model = "student") -> Conversion:
    """Official weights under our names. Raises InputError where there is no teacher and it is asked for."""
    if model == "teacher" and not has_teacher(state):
        raise InputError("there are no averaged weights (sem_seg_head_t. …) in this file: load it without -ema")
    # The trained model's name of each tensor that is wanted, and the file's.
    wanted: dict[str, str] = {}
    left = []
    for name in state:
        averaged = name.startswith(_TEACHER)
        if averaged and model == "teacher":
            wanted[name.replace("_t.", ".", 1)] = name
        elif averaged or (model == "teacher" and name.replace(".", "_t.", 1) in state):
            left.append(name)
        else:
            wanted[name] = name
    conversion = rename({name: state[own] for name, own in wanted.items()}, _RULES, spare=(*SPARE, _UNUSED))
    return Conversion(conversion.state, (*(wanted[name] for name in conversion.ignored), *left))


@dataclass(frozen=True)
class Beginning:
    """What training can take over of another network.

    state: under our names. new: our names of tensors that the file has nothing for, so they start at random.
    ignored: its names that are not needed. unknown: its names that no rule knows.
    """

    state: dict[str, Tensor]
    new: tuple[str, ...]
    ignored: tuple[str, ...]
    unknown: tuple[str, ...]


def begin_with_mask2former(config: UniVSConfig, state: Mapping[str, Tensor]) -> Beginning:
    """Weights of Mask2Former, trained on COCO's panoptic images, for a network to start from.

    state: under official names. Its class head is dropped, and its learnable queries where there are fewer of them than
    ours. Raises InputError where it lacks the backbone or the pixel decoder of this network.
    """
    import torch

    with torch.device("meta"):
        own = UniVSNetwork(config).state_dict()
    conversion = rename(state, _RULES, spare=(*SPARE, rf"{_START}class_embed\."))
    found = conversion.state
    fits = {name for name in found.keys() & own.keys() if found[name].shape == own[name].shape}
    misshapen = sorted((found.keys() & own.keys()) - fits - {"decoder.query_features", "decoder.query_positions"})
    new = sorted(own.keys() - fits)
    missing = [name for name in new if name.startswith(("backbone.", "pixel_decoder."))]
    if misshapen or missing:
        raise InputError(
            f"not a Mask2Former with the backbone of this UniVS: {len(misshapen) + len(missing)} tensors do not fit, "
            f"the first is {[*misshapen, *missing][0]}"
        )
    return Beginning(
        {name: found[name] for name in sorted(fits)},
        tuple(new),
        conversion.ignored,
        tuple(sorted(found.keys() - own.keys())),
    )


def load_network(config: UniVSConfig, state: Mapping[str, Tensor]) -> UniVSNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(UniVSNetwork, config), state, called="UniVS")
