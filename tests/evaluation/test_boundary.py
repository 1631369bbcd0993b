"""Contour accuracy F of one frame, beside whole-frame morphology and the official values of edge cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from plain_jf import blobs, plain_boundary, plain_f, plain_j, plain_radius

from singleout.evaluation.metrics.bitmaps import Window, dilate_disc, erode_square
from singleout.evaluation.metrics.boundary import boundary_map, boundary_radius, contour_accuracy, similarity
from singleout.evaluation.metrics.region import region_similarity

EDGE_CASES = Path(__file__).parents[1] / "goldens" / "metrics" / "davis-edge.npz"
EMPTY, FULL = np.zeros((30, 40), bool), np.ones((30, 40), bool)

masks = arrays.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 19)))
pairs = st.tuples(st.integers(1, 14), st.integers(1, 19)).flatmap(
    lambda shape: st.tuples(arrays.arrays(bool, shape), arrays.arrays(bool, shape))
)


def square(top, left, side=6):
    mask = EMPTY.copy()
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.mark.parametrize(("shape", "radius"), [((480, 854), 8), ((1080, 1920), 18), ((75, 100), 1), ((76, 100), 2)])
def test_the_radius_is_a_share_of_the_diagonal_rounded_up(shape, radius):
    assert boundary_radius(shape) == radius == plain_radius(shape)
    assert boundary_radius(shape, 3) == 3


def test_a_boundary_is_above_and_left_of_the_object_and_inside_at_its_end():
    edge = boundary_map(square(10, 20))
    rows, columns = np.nonzero(edge)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 15, 19, 25)
    assert not edge[10:15, 20:25].any() and edge.sum() == 24


def test_the_border_of_the_frame_is_no_boundary():
    assert not boundary_map(FULL).any()
    half = EMPTY.copy()
    half[:15] = True
    assert np.array_equal(np.nonzero(boundary_map(half))[0], np.full(40, 14))


@given(masks)
@settings(deadline=None, max_examples=200)
def test_the_boundary_is_the_definition(mask):
    assert np.array_equal(boundary_map(mask), plain_boundary(mask))


@given(pairs, st.sampled_from([0.008, 0.1, 1, 2, 3, 5, 30]))
@settings(deadline=None, max_examples=300)
def test_j_and_f_are_the_definitions(pair, bound_th):
    expected = plain_j(*pair), plain_f(*pair, bound_th)
    assert similarity(*pair, bound_th=bound_th) == pytest.approx(expected, abs=1e-15)
    assert contour_accuracy(*pair, bound_th=bound_th) == pytest.approx(expected[1], abs=1e-15)


@pytest.mark.parametrize("seed", range(4))
def test_j_and_f_of_blobs(seed):
    prediction, truth = blobs(seed, (120, 171)), np.roll(blobs(seed, (120, 171), 0.2), 3, axis=1)
    assert similarity(prediction, truth) == pytest.approx((plain_j(prediction, truth), plain_f(prediction, truth)))
    assert similarity(prediction, truth)[1] == similarity(truth, prediction)[1]


def test_special_cases():
    some = square(4, 4)
    assert contour_accuracy(EMPTY, EMPTY) == contour_accuracy(FULL, EMPTY) == contour_accuracy(some, some) == 1
    assert contour_accuracy(EMPTY, some) == contour_accuracy(some, EMPTY) == contour_accuracy(some, FULL) == 0
    assert contour_accuracy(some, square(20, 30)) == 0
    assert similarity(FULL, EMPTY) == (0, 1)


def test_void_becomes_background_in_both():
    some, void = square(4, 4), EMPTY.copy()
    void[:, 7:] = True
    assert contour_accuracy(square(4, 4, 20), some, FULL) == 1
    assert contour_accuracy(some, some & ~void, void) == 1
    assert contour_accuracy(some, some & ~void) < 1


@pytest.mark.parametrize("radius", [1, 2, 3, 8, 13])
def test_a_disc_is_every_pixel_within_its_radius(radius):
    window = Window(slice(0, 29), slice(0, 33), 48, False, False)
    point = np.zeros((29, 33), bool)
    point[14, 16] = True
    y, x = np.mgrid[-14:15, -16:17]
    disc = window.unpack(dilate_disc(window.pack(point), window.stride, radius) & window.columns_but(0))
    assert np.array_equal(disc, x * x + y * y <= radius * radius)


def test_erosion_takes_the_border_of_the_window_as_background():
    window = Window(slice(0, 9), slice(0, 10), 16, True, True)
    inner = window.unpack(erode_square(window.pack(np.ones((9, 10), bool)), window.stride, 2))
    expected = np.zeros((9, 10), bool)
    expected[2:-2, 2:-2] = True
    assert np.array_equal(inner, expected)


def test_official_edge_cases():
    golden = np.load(EDGE_CASES)
    for index, (prediction, truth, void) in enumerate(zip(golden["pred"], golden["gt"], golden["void"], strict=True)):
        found = {
            "J": region_similarity(prediction, truth),
            "F": contour_accuracy(prediction, truth),
            "J_void": region_similarity(prediction, truth, void),
            "F_void": contour_accuracy(prediction, truth, void),
            "F_th3": contour_accuracy(prediction, truth, bound_th=3),
        }
        for name, value in found.items():
            assert value == pytest.approx(golden[name][index], abs=1e-12), (name, index)
        assert np.array_equal(boundary_map(truth), golden["boundary_gt"][index])
