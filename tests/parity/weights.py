"""The weights and inputs that goldens of networks were made with: drawn from names and shapes alone.

Published weights cannot be had where tests run, so the official networks were filled by a rule, and ours are filled by
the same: every tensor is drawn from a generator whose seed is taken from its official name. A salt gives another set.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch


def input_tensor(key: str, shape: Sequence[int], salt: str = "") -> torch.Tensor:
    """The input of this key: standard normal float32 of `shape`."""
    return torch.randn(tuple(shape), generator=_generator(f"input:{key}", salt))


def draw(name: str, shape: Sequence[int], salt: str = "") -> torch.Tensor:
    """The float32 tensor of an official name: statistics and scales around 1, biases near 0, matrices by fan-in."""
    size, generator = tuple(shape), _generator(name, salt)
    if name.endswith("running_var"):
        return 0.5 + torch.rand(size, generator=generator)
    normal = torch.randn(size, generator=generator)
    if name.endswith("running_mean"):
        return 0.1 * normal
    if len(size) <= 1:
        return 1 + 0.1 * normal if name.endswith("weight") else 0.02 * normal
    return normal / math.sqrt(math.prod(size) / size[0])


def official_state(manifest: Path, salt: str = "") -> dict[str, torch.Tensor]:
    """The filled state dict of a key manifest, ``{"keys": {name: shape}, "tied": {alias: name}, "kept": [name]}``.

    Tied names share their tensor. Names of "kept" are left out: the network computes them itself.
    """
    listing = json.loads(manifest.read_text(encoding="utf-8"))
    state = {name: draw(name, shape, salt) for name, shape in listing["keys"].items()}
    return state | {alias: state[name] for alias, name in listing["tied"].items()}


def _generator(name: str, salt: str) -> torch.Generator:
    digest = hashlib.sha256((salt + name).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))


def shapes_of(manifest: Path) -> dict[str, tuple[int, ...]]:
    """Official names and shapes of a key manifest, tied and kept names included; empty for any other file."""
    try:
        listing = json.loads(manifest.read_text(encoding="utf-8"))
        shapes = {name: tuple(shape) for name, shape in listing["keys"].items()}
        aliases = {alias: shapes[name] for alias, name in listing["tied"].items()}
        return shapes | aliases | dict.fromkeys(listing["kept"], (1,))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
