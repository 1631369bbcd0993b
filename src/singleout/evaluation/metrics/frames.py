"""J and F of the objects of one frame, from pictures of object ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.evaluation.metrics.bitmaps import Window
from singleout.evaluation.metrics.boundary import BOUND_TH, EMPTY, Shape, boundary_radius, similarity

Ids = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]


def same_size(prediction: npt.NDArray[np.generic], truth: npt.NDArray[np.generic], where: str) -> None:
    """Refuse a prediction of another size than its truth. where: the video and frame, for the message."""
    if prediction.ndim != 2 or prediction.shape != truth.shape:
        shapes = " and ".join("x".join(map(str, reversed(mask.shape))) for mask in (prediction, truth))
        raise InputError(f"{where}: prediction and truth must have one size, (height, width), but are {shapes}")


def object_similarity(
    prediction: Ids, truth: Ids, object_ids: Sequence[int], *, bound_th: float = BOUND_TH
) -> tuple[Floats, Floats]:
    """J and F of each object against the prediction of the same id: (num_objects,) float64 each.

    prediction, truth: (height, width) ids. Other ids are background.
    """
    values = np.array(
        [similarity(prediction == number, truth == number, bound_th=bound_th) for number in object_ids],
        dtype=np.float64,
    ).reshape(-1, 2)
    return values[:, 0], values[:, 1]


def all_similarities(
    prediction: Ids, truth: Ids, proposal_ids: Sequence[int], object_ids: Sequence[int], *, bound_th: float = BOUND_TH
) -> tuple[Floats, Floats]:
    """J and F of each object against each proposal: (num_proposals, num_objects) float64 each.

    prediction, truth: (height, width) ids. Other ids are background.
    """
    radius = boundary_radius(truth.shape, bound_th)
    window = Window.around((prediction | truth) != 0, radius)
    proposals, objects = _shapes(prediction, proposal_ids, window, radius), _shapes(truth, object_ids, window, radius)
    j, f = np.empty((2, len(proposal_ids), len(object_ids)))
    for column, wanted in enumerate(objects):
        # Most proposals are empty in most frames, and these are all alike.
        j[:, column], f[:, column] = EMPTY.region_similarity(wanted), EMPTY.contour_accuracy(wanted)
        for row, found in enumerate(proposals):
            if found is not EMPTY:
                j[row, column], f[row, column] = found.region_similarity(wanted), found.contour_accuracy(wanted)
    return j, f


def _shapes(ids: Ids, numbers: Sequence[int], window: Window | None, radius: int) -> list[Shape]:
    if window is None:
        return [EMPTY] * len(numbers)
    here = ids[window.rows, window.columns]
    largest = int(here.max())
    return [Shape.of(here == number, window, radius) if number <= largest else EMPTY for number in numbers]
