"""Names of colours measured in pictures: how much of a region a speaker would call red, grey, blond …

Regions of the CIE LCh space, with soft borders, for the eleven basic colour terms of Berlin and Kay (1969); shades are
reduced to these by `lexicon`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Lightness from, to; chroma from, to; hue from, to in degrees (may pass through 360).
_REGIONS: dict[str, tuple[float, float, float, float, float, float]] = {
    "black": (0, 32, 0, 18, 0, 360),
    "white": (72, 100, 0, 18, 0, 360),
    "gray": (22, 80, 0, 15, 0, 360),
    "red": (10, 65, 30, 140, 5, 50),
    "orange": (45, 85, 40, 140, 45, 75),
    "brown": (12, 62, 10, 50, 25, 85),
    "yellow": (55, 100, 22, 140, 75, 110),
    "green": (10, 95, 12, 140, 105, 190),
    "blue": (5, 90, 9, 140, 215, 305),
    "purple": (10, 75, 12, 140, 300, 340),
    "pink": (50, 95, 15, 70, 335, 20),
}
COLORS = frozenset(_REGIONS)


def color_map(lch: Tensor, name: str) -> Tensor:
    """How well each pixel fits a colour's name. lch: (3, height, width) of `to_lch`. Returns (height, width), 0 to 1.

    name: one of `COLORS`.
    """
    light_from, light_to, chroma_from, chroma_to, hue_from, hue_to = _REGIONS[name]
    lightness, chroma, hue = lch
    fit = _between(lightness, light_from, light_to, 4.0) * _between(chroma, chroma_from, chroma_to, 2.5)
    if hue_to - hue_from == 360:
        return fit
    half = (hue_to - hue_from) % 360 / 2
    distance = ((hue - hue_from - half + 180) % 360 - 180).abs()
    return fit * torch.sigmoid((half - distance) / 4.0)


def to_lch(rgb: Tensor) -> Tensor:
    """rgb: (3, height, width), 0 to 1, sRGB. Returns lightness 0 to 100, chroma and hue in degrees, of that shape."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = rgb.new_tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    white = to_xyz.sum(dim=1)
    xyz = torch.einsum("ij,jhw->ihw", to_xyz, linear) / white[:, None, None]
    bent = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness = 116 * bent[1] - 16
    a, b = 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])
    return torch.stack([lightness, torch.hypot(a, b), torch.atan2(b, a) * (180 / math.pi) % 360])


def _between(value: Tensor, low: float, high: float, soft: float) -> Tensor:
    fit = torch.ones_like(value)
    if low > 0:
        fit = fit * torch.sigmoid((value - low) / soft)
    if high < 100:
        fit = fit * torch.sigmoid((high - value) / soft)
    return fit
