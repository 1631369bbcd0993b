"""Run-length codes against pycocotools, which decides what a code is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco
from tracks_strategies import SIZES, masks

from singleout.errors import InputError
from singleout.tracks import codes


def reference(mask: np.ndarray) -> bytes:
    return coco.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]


@given(st.data(), SIZES)
def test_codes_are_those_of_pycocotools_and_decode_to_the_mask(data: st.DataObject, size: tuple[int, int]) -> None:
    mask = data.draw(masks(*size))
    code = codes.encode(mask)
    assert code == reference(mask)
    assert np.array_equal(codes.decode(code, *size), mask)
    assert codes.checked([code, code], *size) == [code, code]


@given(st.data(), SIZES)
def test_a_crop_gives_the_code_of_the_whole_picture(data: st.DataObject, size: tuple[int, int]) -> None:
    crop = data.draw(masks(*size))
    top, left = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    height, width = top + size[0] + data.draw(st.integers(0, 3)), left + size[1] + data.draw(st.integers(0, 3))
    whole = np.zeros((height, width), np.bool_)
    whole[top : top + size[0], left : left + size[1]] = crop
    assert codes.encode(crop, top=top, left=left, size=(height, width)) == reference(whole)


@given(st.data(), SIZES)
def test_areas_boxes_union_intersection_and_iou_agree_with_pixels(data: st.DataObject, size: tuple[int, int]) -> None:
    first, second = data.draw(masks(*size)), data.draw(masks(*size))
    both = [codes.encode(first), codes.encode(second)]
    assert codes.areas(both, *size).tolist() == [first.sum(), second.sum()]
    for box, mask in zip(codes.boxes(both, *size), (first, second), strict=True):
        rows, columns = np.nonzero(mask)
        if len(rows):
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        else:
            assert np.isnan(box).all()
    assert np.array_equal(codes.decode(codes.union(both, *size), *size), first | second)
    assert np.array_equal(codes.decode(codes.intersection(both, *size), *size), first & second)
    either = (first | second).sum()
    assert codes.ious(both[:1], both[1:], *size) == pytest.approx((first & second).sum() / either if either else 0)


def test_no_codes_give_no_numbers() -> None:
    assert codes.areas([], 4, 5).shape == (0,)
    assert codes.boxes([], 4, 5).shape == (0, 4)
    assert codes.ious([], [codes.encode(np.ones((4, 5), bool))], 4, 5).shape == (0, 1)
    assert codes.checked([], 4, 5) == []


def test_many_codes_at_once() -> None:
    many = [codes.encode(np.arange(12).reshape(3, 4) < number % 12) for number in range(600)]
    assert codes.areas(many, 3, 4).tolist() == [number % 12 for number in range(600)]
    assert codes.boxes(many, 3, 4).shape == (600, 4)
    assert codes.ious(many, many[:300], 3, 4).shape == (600, 300)


@pytest.mark.parametrize("code", [b"", b"!", b"\xff0", b"X", b"oooooooooo0", b"1", b"n0", "é".encode()])
def test_damaged_codes_are_refused(code: bytes) -> None:
    good = codes.encode(np.eye(6, dtype=bool))
    with pytest.raises(InputError, match="run-length code"):
        codes.checked([good, code, good], 6, 6)


@given(st.lists(st.lists(st.integers(0, 2**31 // 64), min_size=1, max_size=8), min_size=1, max_size=8))
def test_runs_of_many_codes_are_those_that_were_put_in(listed: list[list[int]]) -> None:
    # pycocotools compresses any runs; what they add up to is looked at elsewhere.
    made = [coco.frPyObjects({"counts": runs, "size": [1, 1]}, 1, 1)["counts"] for runs in listed]
    found, first = codes.runs(made)
    assert [part.tolist() for part in np.split(found, first[1:])] == listed


def test_no_codes_have_no_runs() -> None:
    found, first = codes.runs([])
    assert (found.shape, first.shape) == ((0,), (0,))


@given(st.binary(max_size=12))
def test_any_bytes_are_refused_or_decode(code: bytes) -> None:
    try:
        found = codes.checked([code], 3, 4)[0]
    except InputError:
        return
    assert codes.encode(codes.decode(found, 3, 4)) == found


def test_codes_of_another_size_are_refused_with_both_sizes() -> None:
    code = codes.encode(np.eye(6, dtype=bool))
    with pytest.raises(InputError, match="covers 36 pixels, but the picture, 7x6, has 42"):
        codes.checked([code], 6, 7)


def test_a_code_with_empty_runs_becomes_the_usual_one() -> None:
    mask = np.zeros((4, 4), bool)
    mask[1:3, 1] = True
    split = coco.frPyObjects({"counts": [5, 1, 0, 1, 9], "size": [4, 4]}, 4, 4)["counts"]
    assert codes.checked([split], 4, 4) == [codes.encode(mask)]
