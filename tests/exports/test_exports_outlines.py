"""Polygons along the pixel edges: COCO's own code must fill them to the same mask, and they must be what they say."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import pytest
from exports_strategies import masks
from hypothesis import given
from pycocotools import mask as coco
from scipy.ndimage import label

from singleout.exports.outlines import Polygon, joined, trace

Bool = npt.NDArray[np.bool_]


def filled(polygons: list[Polygon], shape: tuple[int, int]) -> Bool:
    if not polygons:
        return np.zeros(shape, np.bool_)
    codes = coco.frPyObjects([ring.ravel().tolist() for ring in polygons], *shape)
    return coco.decode(coco.merge(codes)).astype(np.bool_)


def even_odd(ring: Polygon, shape: tuple[int, int]) -> Bool:
    """Fill without pycocotools: a pixel is in where an odd number of edges lies to its left."""
    crossings = np.zeros(shape, np.int64)
    for (x, y), (next_x, next_y) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if x == next_x:
            crossings[min(y, next_y) : max(y, next_y), x:] += 1
    return crossings % 2 == 1


@given(masks())
def test_coco_fills_the_polygons_to_the_same_mask(mask: Bool) -> None:
    assert np.array_equal(filled(trace(mask), mask.shape), mask)


@given(masks())
def test_each_part_is_one_polygon_of_its_own_pixels(mask: Bool) -> None:
    numbered, count = label(mask)
    polygons = trace(mask)
    assert len(polygons) == count
    parts = [even_odd(ring, mask.shape) for ring in polygons]
    assert sorted(part.tobytes() for part in parts) == sorted((numbered == n).tobytes() for n in range(1, count + 1))


@given(masks())
def test_edges_are_straight_and_clockwise(mask: Bool) -> None:
    for ring in trace(mask):
        after = np.roll(ring, -1, axis=0)
        steps = after - ring
        assert np.all((steps == 0).sum(axis=1) == 1), "neither diagonal nor without length"
        assert np.sum(ring[:, 0] * after[:, 1] - after[:, 0] * ring[:, 1]) > 0
        assert tuple(ring[0]) == min(map(tuple, ring[:, ::-1]))[::-1], "begins at the top left"


@given(masks())
def test_parts_joined_to_one_line_fill_to_the_same_mask(mask: Bool) -> None:
    parts = trace(mask)
    if parts:
        assert np.array_equal(filled([joined(parts)], mask.shape), mask)


def test_only_corners_are_kept() -> None:
    mask = np.zeros((30, 40), np.bool_)
    mask[5:20, 7:31] = True
    assert [ring.tolist() for ring in trace(mask)] == [[[7, 5], [31, 5], [31, 20], [7, 20]]]


def test_a_hole_is_cut_open_upwards() -> None:
    mask = np.zeros((9, 9), np.bool_)
    mask[1:8, 1:8] = True
    mask[4:6, 3:5] = False
    (ring,) = trace(mask)
    assert ring.tolist() == [[1, 1], [3, 1], [3, 6], [5, 6], [5, 4], [3, 4], [3, 1], [8, 1], [8, 8], [1, 8]]


def test_holes_in_islands_in_holes() -> None:
    y, x = np.mgrid[:60, :60]
    mask = np.maximum(abs(y - 30), abs(x - 30)) // 4 % 2 == 1
    mask[28:31, 2:5] ^= True
    polygons = trace(mask)
    assert len(polygons) == label(mask)[1]
    assert np.array_equal(filled(polygons, mask.shape), mask)


@pytest.mark.parametrize("kind", ["noise", "comb"])
def test_masks_of_the_worst_kind_take_bounded_time(kind: str) -> None:
    if kind == "noise":
        mask = np.random.default_rng(3).random((480, 854)) < 0.6
    else:
        mask = np.ones((480, 854), np.bool_)
        mask[1::2, 1::2] = False
    begun = time.process_time()
    ring = joined(trace(mask))
    assert time.process_time() - begun < 10
    assert np.array_equal(filled([ring], mask.shape), mask)


def test_an_empty_mask_has_no_outline() -> None:
    assert trace(np.zeros((4, 5), np.bool_)) == []
