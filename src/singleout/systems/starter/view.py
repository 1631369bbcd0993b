"""Between the video's pixels and the network's: working size, tensors of frames, masks and coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

STRIDE = 32
MASK_STRIDE = 4
SMALLEST = 160  # short side below which frames are enlarged: the backbone sees too few cells otherwise


@dataclass(frozen=True)
class View:
    """How frames of height x width are looked at: resized, not padded, to work_height x work_width.

    Both working sizes are multiples of 32, so masks of the network cover the whole picture.
    """

    height: int
    width: int
    work_height: int
    work_width: int

    @classmethod
    def of(cls, height: int, width: int, size: int) -> View:
        """The view of a video whose short side is looked at with about `size` pixels (not enlarged, but to 160)."""
        short, long = min(height, width), max(height, width)
        scale = min(size, max(short, SMALLEST)) / short
        # A very long picture would need memory without bound, so its area is that of 3:1.
        scale = min(scale, (3 * size * size / (short * long)) ** 0.5)
        return cls(height, width, *(max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (height, width)))

    @property
    def mask_shape(self) -> tuple[int, int]:
        """Height and width of the masks that the network predicts."""
        return self.work_height // MASK_STRIDE, self.work_width // MASK_STRIDE

    def shrink(self, frame: npt.NDArray[np.uint8]) -> Tensor:
        """frame: (height, width, 3) uint8 RGB. Returns (1, 3, work_height, work_width) uint8, channels last."""
        # Torch cannot promise not to write, so it is not handed an array that must not be written to.
        own = np.ascontiguousarray(frame) if frame.flags.writeable else frame.copy()
        picture = torch.from_numpy(own).permute(2, 0, 1)[None]
        if picture.shape[-2:] == (self.work_height, self.work_width):
            return picture.contiguous(memory_format=torch.channels_last)
        return F.interpolate(
            picture, (self.work_height, self.work_width), mode="bilinear", antialias=True, align_corners=False
        ).contiguous(memory_format=torch.channels_last)

    def halve(self, picture: Tensor) -> Tensor:
        """A picture of `shrink` at about half of its working size, in multiples of 32 too."""
        height, width = (max(STRIDE, round(side / 2 / STRIDE) * STRIDE) for side in (self.work_height, self.work_width))
        halved = F.interpolate(picture, (height, width), mode="bilinear", antialias=True, align_corners=False)
        return halved.contiguous(memory_format=torch.channels_last)

    def mask(self, mask: npt.NDArray[np.bool_]) -> Tensor:
        """mask: (height, width) bool. Returns the share of it in each cell, (height/4, width/4) of the working size."""
        full = torch.from_numpy(mask.astype(np.float32))[None, None]
        return F.interpolate(full, self.mask_shape, mode="area")[0, 0]

    def cells(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """xy: (num_points, 2) pixels of the video. Returns them in cells of the mask, the first's centre being 0."""
        rows, columns = self.mask_shape
        scale = np.array([columns / self.width, rows / self.height])
        places: npt.NDArray[np.float64] = (np.asarray(xy, dtype=np.float64) + 0.5) * scale - 0.5
        return places

    def enlarge(self, masks: Tensor) -> Tensor:
        """masks: (num_objects, height/4, width/4). Returns them at the size of the video."""
        if masks.shape[0] == 0:
            return masks.new_zeros(0, self.height, self.width)
        return F.interpolate(masks[None], (self.height, self.width), mode="bilinear", align_corners=False)[0]
