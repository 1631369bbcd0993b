"""From masks, boxes and clicks on one frame to masks at the resolution of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from singleout.prompts import Box, Mask, Points
from singleout.systems.starter.marks import Mark
from singleout.systems.starter.network import GUIDANCE_CHANNELS, Features, StarterNetwork
from singleout.systems.starter.view import View

CLICK_SIGMA = 3.0  # cells of the mask; training draws its bumps as wide
BOX_MARGIN = 0.05  # share of the box by which a mask may leave it


def bumps(xy: Tensor, height: int, width: int, shown: Tensor | None = None) -> Tensor:
    """Gaussian bumps at places in cells: 1 at each place, the highest of them everywhere.

    xy: (..., num_points, 2). shown: (..., num_points), 0 where a point does not count; all count if None.
    Returns (..., height, width); 0 everywhere without points.
    """
    if xy.shape[-2] == 0:
        return xy.new_zeros(*xy.shape[:-2], height, width)
    rows = torch.arange(height, device=xy.device)[:, None]
    columns = torch.arange(width, device=xy.device)[None]
    distance = (columns - xy[..., 0, None, None]) ** 2 + (rows - xy[..., 1, None, None]) ** 2
    raised = torch.exp(-distance / (2 * CLICK_SIGMA**2))
    if shown is not None:
        raised = raised * shown[..., None, None]
    return raised.amax(dim=-3)


def box_interior(xyxy: Tensor, height: int, width: int) -> Tensor:
    """1 inside of a box, left, top, right, bottom in cells, 0 outside: (height, width)."""
    left, top, right, bottom = xyxy
    rows = torch.arange(height, device=xyxy.device)[:, None]
    columns = torch.arange(width, device=xyxy.device)[None]
    inside: Tensor = (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    return inside.float()


def masks_of_marks(
    network: StarterNetwork,
    features: Features,
    view: View,
    marks: Mapping[int, Sequence[Mark]],
    present: Mapping[int, Tensor],
) -> dict[int, Tensor]:
    """What the marks of one frame mean: object id -> (height/4, width/4) probabilities.

    present: the masks of objects that are already followed, which clicks correct.
    """
    device = features.x4.device
    masks: dict[int, Tensor] = {}
    hinted: list[int] = []
    for number, given in marks.items():
        drawn = [mark for mark in given if isinstance(mark, Mask)]
        if drawn:
            masks[number] = view.mask(drawn[-1].ids == number).to(device)
        if any(not isinstance(mark, Mask) for mark in given):
            hinted.append(number)
    if not hinted:
        return masks
    guidance = torch.stack(
        [_guidance(marks[number], view, masks.get(number, present.get(number)), device) for number in hinted]
    )
    chosen = network.select(features.repeat(len(hinted)), guidance).float().sigmoid()
    for number, mask, hints in zip(hinted, chosen, guidance, strict=True):
        masks[number] = _tidy(mask, hints, marks[number], view)
    return masks


def _guidance(marks: Sequence[Mark], view: View, before: Tensor | None, device: torch.device) -> Tensor:
    height, width = view.mask_shape
    hints = torch.zeros(GUIDANCE_CHANNELS, height, width, device=device)
    for mark in marks:
        if isinstance(mark, Points):
            xy = torch.from_numpy(view.cells(np.array(mark.xy))).float().to(device)
            sign = torch.tensor(mark.positive, device=device)
            hints[0] = torch.maximum(hints[0], bumps(xy[sign], height, width))
            hints[1] = torch.maximum(hints[1], bumps(xy[~sign], height, width))
        elif isinstance(mark, Box):
            hints[2] = torch.maximum(hints[2], box_interior(_box_cells(mark, view).to(device), height, width))
    if before is not None:
        hints[3] = before
    return hints


def _box_cells(box: Box, view: View) -> Tensor:
    left, top, right, bottom = box.xyxy
    return torch.from_numpy(view.cells(np.array([(left, top), (right, bottom)]))).float().flatten()


def _tidy(mask: Tensor, hints: Tensor, marks: Sequence[Mark], view: View) -> Tensor:
    """Hold the mask to what was said: inside of the box, on the clicked parts, off the negative clicks, not empty."""
    for mark in marks:
        if isinstance(mark, Box):
            left, top, right, bottom = _box_cells(mark, view)
            grown = BOX_MARGIN * torch.stack([left - right, top - bottom, right - left, bottom - top])
            wide = box_interior(torch.stack([left, top, right, bottom]) + grown, *mask.shape).to(mask.device)
            mask = mask * wide
    positive, negative = hints[0] > 0.9, hints[1] > 0.9
    mask = torch.where(negative & ~positive, torch.zeros_like(mask), mask)
    if positive.any():
        # Parts that no click touches are other objects that look alike.
        labels, _ = ndimage.label((mask > 0.5).cpu().numpy(), np.ones((3, 3)))
        touched = np.unique(labels[positive.cpu().numpy()])
        touched = touched[touched > 0]
        if len(touched):
            mask = mask * torch.from_numpy(np.isin(labels, touched) | (labels == 0)).to(mask.device)
    if not (mask > 0.5).any():
        # Nothing was recognised there, yet the user sees something: the hint itself is the best that is known.
        mask = hints[2] if hints[2].any() else torch.maximum(hints[0], mask)
    return mask
