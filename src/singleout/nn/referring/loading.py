"""Networks of this folder with weights that are there already, without a second copy of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.nn.referring.network import ReferringNetwork
from singleout.nn.text.roberta import fill_buffers

Network = TypeVar("Network", bound=ReferringNetwork)


def load_network(make: Callable[[], Network], state: Mapping[str, Tensor]) -> Network:
    """The network that `make` gives with these weights (our names), for inference.

    The tensors are taken over as they are, without a copy. Raises InputError where they do not fit.
    """
    with torch.device("meta"):
        network = make()
    expected = network.state_dict()
    wrong = sorted(expected.keys() ^ state.keys())
    wrong += sorted(name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape)
    if wrong:
        raise InputError(f"not the weights of this network: {len(wrong)} tensors do not fit, the first is {wrong[0]}")
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    fill_buffers(network.text_encoder)
    return network.eval().requires_grad_(False)
