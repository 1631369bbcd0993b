"""Between pictures and the network: sizes, normalisation, padding, and masks back at the size of the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.referring.values import MASK_STRIDE

Size = tuple[int, int]  # height, width
Picture = npt.NDArray[np.uint8]

_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
_STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
PAD_TO = 32  # sizes in ReferFormer's batches of training and of single pictures are multiples of this


def network_size(size: Size, short: int, longest: int = 0) -> Size:
    """The size at which a picture is looked at: the shorter side becomes `short`, the other keeps the proportion.

    longest: the longer side must not exceed it; 0 for no limit. Both ways of rounding are the published ones.
    """
    small, large = min(size), max(size)
    if longest and large / small * short > longest:
        short = round(longest * small / large)
    long = int(short * large / small)
    return (short, long) if size[0] <= size[1] else (long, short)


def prepare(pictures: Iterable[Picture], size: Size) -> Tensor:
    """Pictures (height, width, 3) uint8 RGB as the network takes them: (num_pictures, 3, *size) float32, normalised.

    Pillow's antialiased bilinear filter, as in the published code: torch's own rounds otherwise.
    """
    rows = []
    for picture in pictures:
        image = Image.fromarray(picture)
        if picture.shape[:2] != size:
            image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        rows.append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    return (torch.stack(rows).float() / 255 - _MEAN) / _STD


def pad_batch(clips: Sequence[Tensor], step: int = PAD_TO) -> tuple[Tensor, Tensor]:
    """Clips (time, 3, height, width) of several sizes in one batch, with zeros right and below.

    Returns (num_clips, time, 3, h, w), h and w the largest ones rounded up to `step`, and where it is padded, bool.
    """
    height, width = (-(-max(clip.shape[axis] for clip in clips) // step) * step for axis in (2, 3))
    batch = torch.stack([F.pad(clip, (0, width - clip.shape[3], 0, height - clip.shape[2])) for clip in clips])
    padding = torch.ones(*batch.shape[:2], height, width, dtype=torch.bool)
    for row, clip in zip(padding, clips, strict=True):
        row[:, : clip.shape[2], : clip.shape[3]] = False
    return batch, padding


def probabilities(masks: Tensor, size: Size) -> Tensor:
    """Masks of a video at its own size: (num, h, w) logits at stride 4, straight to (num, *size), 0 to 1."""
    return at_size(masks, size).sigmoid()


def at_size(masks: Tensor, size: Size) -> Tensor:
    """Logits (num, h, w), brought bilinearly to (num, *size)."""
    return F.interpolate(masks[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def label_maps(shares: Tensor, threshold: float = 0.5, background: float = 0.1) -> Tensor:
    """One object for each pixel, as Ref-DAVIS17 is answered: 0 for none, else the place in the list from 1.

    shares: (num_objects, ..., height, width) probabilities; those under the threshold count as 0, and the first of
    equal ones wins. Returns (..., height, width) int32.
    """
    kept = torch.where(shares < threshold, shares.new_zeros(()), shares)
    return torch.cat([torch.full_like(kept[:1], background), kept]).argmax(0).to(torch.int32)


def picture_masks(masks: Tensor, seen: Size, size: Size, padded: Size | None = None) -> Tensor:
    """Masks of a single picture, as A2D, JHMDB and RefCOCO are answered: (num, *size) bool.

    masks: (num, h, w) logits at stride 4 of the padded picture. seen: its size in the network without padding. padded:
    the size with it, to which masks are enlarged; None: by 4, which differs where it is no multiple of 4. The threshold
    is one half whatever else is set, and the last step takes nearest pixels.
    """
    grown = (masks.shape[1] * MASK_STRIDE, masks.shape[2] * MASK_STRIDE) if padded is None else padded
    hard = (at_size(masks, grown).sigmoid() > 0.5)[:, None][:, :, : seen[0], : seen[1]]
    return F.interpolate(hard.float(), size, mode="nearest")[:, 0].bool()


def corners(boxes: Tensor, size: Size) -> Tensor:
    """Boxes (..., 4) of centre, width and height in 0..1 as left, top, right, bottom in pixels."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    scale = boxes.new_tensor([size[1], size[0]] * 2)
    return torch.cat([centre - half, centre + half], dim=-1) * scale
