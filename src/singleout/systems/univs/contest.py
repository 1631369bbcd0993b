"""Whose each pixel is where soft masks compete: that of the highest probability times weight, if it is inside there.

Mask2Former's rule (Cheng et al. 2022) for panoptic results, which the published code keeps for pictures and for objects
that are followed without prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.univs.geometry import Geometry, Nearest
from singleout.systems.univs.panoptic import Segments

_INSIDE = 0.5


@dataclass(frozen=True)
class Contest:
    """owner: (height, width) of the video, the place of the mask that has a pixel, -1 for nobody's.

    won: (num_masks,), pixels in which each mask is the strongest, also those in which it is not inside. own: pixels
    inside of each. kept: pixels that it has.
    """

    owner: Tensor
    won: Tensor
    own: Tensor
    kept: Tensor


def contest(geometry: Geometry, masks: Tensor, weights: Sequence[float], *, at_last: bool) -> Contest:
    """masks: (num_masks, h, w) logits at stride 4. weights: of each. One mask after the other is enlarged.

    at_last: whether pixels are counted at the size of the video, as for videos, and those where no mask is inside for
    nobody. Else at the size in the network, as for pictures, where the result is then brought to the video's by nearest
    pixels.
    """
    nearest, device = Nearest(geometry, masks.device), masks.device
    best = torch.zeros(geometry.seen, device=device)
    touched = torch.zeros(geometry.seen, dtype=torch.bool, device=device)
    size = geometry.original if at_last else geometry.seen
    owner = torch.full(size, -1, dtype=torch.int16, device=device)
    inside = torch.zeros(size, dtype=torch.bool, device=device)
    own = torch.zeros(len(masks), dtype=torch.int64, device=device)
    for place, (mask, weight) in enumerate(zip(masks, weights, strict=True)):
        share = geometry.crop(geometry.enlarge(mask[None]))[0].sigmoid()
        wins = share * weight > best
        best = torch.where(wins, share * weight, best)
        touched |= share >= _INSIDE
        if at_last:
            share = F.interpolate(share[None, None], size, mode="bilinear", align_corners=False)[0, 0]
            wins = nearest(wins)
        mine = share >= _INSIDE
        own[place] = mine.sum()
        owner = torch.where(wins, place, owner)
        inside = torch.where(wins, mine, inside)
    if at_last:
        owner = owner.where(nearest(touched), -1)
    won = _counted(owner, len(masks))
    owner = owner.where(inside, -1)
    kept = _counted(owner, len(masks))
    return Contest(owner if at_last else nearest(owner), won, own, kept)


def segments_of(
    found: Sequence[Contest],
    places: Sequence[int],
    labels: Sequence[int],
    *,
    things: Sequence[bool],
    overlap: float,
    segments: Segments,
) -> list[int]:
    """The number of the segment that each mask of some frames is part of, 0 where it wins too little of its own pixels.

    places: by which the objects of the masks are known. labels: their classes. things: of each class. segments: known
    ones, to which new ones are added; stuff of a class is one segment.
    """
    won, own, kept = (
        torch.stack([getattr(one, name) for one in found]).sum(0).tolist() for name in ("won", "own", "kept")
    )
    numbers = []
    for row, (place, label) in enumerate(zip(places, labels, strict=True)):
        if not kept[row] or won[row] < overlap * own[row]:
            numbers.append(0)
        elif things[label]:
            numbers.append(segments.things.setdefault(place, segments.count + 1))
        else:
            numbers.append(segments.stuff.setdefault(label, segments.count + 1))
    return numbers


def _counted(owner: Tensor, count: int) -> Tensor:
    return torch.bincount(owner.flatten() + 1, minlength=count + 1)[1:]
