"""Region similarity J of DAVIS: intersection over union of two masks.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016. Values equal
those of davis2017-evaluation ac7c43f.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]


def region_similarity(prediction: Bool, truth: Bool, void: Bool | None = None) -> float:
    """J of one frame; 1 where both masks are empty.

    prediction, truth: (height, width) bool. void: pixels that do not count, (height, width) bool.
    """
    intersection, union = prediction & truth, prediction | truth
    if void is not None:
        intersection, union = intersection & ~void, union & ~void
    return ratio(int(np.count_nonzero(intersection)), int(np.count_nonzero(union)))


def ratio(intersection: int, union: int) -> float:
    """J from numbers of pixels."""
    return intersection / union if union else 1.0
