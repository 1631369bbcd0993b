"""Linear layers one after the other, and the feed-forward part of transformers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.linear import ROWS, is_fast, linear


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
        hidden = dropout(linear(rows, first.weight, first.bias, relu=True))
        if is_fast(rows):
            out: Tensor = norm(linear(hidden, second.weight, second.bias, add=rows))
            return out
        out = norm(rows + dropout(linear(hidden, second.weight, second.bias)))
        return out

    return by_rows(run, x)


def by_rows(run: Callable[[Tensor], Tensor], x: Tensor, count: int = ROWS) -> Tensor:
    """A function of rows (num_rows, width) to rows of the same width, on all rows of x, (..., width).

    Where no gradient is asked for on a CPU it runs on `count` rows at a time: all of them would leave the cache between
    two steps, and their hidden values take memory.
    """
    rows = x.reshape(-1, x.shape[-1])
    if not is_fast(x) or len(rows) <= count:
        return run(rows).view(x.shape)
    result = torch.empty_like(rows)
    for start in range(0, len(rows), count):
        result[start : start + count] = run(rows[start : start + count])
    return result.view(x.shape)
