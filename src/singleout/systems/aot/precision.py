"""Number formats in which a run computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def computing(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """What the network runs inside of: nothing for float32, torch's automatic casts for bfloat16."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)
