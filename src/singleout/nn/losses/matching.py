"""Which prediction answers for which target: the assignment of least cost (Carion et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def assign(cost: Tensor) -> Tensor:
    """For each target its prediction, (num_targets,) int64. cost: (num_queries, num_targets), not fewer queries."""
    if cost.shape[1] == 1:
        return cost.argmin(dim=0)
    rows, columns = linear_sum_assignment(cost.detach().cpu().numpy())
    queries = torch.empty(cost.shape[1], dtype=torch.int64)
    queries[torch.as_tensor(columns)] = torch.as_tensor(rows)
    return queries.to(cost.device)


def over_time(cost: Tensor, frames: Tensor | Sequence[int] | None = None) -> Tensor:
    """The mean of a cost over frames, for objects that keep their query: (time, ...) to (...).

    frames: those that count, all by default; where none does, all costs are equal.
    """
    chosen = cost if frames is None else cost[torch.as_tensor(frames, device=cost.device)]
    return chosen.mean(0) if len(chosen) else cost.new_zeros(cost.shape[1:])
