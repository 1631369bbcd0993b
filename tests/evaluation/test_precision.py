"""Matching and the curves of precision and recall."""

from __future__ import annotations

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.evaluation.metrics.matching import THRESHOLDS, match, ranked
from singleout.evaluation.metrics.precision import Accumulator, Rules, area_ranges, summary

RULES = Rules(area_ranges(32, 96))


def plain_match(ious, ignored, crowd):
    """The published loop for one range of areas: ignored truths last, each detection takes the best that is free."""
    order = np.argsort(ignored, kind="stable")
    matched = np.zeros((len(THRESHOLDS), len(ious)), bool)
    on_ignored = matched.copy()
    for row, threshold in enumerate(THRESHOLDS):
        taken = set()
        for place, overlaps in enumerate(ious):
            best, least = None, min(threshold, 1 - 1e-10)
            for truth in order:
                if truth in taken and not crowd[truth]:
                    continue
                if best is not None and not ignored[best] and ignored[truth]:
                    break
                if overlaps[truth] >= least:
                    best, least = truth, overlaps[truth]
            if best is not None:
                taken.add(best)
                matched[row, place], on_ignored[row, place] = True, ignored[best]
    return matched, on_ignored


@pytest.mark.parametrize("seed", range(40))
def test_matching_is_the_published_loop(seed):
    rng = np.random.default_rng(seed)
    num_detections, num_truths = rng.integers(0, 9), rng.integers(0, 6)
    # One decimal, so that overlaps tie with each other and with thresholds.
    ious = np.round(rng.random((num_detections, num_truths)) * 1.2, 1).clip(0, 1)
    crowd = rng.random(num_truths) < 0.3
    ignored = np.stack([crowd, crowd | (rng.random(num_truths) < 0.4)])
    matched, on_ignored = match(ious, ignored, crowd)
    for area in (0, 1):
        expected = plain_match(ious, ignored[area], crowd)
        np.testing.assert_array_equal(matched[area], expected[0])
        np.testing.assert_array_equal(on_ignored[area], expected[1])


def test_of_equal_overlaps_the_later_truth_is_taken():
    matched, on_ignored = match(np.array([[0.6, 0.6]]), np.array([[False, False]]), np.array([False, False]))
    assert matched[0, :, 0].tolist() == [True] * 3 + [False] * 7 and not on_ignored.any()
    # A second detection that reaches the first truth only tells which one was left.
    ious = np.array([[0.6, 0.6], [0.9, 0.0]])
    assert match(ious, np.zeros((1, 2), bool), np.zeros(2, bool))[0][0, 0].tolist() == [True, True]


def test_an_overlap_of_one_matches_in_spite_of_rounding():
    matched, _ = match(np.array([[1 - 1e-12]]), np.zeros((1, 1), bool), np.zeros(1, bool))
    assert matched.all()


def test_equal_scores_stay_in_order():
    assert ranked([0.5, 0.9, 0.5, 0.9]).tolist() == [1, 3, 0, 2]
    assert ranked([0.5, 0.9, 0.5, 0.9], 3).tolist() == [1, 3, 0]
    assert ranked([]).tolist() == []


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number(score):
    with pytest.raises(InputError, match=f"score of detection 1 is {score}: expected a finite number"):
        ranked([0.5, score])


def a_scene(accumulator, scene, ious, scores, *, area=10.0):
    """All detections of one scene, best first, in category 1."""
    ious = np.array(ious, float)
    accumulator.open(scene, [1])
    accumulator.add(
        scene,
        1,
        ious=ious,
        scores=np.array(scores),
        areas=np.full(len(ious), area),
        truth_areas=np.full(ious.shape[1], area),
        crowd=np.zeros(ious.shape[1], bool),
    )


def test_a_case_by_hand():
    accumulator = Accumulator([1, 2], RULES)
    a_scene(accumulator, "a", [[0.97, 0], [0, 0.3]], [0.9, 0.7])
    a_scene(accumulator, "b", [[0.72]], [0.8])
    curves = accumulator.curves()
    # Right, right up to 0.7, wrong: recall 1/3, then 2/3, at a precision of 1.
    assert curves.recall[:, 0, 0, 2].tolist() == pytest.approx([2 / 3] * 5 + [1 / 3] * 5, abs=1e-15)
    assert curves.average_precision(threshold=0.5) == pytest.approx(67 / 101, abs=1e-12)
    assert curves.average_precision(threshold=0.75) == pytest.approx(34 / 101, abs=1e-12)
    assert curves.average_precision() == pytest.approx((67 + 34) / 202, abs=1e-12)
    assert curves.average_recall(max_detections=1, threshold=0.5) == pytest.approx(2 / 3)
    np.testing.assert_array_equal(np.unique(curves.scores[0, :, 0, 0, 2]), [0.0, 0.8, 0.9])
    assert curves.average_precision(categories=[2]) == -1
    assert curves.average_precision(categories=[1]) == curves.average_precision(categories=[1, 2])
    assert summary(curves)["APs"] == summary(curves)["AP"]
    assert summary(curves)["APm"] == summary(curves)["ARl"] == -1


def test_scenes_are_merged_in_order_of_their_ids():
    made = []
    for order in ([1, 2, 10], [10, 2, 1]):
        accumulator = Accumulator([1], RULES)
        overlaps = {1: 0.1, 2: 0.9, 10: 0.6}
        for scene in order:
            a_scene(accumulator, scene, [[overlaps[scene]]], [0.5])
        made.append(accumulator.curves())
    np.testing.assert_array_equal(made[0].precision, made[1].precision)
    # The wrong one of scene 1 comes first: half of two, two thirds of three.
    assert made[0].precision[0, [0, 33, 34], 0, 0, 2].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert made[0].precision[5, [0, 33, 34], 0, 0, 2].tolist() == pytest.approx([1 / 2, 1 / 2, 0])


def test_no_more_than_the_largest_number_of_detections_counts():
    accumulator = Accumulator([1], RULES)
    a_scene(accumulator, 1, [[0.0], [0.9]], [0.9, 0.8])
    curves = accumulator.curves()
    assert curves.average_recall(max_detections=1, threshold=0.5) == 0
    assert curves.average_recall(max_detections=10, threshold=0.5) == 1


def test_a_scene_without_detections_is_missed_and_one_without_truth_is_wrong():
    accumulator = Accumulator([1], RULES)
    a_scene(accumulator, 1, np.zeros((0, 2)), [])
    assert accumulator.curves().average_precision() == 0
    a_scene(accumulator, 2, np.zeros((1, 0)), [0.9])
    a_scene(accumulator, 3, [[0.99]], [0.5])
    assert accumulator.curves().average_precision() == pytest.approx(34 / 101 / 2)


def test_a_scene_twice_and_an_unlisted_category():
    accumulator = Accumulator([1], RULES)
    accumulator.open("v", [1])
    with pytest.raises(InputError, match="it was scored before"):
        accumulator.open("v", [1])
    with pytest.raises(InputError, match="there is truth of category 3"):
        accumulator.open("w", [1, 3])
