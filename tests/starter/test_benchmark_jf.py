"""The metric of the benchmark script, against values that can be worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from jf import boundary, contour_accuracy, region_similarity


def square(top: int, left: int, side: int = 20) -> np.ndarray:
    mask = np.zeros((100, 100), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_region_similarity():
    assert region_similarity(square(10, 10), square(10, 10)) == 1
    assert region_similarity(square(10, 10), square(10, 20)) == pytest.approx(200 / 600)
    empty = np.zeros((100, 100), dtype=bool)
    assert region_similarity(empty, empty) == 1
    assert region_similarity(square(10, 10), empty) == 0


def test_boundary_leaves_out_the_picture_border():
    assert not boundary(np.ones((5, 7), dtype=bool)).any()
    edge = boundary(square(10, 10))
    assert edge[9, 9] and edge[9, 29] and edge[29, 29] and not edge[30, 30] and not edge[15, 15]


def test_contour_accuracy_counts_within_two_pixels():
    assert contour_accuracy(square(10, 10), square(12, 10)) == 1
    assert contour_accuracy(square(10, 10), square(60, 60)) == 0
    assert 0 < contour_accuracy(square(10, 10), square(13, 10)) < 1
    empty = np.zeros((100, 100), dtype=bool)
    assert contour_accuracy(empty, empty) == 1
    assert contour_accuracy(square(10, 10), empty) == 0
