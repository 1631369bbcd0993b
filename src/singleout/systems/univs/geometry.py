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
from singleout.systems.univs.similarity import quality

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

    def sharpness(self, masks: Tensor) -> Tensor:
        """`quality` of masks (num, time, h, w) as they are at the size that the picture has in the network, (num,)."""
        return torch.stack([quality(self.crop(self.enlarge(mask))[None])[0] for mask in masks])


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


def _nearest(source: int, target: int) -> Tensor:
    """For each place of the target the nearest one of the source, as torch chooses it for masks."""
    # In double precision places that lie on a border between two would go to the other one.
    places = torch.arange(source, dtype=torch.float32)[None, None]
    return F.interpolate(places, target, mode="nearest")[0, 0].long()
