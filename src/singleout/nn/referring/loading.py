"""Networks of this folder with weights that are there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor

from singleout.nn import loading
from singleout.nn.referring.network import ReferringNetwork
from singleout.nn.text.roberta import fill_buffers

Network = TypeVar("Network", bound=ReferringNetwork)


def load_network(make: Callable[[], Network], state: Mapping[str, Tensor]) -> Network:
    """See `singleout.nn.loading.load_network`; the buffers of the text tower are computed as well."""
    network = loading.load_network(make, state)
    fill_buffers(network.text_encoder)
    return network
