"""Sizes of a video on its way through UniVS: those of Mask2Former, and what prompts and scores need besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

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
