"""Masks, boxes and points of objects as what the network sees there: some cells of the map at stride 8, drawn by lot.

Section 3.2 of Li et al. 2024. None of this has weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.positions import sine_grid, sine_points, waves
from singleout.systems.univs.values import DensePrompts, FrameFeatures

_STRIDE = 8  # pixels a side of a cell
_SURE, _SURER, _HALF = 0.75, 0.95, 0.5  # mask values that count as inside
_TURN = 128  # frames of a video to a whole turn
_MIDDLE = 0.25  # share of a box to each side of its centre that counts as its middle


class Dice:
    """Draws of cells and points, the same for a seed."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def ranks(self, count: int, size: int) -> Tensor:
        """An order of so many things, `count` times: (count, size) float32, lowest first."""
        return torch.rand(count, size, generator=self._generator)

    def shares(self, count: int, size: int) -> Tensor:
        """Numbers in 0..1: (count, size) float32."""
        return torch.rand(count, size, generator=self._generator)


def points_of_masks(
    frame: FrameFeatures,
    masks: Tensor,
    boxes: Tensor | None,
    *,
    frame_index: int,
    num_points: int,
    dice: Dice,
    point_index: int | None = None,
) -> DensePrompts:
    """What the network sees in masks.

    masks: (num_objects, height, width) in 0..1 at the padded size of the frame. boxes: (num_objects, 4), left, top,
    right and bottom in 0..1, all zero where there is none. frame_index: number of the frame in the video, from 0.
    point_index: the same for masks that are smaller than a cell, where it is another. An object without a pixel above
    0.5 is zero.
    """
    masks = masks.float()
    seen = Seen(masks[:, ::_STRIDE, ::_STRIDE].flatten(1), masks.flatten(1).amax(-1) > _HALF, masks.__getitem__)
    return points_of_seen(
        frame,
        seen,
        boxes,
        frame_index=frame_index,
        num_points=num_points,
        dice=dice,
        point_index=point_index,
    )


@dataclass(frozen=True)
class Seen:
    """What is read of masks, where they are made only as far as that.

    cells: (num_objects, cells) in 0..1, the pixel in the corner of each cell of the map. present: (num_objects,) bool,
    whether any pixel is above 0.5. whole: gives the masks of some rows, (num_rows, height, width).
    """

    cells: Tensor
    present: Tensor
    whole: Callable[[Tensor], Tensor]


def points_of_seen(
    frame: FrameFeatures,
    seen: Seen,
    boxes: Tensor | None,
    *,
    frame_index: int,
    num_points: int,
    dice: Dice,
    point_index: int | None = None,
) -> DensePrompts:
    """`points_of_masks`, of which only what is read is there."""
    cells, present = seen.cells, seen.present
    # The limit is that of all objects together: where none covers a cell it is 0, and every cell counts for each of
    # them. The published weights were trained and evaluated so.
    kept = cells >= cells.amax().clamp(max=_HALF) if cells.numel() else cells.bool()
    found = _drawn(frame, kept, frame_index, num_points, dice)
    lost = (~kept.any(-1) & present).nonzero()[:, 0]
    if len(lost):
        points = middle_of_masks(seen.whole(lost), None if boxes is None else boxes[lost], dice)
        index = frame_index if point_index is None else point_index
        found.positions[lost] = _positions_of_points(points, index, found.positions)[:, None]
    found.features[~present] = 0.0
    found.positions[~present] = 0.0
    return found


def points_of_boxes(
    frame: FrameFeatures, boxes: Tensor, *, frame_index: int, num_points: int, dice: Dice
) -> DensePrompts:
    """What the network sees in boxes; without area they are zero.

    boxes: (num_objects, 4), left, top, right and bottom in 0..1. The others are as in `points_of_masks`.
    """
    kept = cells_of_boxes(boxes, frame.levels[-1].shape[:2]).flatten(1)
    found = _drawn(frame, kept, frame_index, num_points, dice)
    points = middle_of_boxes(boxes, dice)
    lost = (~kept.any(-1)).nonzero()[:, 0]
    if len(lost):
        single = points_of_clicks(frame, points[lost], frame_index=frame_index, num_points=num_points)
        found.features[lost], found.positions[lost] = single.features, single.positions
    flat = ~((boxes[:, 2:] - boxes[:, :2]) > 0).all(-1)
    found.features[flat] = 0.0
    found.positions[flat] = 0.0
    return found


def points_of_clicks(frame: FrameFeatures, points: Tensor, *, frame_index: int, num_points: int) -> DensePrompts:
    """What the network sees at single points, (num_objects, 2) in 0..1, x first; outside of the frame they are zero.

    The others are as in `points_of_masks`.
    """
    level = frame.levels[-1]
    maps = level.permute(2, 0, 1)[None]
    seen = F.grid_sample(maps, (2 * points - 1)[None, None], align_corners=False)[0, :, 0].t()
    places = _positions_of_points(points, frame_index, level)
    inside = ((points >= 0) & (points <= 1)).all(-1, keepdim=True)
    seen, places = seen * inside, places * inside
    return DensePrompts(*(part[:, None].repeat(1, num_points, 1) for part in (seen, places)))


def cells_of_boxes(boxes: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Cells that boxes touch, (num_objects, h, w) bool, but for the first row and column of each; size: h and w."""
    height, width = size
    left, top, right, bottom = (boxes * boxes.new_tensor([width, height, width, height])).unbind(-1)
    columns = torch.arange(width, device=boxes.device)
    rows = torch.arange(height, device=boxes.device)
    across = (columns > left.floor()[:, None]) & (columns <= right.ceil()[:, None])
    down = (rows > top.floor()[:, None]) & (rows <= bottom.ceil()[:, None])
    return down[:, :, None] & across[:, None, :]


def middle_of_masks(masks: Tensor, boxes: Tensor | None, dice: Dice) -> Tensor:
    """A point well inside of each mask, (num_objects, 2) in 0..1, x first; masks, boxes: of `points_of_masks`."""
    height, width = masks.shape[1:]
    values = masks.flatten(1)
    most = values.amax(-1, keepdim=True)
    y, x = torch.meshgrid(
        (torch.arange(height, device=masks.device) + 0.5) / height,
        (torch.arange(width, device=masks.device) + 0.5) / width,
        indexing="ij",
    )
    places = torch.stack([x, y], dim=-1).flatten(0, 1)
    surer = values >= most.clamp(max=_SURER)
    if boxes is not None:
        centre, size = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2, boxes[:, None, 2:] - boxes[:, None, :2]
        middle = ((places - centre).abs() < _MIDDLE * size).all(-1) & (values >= most.clamp(max=_SURE))
        surer = torch.where(middle.any(-1, keepdim=True), middle, surer)
    ranks = dice.ranks(*values.shape).to(masks.device)
    return places[ranks.masked_fill(~surer, torch.inf).argmin(-1)]


def middle_of_boxes(boxes: Tensor, dice: Dice) -> Tensor:
    """A point around the centre of each box, (num_objects, 2) in 0..1, x first."""
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return centre + (2 * dice.shares(len(boxes), 2).to(boxes.device) - 1) * _MIDDLE * size


def _drawn(frame: FrameFeatures, kept: Tensor, frame_index: int, num_points: int, dice: Dice) -> DensePrompts:
    """Cells of each object drawn by lot, again and again where there are too few; zero where there are none.

    kept: (num_objects, cells) bool.
    """
    level = frame.levels[-1]
    tokens = level.flatten(0, 1)
    count = kept.sum(-1, keepdim=True)
    ranks = dice.ranks(*kept.shape).to(kept.device).masked_fill(~kept, torch.inf)
    order = ranks.topk(min(num_points, kept.shape[1]), largest=False).indices
    turns = torch.arange(num_points, device=kept.device) % count.clamp(1, order.shape[1])
    chosen = order.gather(1, turns)
    where = positions_of_cells((level.shape[0], level.shape[1]), frame_index, level)
    where = where.flatten(0, 1)
    some = (count > 0)[..., None]
    return DensePrompts(tokens[chosen] * some, where[chosen] * some)


def positions_of_cells(size: tuple[int, int], frame_index: int, like: Tensor) -> Tensor:
    """Positions of the cells of a map of this height and width in a frame of this number, (h, w, width of `like`)."""
    return sine_grid(size, like.shape[-1], like.device) + _time(frame_index, like)


def _positions_of_points(points: Tensor, frame_index: int, like: Tensor) -> Tensor:
    return sine_points(points, like.shape[-1]) + _time(frame_index, like)


def _time(frame_index: int, like: Tensor) -> Tensor:
    """The number of a frame, added to positions in it: (width of `like`,)."""
    return waves(torch.tensor(frame_index / _TURN * 2 * math.pi, device=like.device), like.shape[-1])
