"""Frames of the report: what was found, missed and wrongly taken, drawn on the frame and embedded in the page."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt

from singleout.evaluation.report.values import Look

FOUND, WRONG, MISSED = (40, 180, 90), (225, 50, 50), (50, 110, 240)
"""Colours of pixels in both masks, only in the predicted one, and only in the true one."""
_WIDTH = 480
_GREY = 110
_STRENGTH = 0.55


def draw(look: Look) -> npt.NDArray[np.uint8]:
    """The frame with truth and prediction in colours: (height, width, 3) uint8 RGB."""
    if look.picture is not None and look.picture.shape[:2] == look.truth.shape:
        drawn = look.picture.astype(np.float32)
    else:
        drawn = np.full((*look.truth.shape, 3), _GREY, np.float32)
    kinds = ((look.truth & look.predicted, FOUND), (look.predicted & ~look.truth, WRONG))
    for mask, colour in (*kinds, (look.truth & ~look.predicted, MISSED)):
        drawn[mask] += (np.array(colour, np.float32) - drawn[mask]) * _STRENGTH
    return drawn.round().astype(np.uint8)


def embedded(look: Look) -> str:
    """The drawn frame as a data URL of a JPEG, at most 480 pixels wide."""
    from PIL import Image

    image = Image.fromarray(draw(look))
    if image.width > _WIDTH:
        image = image.resize((_WIDTH, max(1, round(image.height * _WIDTH / image.width))), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
