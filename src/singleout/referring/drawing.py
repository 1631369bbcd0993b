"""Pictures of results as the published script draws them: box, reference point and mask over a frame."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

_STEPS = (0.0, 0.333, 0.667, 1.0)
# The colours that Detectron draws with (Girshick et al. 2018): twelve chosen ones, grids, ramps and greys.
_COLOURS: tuple[tuple[float, float, float], ...] = (
    (0.000, 0.447, 0.741),
    (0.850, 0.325, 0.098),
    (0.929, 0.694, 0.125),
    (0.494, 0.184, 0.556),
    (0.466, 0.674, 0.188),
    (0.301, 0.745, 0.933),
    (0.635, 0.078, 0.184),
    (0.300, 0.300, 0.300),
    (0.600, 0.600, 0.600),
    (1.000, 0.000, 0.000),
    (1.000, 0.500, 0.000),
    (0.749, 0.749, 0.000),
    (0.000, 1.000, 0.000),
    (0.000, 0.000, 1.000),
    (0.667, 0.000, 1.000),
    *((red, green, 0.0) for red, green in product(_STEPS[1:], _STEPS[1:])),
    *((red, green, 0.5) for red, green in list(product(_STEPS, _STEPS))[1:]),
    *((red, green, 1.0) for red, green in list(product(_STEPS, _STEPS))[1:-1]),
    *((value, 0.0, 0.0) for value in (0.167, 0.333, 0.500, 0.667, 0.833, 1.0)),
    *((0.0, value, 0.0) for value in (0.167, 0.333, 0.500, 0.667, 0.833, 1.0)),
    *((0.0, 0.0, value) for value in (0.167, 0.333, 0.500, 0.667, 0.833, 1.0)),
    *((value, value, value) for value in (0.0, 0.143, 0.286, 0.429, 0.571, 0.714, 0.857, 1.0)),
)
_ARM = 10  # pixels of the cross to each side


def colour_of(position: int) -> tuple[int, int, int]:
    """The colour of a sentence by its place in the list. Red and blue are exchanged, as published."""
    red, green, blue = _COLOURS[position % len(_COLOURS)]
    return int(blue * 255), int(green * 255), int(red * 255)


def draw_result(
    frame: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    box: tuple[float, float, float, float],
    point: tuple[float, float],
    position: int,
) -> npt.NDArray[np.uint8]:
    """A frame with one result: (height, width, 3) uint8 RGB.

    mask: (height, width). box: left, top, right, bottom and point: x, y, in pixels. position: of the sentence, which
    gives the colour.
    """
    colour, image = colour_of(position), Image.fromarray(frame)
    drawn = ImageDraw.Draw(image)
    drawn.rectangle(((box[0], box[1]), (box[2], box[3])), outline=colour, width=2)
    x, y = point
    drawn.line((x - _ARM, y, x + _ARM, y), fill=colour, width=4)
    drawn.line((x, y - _ARM, x, y + _ARM), fill=colour, width=4)
    picture = np.array(image)
    picture[mask] = (picture[mask] * 0.5 + np.array(colour) * 0.5).astype(np.uint8)
    return picture
