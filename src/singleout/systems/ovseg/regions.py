"""What a proposal covers of a picture, cut out and prepared for CLIP (section 3.2 of Liang et al. 2023)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.clip_images import MEAN, STD
from singleout.nn.threads import side_by_side
from singleout.systems.ovseg.values import Region

Fill = Literal["mean", "zero"]


@dataclass(frozen=True)
class Cutting:
    """How regions are cut out; the defaults are the published ones.

    threshold: probability above which a pixel is of a region. fill: what stands in place of background, the mean of
    CLIP's pictures or black. expand: by how much boxes grow about their centre. soft: background fades in by the
    probability of each pixel; as published no patch then counts as background, since no probability is zero.
    """

    threshold: float
    fill: Fill = "mean"
    expand: float = 1.0
    soft: bool = False


def find_regions(shares: Tensor, cutting: Cutting) -> list[Region]:
    """The proposals that cover a pixel at least, with their boxes; shares: (num_queries, height, width) in 0..1."""
    height, width = shares.shape[1:]
    device = shares.device
    rows = torch.zeros(len(shares), height, dtype=torch.bool, device=device)
    columns = torch.zeros(len(shares), width, dtype=torch.bool, device=device)

    def find(index: int) -> None:
        inside = shares[index] > cutting.threshold
        rows[index], columns[index] = inside.any(1), inside.any(0)

    deque(side_by_side(find, range(len(shares)), device), maxlen=0)
    regions = []
    for index in rows.any(1).nonzero()[:, 0].tolist():
        top, bottom = _grown(*_ends(rows[index]), cutting.expand, height)
        left, right = _grown(*_ends(columns[index]), cutting.expand, width)
        regions.append(Region(index, (left, top, right, bottom)))
    return regions


def normalised(picture: Tensor) -> Tensor:
    """A picture, (3, height, width) of 0 to 255, as CLIP takes it."""
    mean, std = (torch.tensor(values, device=picture.device)[:, None, None] * 255 for values in (MEAN, STD))
    return (picture - mean) / std


def cut(picture: Tensor, share: Tensor, region: Region, cutting: Cutting, side: int) -> tuple[Tensor, Tensor]:
    """A region's picture, (3, side, side), and where in it the region is, (side, side) bool.

    picture: (3, height, width), whole, of `normalised`. share: (height, width), of the region's query. Proportions are
    not kept, as published.
    """
    left, top, right, bottom = region.box
    share = share[top:bottom, left:right]
    part = picture[:, top:bottom, left:right]
    inside = share > (0.0 if cutting.soft else cutting.threshold)
    shown = share if cutting.soft else inside
    # The mean is zero once it is normalised.
    part = part * shown
    if cutting.fill == "zero":
        part += normalised(part.new_zeros(3, 1, 1)) * (1 - shown.to(part.dtype))
    part = F.interpolate(part[None], (side, side), mode="bicubic", align_corners=False)[0]
    return part, F.interpolate(inside[None, None].float(), (side, side), mode="nearest")[0, 0] > 0


def cut_all(
    picture: Tensor, shares: Tensor, regions: Sequence[Region], cutting: Cutting, side: int
) -> tuple[Tensor, Tensor]:
    """`cut` of some regions: (num_regions, 3, side, side) and (num_regions, side, side)."""
    parts = [cut(picture, shares[region.query], region, cutting, side) for region in regions]
    return torch.stack([part for part, _ in parts]), torch.stack([inside for _, inside in parts])


def _ends(used: Tensor) -> tuple[int, int]:
    places = used.nonzero()[:, 0]
    return int(places[0]), int(places[-1]) + 1


def _grown(start: int, stop: int, expand: float, size: int) -> tuple[int, int]:
    centre, half = (start + stop) / 2, (stop - start) * expand / 2
    # At least a pixel is left where boxes are made smaller.
    first = min(max(int(centre - half), 0), size - 1)
    return first, max(min(int(centre + half), size), first + 1)
