"""Region similarity J of one frame."""

from __future__ import annotations

import numpy as np
import pytest
from plain_jf import blobs, plain_j

from singleout.evaluation.metrics.region import region_similarity

EMPTY, FULL = np.zeros((6, 9), bool), np.ones((6, 9), bool)


def test_values_worked_out_by_hand():
    left, middle = EMPTY.copy(), EMPTY.copy()
    left[:, :4], middle[:, 2:6] = True, True
    assert region_similarity(left, middle) == pytest.approx(2 / 6, abs=1e-15)
    assert region_similarity(left, left) == 1


def test_nothing_in_nothing_is_right_and_nothing_in_something_is_wrong():
    assert region_similarity(EMPTY, EMPTY) == 1
    assert region_similarity(EMPTY, FULL) == region_similarity(FULL, EMPTY) == 0


def test_void_pixels_do_not_count():
    half, void = EMPTY.copy(), EMPTY.copy()
    half[:3], void[3:] = True, True
    assert region_similarity(FULL, half) == 0.5
    assert region_similarity(FULL, half, void) == 1
    assert region_similarity(FULL, EMPTY, FULL) == 1


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_definition(seed):
    prediction, truth = blobs(seed, (31, 44)), blobs(seed + 100, (31, 44), share=0.6)
    assert region_similarity(prediction, truth) == plain_j(prediction, truth)
