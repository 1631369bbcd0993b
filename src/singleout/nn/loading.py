"""Networks with weights that are there already, without a second copy of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from singleout.errors import InputError

Network = TypeVar("Network", bound=nn.Module)


def load_network(make: Callable[[], Network], state: Mapping[str, Tensor], *, called: str = "network") -> Network:
    """The network that `make` gives with these weights (our names), for inference.

    called: what a message calls it. The tensors are taken over as they are, without a copy; buffers that are not among
    them have no values yet. Raises InputError where they do not fit.
    """
    with torch.device("meta"):
        network = make()
    expected = network.state_dict()
    wrong = sorted(expected.keys() ^ state.keys())
    wrong += sorted(name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape)
    if wrong:
        raise InputError(f"not the weights of this {called}: {len(wrong)} tensors do not fit, the first is {wrong[0]}")
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    return network.eval().requires_grad_(False)
