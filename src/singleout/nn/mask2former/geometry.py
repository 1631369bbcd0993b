"""Sizes of a video on its way through Mask2Former and its children: pictures in, masks back at the video's own size.

Frames are resized by Pillow's bilinear filter, normalised and filled up with zeros on the right and below. Masks come
at stride 4 of that, are enlarged to it, cut to the part that holds the picture, and brought to the video's size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]  # height, width
Picture = npt.NDArray[np.uint8]
Crop = tuple[slice, slice]

MASK_STRIDE = 4  # pixels a side of a cell of predicted masks
_STEP = 32
_MEAN, _STD = (123.675, 116.280, 103.530), (58.395, 57.120, 57.375)


@dataclass(frozen=True)
class Geometry:
    """original: size of the video. seen: of its frames in the network. padded: with the zeros around them."""

    original: Size
    seen: Size
    padded: Size

    @classmethod
    def of(cls, original: Size, short: int, longest: int, square: int | None = None) -> Self:
        """The shorter side becomes `short` unless the longer one would exceed `longest`.

        square: frames are filled up to this many pixels a side, and `longest` is at most that; None fills up to
        multiples of 32. Rounding is that of Detectron2's ResizeShortestEdge.
        """
        longest = longest if square is None else min(longest, square)
        scale = short / min(original)
        sides = [scale * side for side in original]
        sides[original.index(min(original))] = float(short)
        if max(sides) > longest:
            scale = longest / max(sides)
            sides = [scale * side for side in sides]
        seen = (max(int(sides[0] + 0.5), 1), max(int(sides[1] + 0.5), 1))
        if square is not None:
            return cls(original, seen, (square, square))
        return cls(original, seen, (-(-seen[0] // _STEP) * _STEP, -(-seen[1] // _STEP) * _STEP))

    def resize(self, picture: Picture) -> Picture:
        """A picture (height, width, 3) uint8 RGB at the size `seen`."""
        image = Image.fromarray(picture).resize((self.seen[1], self.seen[0]), Image.Resampling.BILINEAR)
        return np.array(image)

    def prepare(self, pictures: Iterable[Picture]) -> Tensor:
        """Pictures (height, width, 3) uint8 RGB as the network takes them: (num_pictures, 3, *padded) float32."""
        mean, std = torch.tensor(_MEAN)[:, None, None], torch.tensor(_STD)[:, None, None]
        below, right = self.padded[0] - self.seen[0], self.padded[1] - self.seen[1]
        rows = []
        for picture in pictures:
            values = (torch.from_numpy(self.resize(picture)).permute(2, 0, 1) - mean) / std
            rows.append(F.pad(values, (0, right, 0, below)))
        return torch.stack(rows)

    @property
    def coarse(self) -> Size:
        """The size of predicted masks."""
        return self.padded[0] // MASK_STRIDE, self.padded[1] // MASK_STRIDE

    def enlarge(self, masks: Tensor) -> Tensor:
        """masks: (..., h, w) at stride 4, to (..., *padded)."""
        flat = masks.flatten(0, -3)[:, None]
        large = F.interpolate(flat, self.padded, mode="bilinear", align_corners=False)
        return large.reshape(*masks.shape[:-2], *self.padded)

    def crop(self, masks: Tensor) -> Tensor:
        """masks: (..., *padded), without what was filled up."""
        return masks[..., : self.seen[0], : self.seen[1]]

    def restore(self, masks: Tensor) -> Tensor:
        """masks: (num, *padded) logits, cut and brought bilinearly to (num, *original)."""
        return F.interpolate(self.crop(masks)[:, None], self.original, mode="bilinear", align_corners=False)[:, 0]


class Enlarger:
    """Brings single masks at stride 4 straight to the size of the video, where they can lie above 0 and nowhere else.

    Enlarging to the padded size, cutting, and resizing to the video's size are all linear and treat rows and columns
    alike: together they are one matrix for the rows and one for the columns, with few numbers other than 0.
    """

    def __init__(self, geometry: Geometry, device: torch.device) -> None:
        self._axes = tuple(_Axis(geometry, axis, device) for axis in (0, 1))
        self.size = geometry.original

    def __call__(self, mask: Tensor, level: float = 0.0) -> tuple[Crop, Tensor]:
        """mask: (h, w) logits. Returns the part of the picture where they can exceed a level, and the logits there."""
        above = mask > level
        rows, columns = self._axes[0].reach(above.any(1)), self._axes[1].reach(above.any(0))
        if rows is None or columns is None:
            return (slice(0, 0), slice(0, 0)), mask.new_zeros((0, 0))
        part = mask[rows.source, columns.source]
        values = rows.weights @ part @ columns.weights.t()
        return (rows.target, columns.target), values


@dataclass(frozen=True)
class _Reach:
    """source: places of the mask that are read. target: places that are made. weights: (target, source)."""

    source: slice
    target: slice
    weights: Tensor


class _Axis:
    def __init__(self, geometry: Geometry, axis: int, device: torch.device) -> None:
        unit = torch.eye(geometry.coarse[axis])[None]
        padded = F.interpolate(unit, geometry.padded[axis], mode="linear", align_corners=False)
        seen = padded[..., : geometry.seen[axis]]
        # (places of the video, places of the mask)
        weights = F.interpolate(seen, geometry.original[axis], mode="linear", align_corners=False)[0].t()
        used = weights != 0
        places = torch.arange(weights.shape[1]).expand_as(used)
        self._first = torch.where(used, places, weights.shape[1]).amin(1).numpy()
        self._last = torch.where(used, places, -1).amax(1).numpy()
        self._weights = weights.contiguous().to(device)

    def reach(self, occupied: Tensor) -> _Reach | None:
        """occupied: (places of the mask,) bool."""
        found = np.flatnonzero(occupied.cpu().numpy())
        if not len(found):
            return None
        # Both ends grow with the place, so the places that touch what is occupied are one stretch.
        start = int(np.searchsorted(self._last, found[0], side="left"))
        stop = int(np.searchsorted(self._first, found[-1], side="right"))
        if start >= stop:
            return None
        source = slice(int(self._first[start]), int(self._last[stop - 1]) + 1)
        return _Reach(source, slice(start, stop), self._weights[start:stop, source])
