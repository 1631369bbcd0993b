"""All queries for a sentence on a single picture, as A2D, JHMDB and RefCOCO are evaluated."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from singleout.referring.pictures import Size, corners, picture_masks


@dataclass(frozen=True)
class Candidates:
    """All queries for one sentence on one picture, best first.

    scores: (num_queries,) 0 to 1. masks: (num_queries, height, width) bool. boxes: (num_queries, 4), left, top, right,
    bottom in pixels. order: (num_queries,), the places that they had in the network.
    """

    scores: Tensor
    masks: Tensor
    boxes: Tensor
    order: Tensor


def candidates_of(
    logits: Tensor, boxes: Tensor, masks: Tensor, seen: Size, size: Size, *, padded: Size | None = None
) -> Candidates:
    """What the network says of one picture at the picture's size.

    logits: (num_queries, num_classes). boxes: (num_queries, 4). masks: (num_queries, h, w) logits. seen, size: height
    and width in the network without padding, and of the picture. padded: see `picture_masks`.
    """
    scores = logits.sigmoid().amax(-1)
    order = scores.argsort(descending=True)
    found = picture_masks(masks[order], seen, size, padded)
    return Candidates(scores[order], found, corners(boxes[order], size), order)
