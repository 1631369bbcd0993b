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

_RULES: tuple[Rule, ...] = ((r"MTA\.layers\.0\.", "aggregation."), *names.interaction_rules("mti"))


def convert_names(state: Mapping[str, Tensor]) -> Conversion:
    """Official weights under our names. Raises InputError where tied copies differ."""
    return names.convert_names(state, further=_RULES)


def load_network(config: MutrConfig, state: Mapping[str, Tensor]) -> MutrNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(MutrNetwork, config), state)
