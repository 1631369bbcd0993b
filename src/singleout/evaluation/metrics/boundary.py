"""Contour accuracy F of DAVIS: how well two boundaries agree within a distance.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016. Values equal
those of davis2017-evaluation ac7c43f.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from singleout.evaluation.metrics import bitmaps, region
from singleout.evaluation.metrics.bitmaps import Window

Bool = npt.NDArray[np.bool_]

BOUND_TH = 0.008
"""The distance within which boundaries agree, as a share of the frame's diagonal."""


def boundary_radius(shape: tuple[int, ...], bound_th: float = BOUND_TH) -> int:
    """The distance in pixels within which boundaries agree.

    shape: (height, width) of the frame. bound_th: a share of its diagonal, or from 1 on the number of pixels itself.
    """
    return int(bound_th) if bound_th >= 1 else math.ceil(bound_th * float(np.linalg.norm(shape)))


def boundary_map(mask: Bool) -> Bool:
    """The boundary of a (height, width) bool mask, of the same shape; `bitmaps.boundary` says what belongs to it."""
    edge = np.zeros(mask.shape, dtype=np.bool_)
    window = Window.around(mask, 1)
    if window is not None:
        here = window.rows, window.columns
        edge[here] = window.unpack(bitmaps.boundary(window.pack(mask[here]), window))
    return edge


def contour_accuracy(prediction: Bool, truth: Bool, void: Bool | None = None, *, bound_th: float = BOUND_TH) -> float:
    """F of one frame; 1 where neither mask has a boundary, 0 where one of them has none.

    prediction, truth: (height, width) bool. void: pixels that become background in both, (height, width) bool.
    """
    if void is not None:
        prediction, truth = prediction & ~void, truth & ~void
    return similarity(prediction, truth, bound_th=bound_th)[1]


def similarity(prediction: Bool, truth: Bool, *, bound_th: float = BOUND_TH) -> tuple[float, float]:
    """J and F of one frame, from one pass over the pixels. prediction, truth: (height, width) bool."""
    radius = boundary_radius(truth.shape, bound_th)
    window = Window.around(prediction | truth, radius)
    if window is None:
        return 1.0, 1.0
    here = window.rows, window.columns
    found, wanted = Shape.of(prediction[here], window, radius), Shape.of(truth[here], window, radius)
    return found.region_similarity(wanted), found.contour_accuracy(wanted)


@dataclass(frozen=True)
class Shape:
    """A mask in a window, ready to be compared with others in the same window.

    area: bits of the mask. edge: of its boundary. near: of what is within the radius of the boundary.
    """

    area: int
    edge: int
    near: int

    @classmethod
    def of(cls, mask: Bool, window: Window, radius: int) -> Shape:
        """The shape of a (num_rows, num_columns) bool mask of the window. radius: as of `boundary_radius`."""
        area = window.pack(mask)
        if not area:
            return EMPTY
        edge = bitmaps.boundary(area, window)
        return cls(area, edge, bitmaps.dilate_disc(edge, window.stride, radius))

    def region_similarity(self, truth: Shape) -> float:
        """J of this mask against the true one."""
        return region.ratio((self.area & truth.area).bit_count(), (self.area | truth.area).bit_count())

    def contour_accuracy(self, truth: Shape) -> float:
        """F of this mask's boundary against that of the true one."""
        num_found, num_wanted = self.edge.bit_count(), truth.edge.bit_count()
        if not num_found or not num_wanted:
            return 1.0 if num_found == num_wanted else 0.0
        precision = (self.edge & truth.near).bit_count() / num_found
        recall = (truth.edge & self.near).bit_count() / num_wanted
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


EMPTY = Shape(0, 0, 0)
"""The mask without pixels."""
