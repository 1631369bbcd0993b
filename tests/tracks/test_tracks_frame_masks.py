"""Soft masks brought to the video's size: against torch's own interpolation, and the rules of exclusive masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from singleout.errors import InputError
from singleout.tracks import FrameMasks, codes


def frame_masks(masks: object, height: int, width: int, *, exclusive: bool = True, scores: object = None) -> FrameMasks:
    count = len(masks)  # type: ignore[arg-type]
    given_scores = np.ones(count) if scores is None else scores
    return FrameMasks(0, np.arange(1, count + 1), given_scores, masks, height, width, exclusive)  # type: ignore[arg-type]


@st.composite
def soft(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)))
    return draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))


@given(soft(), st.integers(1, 30), st.integers(1, 30), st.booleans())
@settings(max_examples=150, deadline=None)
def test_enlarging_agrees_with_torch_and_with_the_codes(
    masks: np.ndarray, height: int, width: int, exclusive: bool
) -> None:
    enlarged = torch.nn.functional.interpolate(torch.from_numpy(masks)[None], (height, width), mode="bilinear")[
        0
    ].numpy()
    frame = frame_masks(torch.from_numpy(masks), height, width, exclusive=exclusive)
    binary = frame.binary()
    sure = np.abs(enlarged - 0.5) > 1e-4
    wanted = enlarged > 0.5
    if exclusive:
        best = enlarged.max(axis=0)
        wanted &= enlarged == best
        sure &= ((enlarged > best - 1e-4).sum(axis=0) == 1) | (best < 0.5 - 1e-4)
        assert (binary.sum(axis=0) <= 1).all()
    assert np.array_equal(binary[sure], wanted[sure])
    assert frame.codes() == [codes.encode(mask) for mask in binary]
    packed = frame.coded()
    assert np.array_equal(packed.masks(), binary)
    assert frame.binarised().codes() == frame.codes()


def test_bool_masks_of_full_size_pass_through() -> None:
    masks = np.random.default_rng(0).random((3, 20, 31)) > 0.5
    assert np.array_equal(frame_masks(masks, 20, 31, exclusive=False).binary(), masks)


def test_background_wins_at_the_threshold_and_below() -> None:
    masks = np.array([[[0.5, 0.50001, 0.2]], [[0.4, 0.3, 0.1]]], np.float32)
    assert frame_masks(masks, 1, 3).binary()[:, 0].tolist() == [[False, True, False], [False] * 3]
    assert frame_masks(masks, 1, 3).binary(threshold=0.15)[:, 0].tolist() == [[True, True, True], [False] * 3]


def test_at_equal_values_the_higher_score_then_the_first_gets_the_pixel() -> None:
    masks = np.ones((3, 2, 2), bool)
    assert frame_masks(masks, 2, 2, scores=[0.1, 0.9, 0.2]).binary().all(axis=(1, 2)).tolist() == [False, True, False]
    assert frame_masks(masks, 2, 2, scores=[0.5, 0.5, 0.5]).binary().all(axis=(1, 2)).tolist() == [True, False, False]


def test_half_precision_tensors_and_scores_are_taken() -> None:
    masks = torch.tensor([[[0.9, 0.1]]], dtype=torch.bfloat16, requires_grad=True)
    frame = FrameMasks(0, torch.tensor([4]), torch.tensor([0.5]), masks, 1, 2)  # type: ignore[arg-type]
    assert frame.ids.tolist() == [4]
    assert frame.scores.dtype == np.float32
    assert frame.binary().tolist() == [[[True, False]]]


def test_a_frame_without_objects() -> None:
    frame = FrameMasks(0, [], [], np.zeros((0, 5, 6)), 10, 12)  # type: ignore[arg-type]
    assert frame.binary().shape == (0, 10, 12)
    assert frame.codes() == []
    assert len(frame.coded()) == 0


@pytest.mark.parametrize(
    ("ids", "scores", "shape", "message"),
    [
        ([1, 1], [1, 1], (2, 3, 3), "distinct"),
        ([0], [1], (1, 3, 3), "from 1"),
        ([2**31], [1], (1, 3, 3), "from 1"),
        ([1.5], [1], (1, 3, 3), "whole numbers"),
        ([1], [1, 1], (1, 3, 3), "expected as many"),
        ([1], [np.nan], (1, 3, 3), "finite"),
        ([1], [1], (1, 3), "shape"),
        ([1], [1], (1, 0, 3), "shape"),
    ],
)
def test_values_that_do_not_fit_are_refused(ids: list, scores: list, shape: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FrameMasks(0, ids, scores, np.zeros(shape), 3, 3)  # type: ignore[arg-type]


def test_memory_does_not_grow_with_the_number_of_objects() -> None:
    import tracemalloc

    height, width = 200, 300
    peaks = []
    for count in (4, 40):
        masks = np.random.default_rng(0).random((count, 20, 30)).astype(np.float32)
        frame = frame_masks(masks, height, width)
        frame.codes()
        tracemalloc.start()
        made = frame.codes()
        kept = sum(len(code) for code in made)
        peaks.append(tracemalloc.get_traced_memory()[1] - kept)
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
