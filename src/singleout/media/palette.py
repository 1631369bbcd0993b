"""Colours of object ids: the indexed palette of DAVIS masks, and clearer colours to draw with."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Rgb = tuple[int, int, int]

# Three lightnesses in turn keep ids apart whose hues come close again after a round of the colour circle.
_LIGHTNESS = (0.68, 0.80, 0.56)
_GOLDEN_ANGLE = 137.50776405003785
_FIRST_HUE = 30.0
_CHROMA = 0.20


def _davis() -> npt.NDArray[np.uint8]:
    ids = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for level in range(7, -1, -1):
        for channel in range(3):
            colours[:, channel] |= (((ids >> channel) & 1) << level).astype(np.uint8)
        ids >>= 3
    return colours


DAVIS: npt.NDArray[np.uint8] = _davis()
"""(256, 3) uint8 RGB: the palette of DAVIS and Pascal VOC masks, computed by the bit rule of VOC's devkit."""
DAVIS.setflags(write=False)


def color(object_id: int) -> Rgb:
    """The palette colour of an id, as red, green and blue 0..255; ids above 255 repeat the colours of 1 to 255."""
    index = object_id if object_id < 256 else 1 + (object_id - 1) % 255
    red, green, blue = DAVIS[index].tolist()
    return red, green, blue


@lru_cache(maxsize=4096)
def distinct(object_id: int) -> Rgb:
    """A bright colour of an id, any number from 0, that the eye tells from those of its neighbours.

    Hues follow the golden angle in OKLCH (Ottosson, "A perceptual color space for image processing", 2020),
    so that any run of ids is spread around the colour circle. Returns red, green and blue 0..255.
    """
    turn = max(object_id - 1, 0)
    hue = math.radians((_FIRST_HUE + turn * _GOLDEN_ANGLE) % 360)
    lightness = _LIGHTNESS[turn % len(_LIGHTNESS)]
    chroma = _CHROMA
    linear = _oklch_to_linear(lightness, chroma, hue)
    while chroma > 0 and not all(-1e-4 <= value <= 1.0001 for value in linear):
        chroma -= 0.005
        linear = _oklch_to_linear(lightness, chroma, hue)
    red, green, blue = (_gamma(value) for value in linear)
    return red, green, blue


def _oklch_to_linear(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _gamma(linear: float) -> int:
    value = min(max(linear, 0.0), 1.0)
    encoded = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * encoded)
