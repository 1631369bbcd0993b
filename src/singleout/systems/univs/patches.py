"""Masks that wait at stride 4 for a decision, cut to the part that matters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_MARGIN = 3  # cells around what is in, which have a say in where its edge runs


@dataclass(frozen=True)
class Patch:
    """The part of a mask where it lies above 0. values: (h, w) logits. touched: whether the object was seen at all."""

    top: int
    left: int
    values: Tensor
    touched: bool

    @classmethod
    def of(cls, mask: Tensor) -> Patch:
        """mask: (h, w) logits, all of them exactly 0 where the object was not seen."""
        above = mask > 0
        rows, columns = above.any(1).nonzero()[:, 0], above.any(0).nonzero()[:, 0]
        if not len(rows):
            return cls(0, 0, mask.new_zeros(0, 0), bool((mask != 0).any()))
        top, left = max(int(rows[0]) - _MARGIN, 0), max(int(columns[0]) - _MARGIN, 0)
        part = mask[top : int(rows[-1]) + 1 + _MARGIN, left : int(columns[-1]) + 1 + _MARGIN]
        return cls(top, left, part.clone(), True)

    def whole(self, size: tuple[int, int]) -> Tensor:
        """The mask again, (*size), below 0 where it was cut off."""
        mask = torch.full(size, -1.0, device=self.values.device)
        height, width = self.values.shape
        mask[self.top : self.top + height, self.left : self.left + width] = self.values
        return mask
