"""Linear layers one after the other, and the feed-forward part of transformers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.linear import linear

_ROWS = 1024  # rows at a time; their hidden values (8 MiB for a width of 2048) stay in the cache


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, in_width: int, hidden: int, out_width: int, num_layers: int) -> None:
        super().__init__()
        widths = [in_width, *[hidden] * (num_layers - 1), out_width]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in_width) to (..., out_width)."""
        for index, layer in enumerate(self.layers):
            x = layer(x) if index == 0 else layer(F.relu(x))
        return x


def feedforward(x: Tensor, first: nn.Linear, second: nn.Linear, norm: nn.LayerNorm, dropout: nn.Module) -> Tensor:
    """norm(x + second(relu(first(x)))), x: (..., width); see `by_rows`."""

    def run(rows: Tensor) -> Tensor:
        hidden = dropout(F.relu(linear(rows, first.weight, first.bias)))
        out: Tensor = norm(rows + dropout(linear(hidden, second.weight, second.bias)))
        return out

    return by_rows(run, x)


def by_rows(run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function of rows (num_rows, width) to rows of the same width, on all rows of x, (..., width).

    Where no gradient is asked for on a CPU it runs on some rows at a time: all of them would leave the cache between
    two steps, and their hidden values take memory.
    """
    rows = x.reshape(-1, x.shape[-1])
    if torch.is_grad_enabled() or x.device.type != "cpu" or len(rows) <= _ROWS:
        return run(rows).view(x.shape)
    result = torch.empty_like(rows)
    for start in range(0, len(rows), _ROWS):
        result[start : start + _ROWS] = run(rows[start : start + _ROWS])
    return result.view(x.shape)
