"""Region similarity J and contour accuracy F of DAVIS for one frame, for the scripts of this folder.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016. Values
equal those of the official DAVIS-2017 evaluator without void pixels.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

Bool = npt.NDArray[np.bool_]


def region_similarity(predicted: Bool, truth: Bool) -> float:
    """J, intersection over union of two (height, width) masks; 1 where both are empty."""
    union = np.count_nonzero(predicted | truth)
    return 1.0 if union == 0 else float(np.count_nonzero(predicted & truth) / union)


def contour_accuracy(predicted: Bool, truth: Bool) -> float:
    """F, the harmonic mean of the boundary's precision and recall within 0.8 % of the picture's diagonal."""
    radius = math.ceil(0.008 * math.hypot(*truth.shape))
    found, wanted = boundary(predicted), boundary(truth)
    num_found, num_wanted = np.count_nonzero(found), np.count_nonzero(wanted)
    if num_found == 0 or num_wanted == 0:
        return 1.0 if num_found == num_wanted else 0.0
    # Distances matter near the boundaries only, so the rest of the picture is cut away.
    rows, columns = np.nonzero(found | wanted)
    window = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    found, wanted = found[window], wanted[window]
    precision = np.count_nonzero(distance_transform_edt(~wanted)[found] <= radius) / num_found
    recall = np.count_nonzero(distance_transform_edt(~found)[wanted] <= radius) / num_wanted
    return 0.0 if precision + recall == 0 else float(2 * precision * recall / (precision + recall))


def boundary(mask: Bool) -> Bool:
    """Pixels that differ from their right, lower or lower right neighbour: (height, width) bool.

    The last row looks to the right only, the last column downwards only, as the official evaluator does.
    """
    edge = np.zeros_like(mask)
    edge[:-1, :-1] = (
        (mask[:-1, :-1] != mask[:-1, 1:]) | (mask[:-1, :-1] != mask[1:, :-1]) | (mask[:-1, :-1] != mask[1:, 1:])
    )
    edge[-1, :-1] = mask[-1, :-1] != mask[-1, 1:]
    edge[:-1, -1] = mask[:-1, -1] != mask[1:, -1]
    return edge
