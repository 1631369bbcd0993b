"""Names of the official checkpoints and ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor

from singleout.nn.naming import Conversion
from singleout.nn.referring import names
from singleout.nn.referring.config import ReferringConfig
from singleout.nn.referring.loading import load_network as load
from singleout.systems.referformer.network import ReferFormerNetwork


def convert_names(state: Mapping[str, Tensor]) -> Conversion:
    """Official weights under our names. Raises InputError where tied copies differ."""
    return names.convert_names(state)


def load_network(config: ReferringConfig, state: Mapping[str, Tensor]) -> ReferFormerNetwork:
    """The network of this shape with these weights (our names), for inference. Raises InputError where they do not fit.

    The tensors are taken over as they are, without a copy.
    """
    return load(partial(ReferFormerNetwork, config), state)
