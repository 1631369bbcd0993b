"""A class at each pixel of a picture: votes of soft masks are brought to its own size, and then compared."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.semantic import ClassMap
from singleout.systems.univs.values import MASK_STRIDE

_CELLS = 1 << 24  # numbers that are held at a time


class PictureVotes:
    """Sums over masks of weight times probability at the size in the network, then bilinearly at that of the picture.

    Some rows of the picture are made at a time: with many classes, all of them are too large.
    """

    def __init__(self, geometry: Geometry, device: torch.device) -> None:
        self.geometry = geometry
        self._rows, self._columns = (
            _resizing(source, target).to(device)
            for source, target in zip(geometry.seen, geometry.original, strict=True)
        )

    def __call__(self, masks: Tensor, weights: Tensor) -> ClassMap:
        """masks: (num_masks, h, w) logits at stride 4. weights: (num_masks, num_names)."""
        height, width = self.geometry.original
        widest = max(weights.shape[1] * max(width, self.geometry.seen[1]), len(masks) * self.geometry.padded[1])
        # A smaller picture has several rows of the network's in one of its own.
        shrink = max(self.geometry.seen[0] / height, 1.0)
        step = max(int(_CELLS / widest / shrink), 1)
        labels, votes = [], []
        for top in range(0, height, step):
            best = self._strip(masks, weights, slice(top, min(top + step, height))).max(0)
            labels.append(best.indices)
            votes.append(best.values)
        return ClassMap(torch.cat(labels), torch.cat(votes))

    def _strip(self, masks: Tensor, weights: Tensor, rows: slice) -> Tensor:
        """The votes of some rows of the picture, (num_names, rows, width)."""
        matrix = self._rows[rows]
        used = matrix.any(0).nonzero()[:, 0]
        first, last = int(used[0]), int(used[-1]) + 1
        # Between the centres of two cells values are a mix of them, so a cell more on both sides is read.
        above = max(first // MASK_STRIDE - 1, 0)
        below = min(-(-last // MASK_STRIDE) + 1, masks.shape[1])
        large = F.interpolate(masks[:, None, above:below], scale_factor=MASK_STRIDE, mode="bilinear")[:, 0]
        begin = first - MASK_STRIDE * above
        shares = large[:, begin : begin + last - first, : self.geometry.seen[1]].sigmoid()
        seen = torch.einsum("qk,qrc->krc", weights, shares)
        return matrix[:, first:last] @ seen @ self._columns.t()


def _resizing(source: int, target: int) -> Tensor:
    """What bilinear resizing does along an axis, (target, source)."""
    return F.interpolate(torch.eye(source)[None], target, mode="linear", align_corners=False)[0].t().contiguous()
