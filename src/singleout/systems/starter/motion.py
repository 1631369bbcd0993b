"""What moves against its surroundings, cheaply: frame differences after the camera's shift is taken out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def motion_map(before: Tensor, after: Tensor) -> Tensor:
    """before, after: (height, width) lightness of two frames near each other in time.

    Returns (height, width), 0 to 1: how much each place changed more than the picture as a whole did. The camera's
    shift is found by phase correlation (Kuglin and Hines 1975).
    """
    dy, dx = camera_shift(before, after)
    moved = torch.roll(after, (-dy, -dx), dims=(0, 1))
    # Edges that are displaced by less than a cell differ strongly; the least difference nearby does not.
    padded = F.pad(moved[None, None], (1, 1, 1, 1), mode="replicate")[0]
    height, width = before.shape
    shifts = [padded[0, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    difference = torch.stack([(before - shift).abs() for shift in shifts]).amin(dim=0)
    smooth = F.avg_pool2d(difference[None, None], 9, stride=1, padding=4)[0, 0]
    usual = smooth.median()
    return ((smooth - usual) / (4 * usual + 2.0)).clamp(0, 1)


def camera_shift(before: Tensor, after: Tensor) -> tuple[int, int]:
    """Rows and columns by which the picture as a whole moved from before to after, both (height, width)."""
    height, width = before.shape
    window = torch.hann_window(height, device=before.device)[:, None] * torch.hann_window(width, device=before.device)
    first, second = torch.fft.rfft2(before * window), torch.fft.rfft2(after * window)
    cross = second * first.conj()
    peak = torch.fft.irfft2(cross / cross.abs().clamp(min=1e-6), s=(height, width))
    # A camera that leaps by more than a quarter of the picture between two frames is a wrong peak.
    far = torch.ones_like(peak, dtype=torch.bool)
    far[: height // 4, : width // 4] = far[: height // 4, -(width // 4) :] = False
    far[-(height // 4) :, : width // 4] = far[-(height // 4) :, -(width // 4) :] = False
    place = int(peak.masked_fill(far, -1.0).argmax())
    dy, dx = divmod(place, width)
    return dy - height if dy > height // 2 else dy, dx - width if dx > width // 2 else dx
