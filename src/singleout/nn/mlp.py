"""Linear layers one after the other, and the feed-forward part of transformers."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ROWS = 2048  # tokens at a time in inference: the hidden values of more would leave the cache


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


def feedforward(x: Tensor, first: nn.Linear, second: nn.Linear, dropout: nn.Module) -> Tensor:
    """x + second(relu(first(x))), x: (..., width); in pieces where no gradient is asked for, which bounds memory."""
    if torch.is_grad_enabled():
        out: Tensor = x + dropout(second(dropout(F.relu(first(x)))))
        return out
    rows = x.reshape(-1, x.shape[-1])
    result = torch.empty_like(rows)
    step = _ROWS if x.device.type == "cpu" else max(len(rows), 1)
    for start in range(0, len(rows), step):
        piece = rows[start : start + step]
        torch.addmm(second.bias, first(piece).relu_(), second.weight.t(), out=result[start : start + step])
        result[start : start + step] += piece
    return result.view(x.shape)
