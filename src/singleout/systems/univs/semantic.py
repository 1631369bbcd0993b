"""A class at each pixel, from what all learnable queries say together.

Nothing is followed: each query votes for its classes where its mask lies; the class with most votes takes the pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.univs.geometry import Geometry, Nearest
from singleout.systems.univs.similarity import CONFIDENT
from singleout.systems.univs.values import MASK_STRIDE

_ROWS = 8  # of cells that are enlarged at a time, at the most
_NUMBERS = 1 << 24  # votes that are held at a time


@dataclass(frozen=True)
class ClassMap:
    """labels: (height, width) int64, the class with most votes. votes: (height, width), how many it has."""

    labels: Tensor
    votes: Tensor


class ClassVotes:
    """Votes at the padded size, cut, and from there to the size of the video by nearest pixels, as published."""

    def __init__(self, geometry: Geometry, device: torch.device) -> None:
        self.geometry = geometry
        self.original = Nearest(geometry, device)

    def sharpness(self, masks: Tensor) -> Tensor:
        """`similarity.quality` of masks as they would be at the size of the video, (num_queries,).

        masks: (num_queries, time, h, w) logits at stride 4.
        """
        counts = [
            torch.bincount(places, minlength=size).float()
            for places, size in zip((self.original.rows, self.original.columns), self.geometry.seen, strict=True)
        ]
        sure = torch.zeros(len(masks), device=masks.device, dtype=torch.float64)
        maybe = torch.zeros_like(sure)
        for place in range(masks.shape[1]):
            for rows, strip in self._strips(masks[:, place]):
                sure += ((strip > CONFIDENT).float() @ counts[1] @ counts[0][rows]).double()
                maybe += ((strip > -CONFIDENT).float() @ counts[1] @ counts[0][rows]).double()
        return (sure / maybe.clamp(min=1)).float()

    def votes(self, masks: Tensor, weights: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Rows of the picture in the network, from top to bottom, and their votes (num_names, rows, columns).

        masks: (num_queries, h, w) logits of one frame. weights: (num_queries, num_names).
        """
        # Thousands of names have that many votes at each pixel.
        most = _NUMBERS // (weights.shape[1] * MASK_STRIDE * self.geometry.seen[1])
        for rows, strip in self._strips(masks, max(min(most, _ROWS), 1)):
            yield rows, torch.einsum("qk,qrc->krc", weights, strip.sigmoid())

    def seen(self, masks: Tensor, weights: Tensor) -> ClassMap:
        """The classes of one frame at the size that it has in the network; see `votes`."""
        best = [votes.max(0) for _, votes in self.votes(masks, weights)]
        return ClassMap(torch.cat([one.indices for one in best]), torch.cat([one.values for one in best]))

    def __call__(self, masks: Tensor, weights: Tensor) -> ClassMap:
        """The classes of one frame at the size of the video; see `votes`."""
        found = self.seen(masks, weights)
        return ClassMap(self.original(found.labels), self.original(found.votes))

    def _strips(self, masks: Tensor, most: int = _ROWS) -> Iterator[tuple[slice, Tensor]]:
        """Masks at the padded size, a few rows at a time and without what was filled up: all at once are too large.

        most: rows of cells at a time.
        """
        height, width = self.geometry.seen
        cells = masks.shape[-2]
        for begin in range(0, cells, most):
            end = min(begin + most, cells)
            # A row more on both sides, for between the centres of two rows values are a mix of them.
            first, last = max(begin - 1, 0), min(end + 1, cells)
            strip = F.interpolate(
                masks[:, None, first:last], scale_factor=MASK_STRIDE, mode="bilinear", align_corners=False
            )[:, 0, MASK_STRIDE * (begin - first) :]
            rows = slice(MASK_STRIDE * begin, min(MASK_STRIDE * end, height))
            if rows.start >= height:
                return
            yield rows, strip[:, : rows.stop - rows.start, :width]
