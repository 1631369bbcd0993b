"""Names of the official checkpoints and ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from singleout.nn.naming import Conversion, Rule
from singleout.nn.referring import names
from singleout.nn.referring.loading import load_network as load
from singleout.systems.soc.config import SocConfig
from singleout.systems.soc.network import SocNetwork

_RULES: tuple[Rule, ...] = (
    (r"txt_proj\.fc\.", "text_projection.linear."),
    (r"txt_proj\.layer_norm\.", "text_projection.norm."),
    (r"vlf\.", "fusion."),
    (r"lvf\.", "word_fusion."),
    # The official pyramid counts from 1.
    *((rf"spatial_decoder\.lay{number}\.", f"pixel_decoder.outputs.{number - 1}.") for number in range(1, 6)),
    *((rf"spatial_decoder\.gn{number}\.", f"pixel_decoder.outputs.{number - 1}.norm.") for number in range(1, 6)),
    *((rf"spatial_decoder\.adapter{number}\.", f"pixel_decoder.laterals.{number - 1}.") for number in range(1, 4)),
    (r"spatial_decoder\.out_lay\.", "pixel_decoder.mask_features."),
    # The authors' entry to a challenge has the name of the network that this part comes from.
    *names.interaction_rules("(?:voc|vita)"),
)


def convert_names(state: Mapping[str, Tensor]) -> Conversion:
    """Official weights under our names. Raises InputError where tied copies differ."""
    return names.convert_names(state, further=_RULES)


def load_network(config: SocConfig, state: Mapping[str, Tensor]) -> SocNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(SocNetwork, config), state)
