"""Reading the starter's own weights: half precision on disk, folded and in full precision in memory."""

from __future__ import annotations

from pathlib import Path

import torch

from singleout.errors import InputError
from singleout.nn.layers import fold_batch_norms
from singleout.systems.starter.network import StarterNetwork
from singleout.systems.starter.words import WEIGHTS


def load_network(path: Path | None = None, device: torch.device | str = "cpu") -> StarterNetwork:
    """The trained network, ready for inference. path: a `starter.safetensors`, by default the one that ships.

    Raises InputError where the file is missing, damaged or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = path or WEIGHTS / "starter.safetensors"
    try:
        stored = load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: the starter's weights are missing; install singleout again") from None
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file, or a damaged one ({error})") from error
    network = StarterNetwork()
    expected = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    if expected != stored.keys():
        wrong = sorted(expected ^ stored.keys())
        raise InputError(f"{path}: not the starter's weights: {len(wrong)} names differ, the first is {wrong[0]}")
    network.load_state_dict({name: value.float() for name, value in stored.items()}, strict=False)
    network.eval().requires_grad_(False)
    fold_batch_norms(network)
    # The stubs of torch do not know this keyword.
    placed: StarterNetwork = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed
