"""Names of the official checkpoints and ours, and CLIP as it is fine-tuned put into a whole model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from singleout.errors import InputError
from singleout.nn.clip_towers import SPARE as CLIP_SPARE
from singleout.nn.clip_towers import clip_rules
from singleout.nn.loading import load_network as load
from singleout.nn.mask2former.names import PIXEL_DECODER, PREDICTOR, backbone_rules
from singleout.nn.mask2former.names import SPARE as HEAD_SPARE
from singleout.nn.maskformer.names import pyramid_rules, query_rules
from singleout.nn.naming import Conversion, Rule, rename
from singleout.systems.ovseg.config import OVSegConfig
from singleout.systems.ovseg.network import OVSegNetwork

ADAPTER = "clip_adapter."
CLIP = f"{ADAPTER}clip_model."
_RULES: tuple[Rule, ...] = (
    *backbone_rules(),
    *pyramid_rules(PIXEL_DECODER),
    *query_rules(PREDICTOR),
    *clip_rules(CLIP, "clip."),
    (r"clip_adapter\.non_object_embedding$", "no_object"),
)
_SPARE = (
    *HEAD_SPARE,
    r"clip_adapter\.pixel_(mean|std)$",
    *(rf"clip_adapter\.clip_model\.{pattern}" for pattern in CLIP_SPARE),
)
_HEAD = "sem_seg_head."


def convert_names(state: Mapping[str, Tensor]) -> Conversion:
    """Official weights under our names.

    Files from before detectron2 numbered its heads have the pixel decoder directly in the head.
    """
    return rename(_with_pixel_decoder(state), _RULES, spare=_SPARE)


def put_clip(state: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's official weights with another CLIP in it, as fine-tuning leaves it.

    state: of a whole OVSeg. tuned: of a CLIP, whose names may begin with ``module.``; mask prompts that it lacks stay
    those of `state`. Raises InputError for a tensor that the model does not have, or has in another shape.
    """
    result = dict(state)
    for name, tensor in tuned.items():
        own = CLIP + name.removeprefix("module.")
        if any(own == CLIP + spare for spare in ("input_resolution", "context_length", "vocab_size")):
            continue
        if own not in state or state[own].shape != tensor.shape:
            raise InputError(f"this CLIP does not fit the model: {name} has no tensor of shape {tuple(tensor.shape)}")
        result[own] = tensor.float()
    return result


def load_network(config: OVSegConfig, state: Mapping[str, Tensor]) -> OVSegNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(OVSegNetwork, config), state, called="OVSeg")


def _with_pixel_decoder(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    # A current file that lost its version must not be renamed twice, so its names decide.
    if any(name.startswith(PIXEL_DECODER) for name in state):
        return state
    return {_moved(name): tensor for name, tensor in state.items()}


def _moved(name: str) -> str:
    inside = name.startswith(_HEAD) and not name.startswith(PREDICTOR)
    return PIXEL_DECODER + name.removeprefix(_HEAD) if inside else name
