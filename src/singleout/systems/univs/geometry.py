"""Sizes of a video on its way through UniVS: those of Mask2Former, and what prompts and scores need besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.mask2former import geometry
from singleout.nn.mask2former.geometry import MASK_STRIDE, Crop
from singleout.systems.univs.similarity import CONFIDENT, quality

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Geometry(geometry.Geometry):
    """See the module it comes from."""

    def given(self, mask: Bool) -> Tensor:
        """A mask (height, width) of the video as the network would see it: (*padded) float32 of 0 and 1."""
        image = Image.fromarray(mask.astype(np.uint8)).resize((self.seen[1], self.seen[0]), Image.Resampling.NEAREST)
        placed = torch.zeros(self.padded)
        placed[: self.seen[0], : self.seen[1]] = torch.from_numpy(np.array(image))
        return placed

    def enlarge_part(self, masks: Tensor, level: float = 0.0) -> tuple[Crop, Tensor]:
        """`enlarge`, of the part of the padded picture where any of the masks can exceed a level, and which part it is.

        masks: (..., h, w) at stride 4. A pixel is a mix of the cells around it, so that it is where one of them does.
        """
        above = (masks > level).flatten(0, -3).any(0)
        if not above.any():
            return (slice(0, 0), slice(0, 0)), masks.new_zeros(*masks.shape[:-2], 0, 0)
        (rows, inner_rows), (columns, inner_columns) = _reach(above.any(1)), _reach(above.any(0))
        part = masks[..., rows, columns]
        large = F.interpolate(part.flatten(0, -3)[:, None], scale_factor=MASK_STRIDE, mode="bilinear")[:, 0]
        large = large[:, inner_rows, inner_columns]
        crop = tuple(
            slice(MASK_STRIDE * cells.start + inner.start, MASK_STRIDE * cells.start + inner.stop)
            for cells, inner in ((rows, inner_rows), (columns, inner_columns))
        )
        return (crop[0], crop[1]), large.reshape(*masks.shape[:-2], *large.shape[1:])

    def crop_part(self, crop: Crop, part: Tensor) -> Tensor:
        """`crop`, of a part of the padded picture."""
        return part[..., : max(self.seen[0] - crop[0].start, 0), : max(self.seen[1] - crop[1].start, 0)]

    def boxes_above(self, masks: Tensor) -> Tensor:
        """`similarity.boxes_of` what lies above 0 in masks (num, h, w) that were enlarged: (num, 4)."""
        found = masks.new_zeros(len(masks), 4)
        for row, mask in enumerate(masks):
            (rows, columns), part = self.enlarge_part(mask[None])
            inside = (part[0] > 0).nonzero()
            if len(inside):
                (top, left), (bottom, right) = inside.amin(0).tolist(), inside.amax(0).tolist()
                ends = [left + columns.start, top + rows.start, right + columns.start, bottom + rows.start]
                found[row] = found.new_tensor(ends) / found.new_tensor([*self.padded[::-1], *self.padded[::-1]])
        return found

    def shown(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Of masks (num, h, w) that were enlarged, whether every eighth pixel lies above 0, and whether any pixel does.

        (num, pixels) and (num,) bool. Only those masks are enlarged of which neither is clear before.
        """
        cells = (_every_eighth(_every_eighth(masks).transpose(-1, -2)).transpose(-1, -2) > 0).flatten(1)
        present = cells.any(1)
        for row in (~present & (masks > 0).flatten(1).any(1)).nonzero()[:, 0].tolist():
            present[row] = (self.enlarge_part(masks[row][None])[1] > 0).any()
        return cells, present

    def sharpness(self, masks: Tensor, *, padded: bool = False) -> Tensor:
        """`quality` of masks (num, time, h, w) as they are at the size that the picture has in the network, (num,).

        padded: what was filled up around it counts, too.
        """
        found = []
        for mask in masks:
            crop, part = self.enlarge_part(mask, -CONFIDENT)
            found.append(quality((part if padded else self.crop_part(crop, part))[None])[0])
        return torch.stack(found)


class Nearest:
    """From the size that the picture has in the network to that of the video, by nearest pixels as torch chooses them.

    rows, columns: for each row and column of the video, the one in the network.
    """

    def __init__(self, geometry: Geometry, device: torch.device) -> None:
        self.rows, self.columns = (
            _nearest(source, target).to(device) for source, target in zip(geometry.seen, geometry.original, strict=True)
        )

    def __call__(self, seen: Tensor) -> Tensor:
        """seen: (..., rows, columns) of the picture in the network."""
        return seen.index_select(-2, self.rows).index_select(-1, self.columns)


def _reach(above: Tensor) -> tuple[slice, slice]:
    """Cells that must be read for all pixels that those above a level touch, and these pixels among those they make."""
    places = above.nonzero()[:, 0]
    first, last = int(places[0]), int(places[-1])
    cells = slice(max(first - 1, 0), min(last + 2, len(above)))
    # At the ends of what is read, half a cell is not mixed with its neighbour, but no such pixel is touched.
    half = MASK_STRIDE // 2
    start = MASK_STRIDE * (first - cells.start) - (half if first else 0)
    stop = MASK_STRIDE * (last + 1 - cells.start) + (half if last + 1 < len(above) else 0)
    return cells, slice(start, stop)


def _every_eighth(values: Tensor) -> Tensor:
    """Every eighth pixel along the last axis of what is at stride 4, as enlarging makes them."""
    before = torch.cat([values[..., :1], values[..., 1:-1:2]], -1)
    # The first pixel of every second cell lies three eighths of a cell before its centre.
    return 0.375 * before + 0.625 * values[..., ::2]


def _nearest(source: int, target: int) -> Tensor:
    """For each place of the target the nearest one of the source, as torch chooses it for masks."""
    # In double precision places that lie on a border between two would go to the other one.
    places = torch.arange(source, dtype=torch.float32)[None, None]
    return F.interpolate(places, target, mode="nearest")[0, 0].long()
