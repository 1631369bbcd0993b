"""The device that a name means."""

from __future__ import annotations

import torch

from singleout.errors import InputError


def resolve_device(name: str) -> torch.device:
    """The device of a name; "auto" takes a GPU where there is one. Raises InputError for one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        return torch.empty(1, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here; try cpu") from error
