"""A2D-Sentences and JHMDB-Sentences."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scored_scenes import SIZE, box_mask, rle_of

from singleout.data import images as image_files
from singleout.data.records import ImageAnnotation, ImageResult
from singleout.errors import InputError
from singleout.evaluation.metrics.sentences import SentenceMetrics

NOTHING = np.zeros(SIZE, bool)


def a_truth(mask, key="v_a_f_1"):
    return ImageAnnotation(1, key, 1, rle_of(mask), (0.0, 0.0, 1.0, 1.0), float(mask.sum()))


def a_result(mask, score=0.5, key="v_a_f_1"):
    return ImageResult(key, 1, score, rle_of(mask), None)


def of_one(truth, *results):
    metric = SentenceMetrics()
    metric.add(truth, results)
    return metric.result()


@pytest.mark.needs_shared
def test_the_official_numbers(shared):
    folder = shared / "reference" / "metrics" / "a2d"
    truth = image_files.read(folder / "gt.json")
    results = image_files.read_results(folder / "results.json", truth)
    metric = SentenceMetrics()
    for annotation in truth.annotations:
        metric.add(annotation, [each for each in results if each.image_id == annotation.image_id])
    scores = metric.result()
    expected = json.loads((folder / "expected.json").read_text())
    assert list(scores.ap.values()) == pytest.approx(expected.pop("coco_stats"), abs=1e-10)
    assert dict(scores.summary) == pytest.approx(expected, abs=1e-10)
    assert len(scores.overlaps.ious) == len(truth.images)


def test_the_share_of_sentences_above_a_level_is_strict():
    # 12 of 20 pixels: 0.6 in single precision lies above 0.6 in double precision, 10 of 20 are 0.5 in both.
    truth = a_truth(box_mask(0, 0, 20, 10))
    for height, above in ((6, {0.5, 0.6}), (5, set()), (7, {0.5, 0.6}), (9, {0.5, 0.6, 0.7, 0.8})):
        levels = of_one(truth, a_result(box_mask(0, 0, 20, height))).overlaps.precision_at
        assert {level for level, share in levels.items() if share} == above


def test_overall_iou_weighs_by_pixels_and_mean_iou_does_not():
    metric = SentenceMetrics()
    metric.add(a_truth(box_mask(0, 0, 10, 10)), [a_result(box_mask(0, 0, 10, 5))])
    metric.add(a_truth(box_mask(0, 0, 30, 30), "b"), [a_result(box_mask(0, 0, 30, 30), key="b")])
    scores = metric.result().overlaps
    assert scores.overall_iou == 950 / 1000
    assert scores.mean_iou == pytest.approx(0.75, abs=1e-7)
    assert scores.precision_at == dict.fromkeys((0.5, 0.6, 0.7, 0.8, 0.9), 0.5)


def test_of_equal_scores_the_last_is_looked_at_while_ap_prefers_the_first():
    mask = box_mask(3, 3, 12, 12)
    right, wrong = a_result(mask), a_result(np.roll(mask, 20, 1))
    last_right = of_one(a_truth(mask), wrong, right)
    assert (last_right.overlaps.mean_iou, last_right.ap["AP"]) == (1, pytest.approx(0.5))
    first_right = of_one(a_truth(mask), right, wrong)
    assert (first_right.overlaps.mean_iou, first_right.ap["AP"]) == (pytest.approx(0, abs=1e-6), pytest.approx(1))


def test_ap_looks_at_all_results():
    mask = box_mask(3, 3, 12, 12)
    wrong = a_result(np.roll(mask, 20, 1), 0.9)
    assert of_one(a_truth(mask), wrong).ap["AP"] == 0
    assert of_one(a_truth(mask), wrong, a_result(mask, 0.1)).ap["AP"] == pytest.approx(0.5)


def test_two_empty_masks_agree():
    scores = of_one(a_truth(NOTHING), a_result(NOTHING)).overlaps
    assert (scores.mean_iou, scores.precision_at[0.9], scores.overall_iou) == (1, 1, 0)


def test_a_perfect_prediction():
    mask = box_mask(3, 3, 12, 12)
    table = of_one(a_truth(mask), a_result(mask)).summary
    assert {name: value for name, value in table.items() if value != pytest.approx(1)} == {
        "AP 0.5:0.95 M": -1,
        "AP 0.5:0.95 L": -1,
    }


class TestBadInput:
    def test_a_sentence_without_a_result(self):
        with pytest.raises(InputError, match="sentence 'v_a_f_1' has no result"):
            of_one(a_truth(NOTHING))

    def test_no_sentence(self):
        with pytest.raises(InputError, match="no sentence was scored"):
            SentenceMetrics().result()

    def test_a_sentence_twice(self):
        metric = SentenceMetrics()
        metric.add(a_truth(NOTHING), [a_result(NOTHING)])
        with pytest.raises(InputError, match="'v_a_f_1': it was scored before"):
            metric.add(a_truth(NOTHING), [a_result(NOTHING)])

    def test_a_result_of_another_sentence(self):
        with pytest.raises(InputError, match="image 'v_a_f_1': an entry of image 'b'"):
            of_one(a_truth(NOTHING), a_result(NOTHING, key="b"))

    def test_a_score_that_is_no_number(self):
        with pytest.raises(InputError, match="expected a finite number"):
            of_one(a_truth(NOTHING), a_result(NOTHING, float("nan")))

    def test_a_mask_of_another_size(self):
        other = replace(a_result(NOTHING), segmentation=rle_of(np.zeros((9, 9))))
        with pytest.raises(InputError, match="different sizes, 9x9 and 60x40"):
            of_one(a_truth(NOTHING), other)
