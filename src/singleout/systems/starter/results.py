"""What the passes of a run found in a frame, as `FrameMasks`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from singleout.systems.starter.carry import Rows
from singleout.systems.starter.view import View
from singleout.tracks import FrameMasks


def frame_masks(index: int, view: View, parts: list[Rows], *, exclusive: bool) -> FrameMasks:
    """Join what several passes found in a frame; objects that are not seen are left out."""
    ids: list[int] = []
    masks: list[Tensor] = []
    scores: list[float] = []
    large = any(found.shape[-2:] != view.mask_shape for _, found in parts)
    for numbers, coarse in parts:
        inside = coarse > 0.5
        areas = inside.sum(dim=(1, 2))
        means = (coarse * inside).sum(dim=(1, 2)) / areas.clamp(min=1)
        seen = [row for row, area in enumerate(areas.tolist()) if area > 0]
        found = view.enlarge(coarse) if large and coarse.shape[-2:] == view.mask_shape else coarse
        ids += [numbers[row] for row in seen]
        scores += [float(means[row]) for row in seen]
        masks.append(found[seen].float().cpu())
    shape = (view.height, view.width) if large else view.mask_shape
    joined = torch.cat(masks) if ids else torch.zeros(0, *shape)
    return FrameMasks(
        frame=index,
        ids=np.array(ids, dtype=np.int32),
        scores=np.array(scores, dtype=np.float32),
        masks=joined.numpy(),
        height=view.height,
        width=view.width,
        exclusive=exclusive,
    )
