"""RefCOCO, as ReferFormer and as UNINEXT score it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scored_scenes import SIZE, box_mask, rle_of

from singleout.data import images as image_files
from singleout.data.records import ImageAnnotation, ImageResult
from singleout.errors import InputError
from singleout.evaluation.metrics.refcoco import RefCocoMetrics, UninextRefCocoMetrics, generalized_ious
from singleout.evaluation.metrics.sentences import best_of

MASK = box_mask(10, 5, 20, 10)
TRUTH = ImageAnnotation(1, 1, 1, rle_of(MASK), (10.0, 5.0, 20.0, 10.0), 200.0)
CORNERS = (10.0, 5.0, 30.0, 15.0)


def a_result(box=CORNERS, score=0.5, mask=MASK):
    return ImageResult(1, 1, score, rle_of(mask), box)


def of_one(*results, truth=TRUTH, **options):
    metric = RefCocoMetrics(**options)
    metric.add(truth, results, dataset_name="refcoco")
    return metric.result()


@pytest.mark.needs_shared
class TestOfficialNumbers:
    @pytest.fixture
    def golden(self, shared):
        folder = shared / "reference" / "metrics" / "refcoco"
        truth = image_files.read(folder / "gt.json")
        results = {}
        for entry in json.loads((folder / "results.json").read_text()):
            found = ImageResult(
                entry["image_id"],
                entry["category_id"],
                entry["score"],
                entry["segmentation"],
                tuple(entry["bbox_xyxy"]),
            )
            results.setdefault(found.image_id, []).append(found)
        return truth, results, json.loads((folder / "expected.json").read_text())

    def test_referformer(self, golden):
        truth, results, expected = golden
        metric = RefCocoMetrics()
        names = {image.id: image.dataset_name for image in truth.images}
        for annotation in truth.annotations:
            key = annotation.image_id
            metric.add(annotation, results[key], dataset_name=names[key])
        scores = metric.result()
        likeness = {name: list(ranks.values()) for name, ranks in scores.box_precision.items()}
        assert likeness == expected["refexp_giou_P@1,5,10"]
        assert scores.boxes.table() == pytest.approx(expected["bbox"], abs=1e-12)
        assert scores.masks.table() == pytest.approx(expected["segm"], abs=1e-12)
        assert list(scores.ap.values()) == pytest.approx(expected["coco_segm_stats_with_bbox_present"], abs=1e-10)

    def test_uninext(self, golden):
        truth, results, expected = golden
        metric = UninextRefCocoMetrics()
        for annotation in truth.annotations:
            best = best_of(results[annotation.image_id], annotation.image_id)
            left, top, right, bottom = best.box
            metric.add(annotation, replace(best, box=(left, top, right - left, bottom - top)))
        scores = metric.result()
        wanted = expected["uninext_top1_percent"]
        levels = {f"P@{level}": value for level, value in scores.box_precision_at.items()}
        assert levels == pytest.approx(wanted["bbox"], abs=1e-10)
        assert (scores.overall_iou, scores.mean_iou) == pytest.approx(tuple(wanted["segm"].values()), abs=1e-10)


class TestGeneralizedIou:
    def test_by_hand(self):
        found = generalized_ious([CORNERS, (10, 5, 20, 15), (30, 5, 50, 15), (50, 5, 70, 15)], CORNERS)
        assert found.tolist() == pytest.approx([1, 0.5, 0, -1 / 3], abs=1e-6)
        assert found.dtype == np.float32

    def test_boxes_without_area(self):
        assert generalized_ious([(3, 3, 3, 3)], (3, 3, 3, 3)).tolist() == [0]


class TestReferFormer:
    def test_one_of_the_first_is_enough(self):
        far = (40.0, 20.0, 50.0, 30.0)
        results = [a_result(far, 0.9 - 0.01 * place) for place in range(4)]
        assert of_one(*results, a_result(score=0.1)).box_precision["refcoco"] == {1: 0, 5: 1, 10: 1}
        assert of_one(*results, a_result(far, 0.2), a_result(score=0.1)).box_precision["refcoco"] == {1: 0, 5: 0, 10: 1}

    def test_of_equal_scores_the_box_of_larger_numbers_comes_first(self):
        far = (40.0, 20.0, 50.0, 30.0)
        assert of_one(a_result(), a_result(far)).box_precision["refcoco"][1] == 0
        assert of_one(a_result(), a_result((0.0, 0.0, 1.0, 1.0))).box_precision["refcoco"][1] == 1

    def test_an_overlap_of_exactly_one_half_is_a_hit(self):
        assert of_one(a_result((10.0, 5.0, 20.0, 15.0))).box_precision["refcoco"][1] == 1

    def test_sizes_are_read_from_corners_as_published(self):
        # 30 x 15 = 450 pixels would be small, and so would the 200 of the mask; 80 x 60 = 4800 is medium.
        results = [a_result((1.0, 1.0, 80.0, 60.0), score=0.9, mask=np.roll(MASK, 25, 0)), a_result()]
        table = of_one(*results).ap
        assert table["AP"] == pytest.approx(0.5)
        assert table["APs"] == pytest.approx(1)
        assert of_one(*results, sizes_of_masks=True).ap["APs"] == pytest.approx(0.5)

    def test_data_sets_are_told_apart(self):
        metric = RefCocoMetrics()
        metric.add(TRUTH, [a_result()], dataset_name="refcoco")
        second = replace(TRUTH, image_id=2)
        metric.add(second, [replace(a_result((0.0, 0.0, 1.0, 1.0)), image_id=2)], dataset_name="refcocog")
        scores = metric.result()
        assert scores.box_precision == {"refcoco": {1: 1, 5: 1, 10: 1}, "refcocog": {1: 0, 5: 0, 10: 0}}
        assert scores.boxes.precision_at[0.9] == 0.5
        assert scores.masks.mean_iou == 1


class TestUninext:
    def test_percent_of_boxes_and_masks(self):
        metric = UninextRefCocoMetrics()
        metric.add(TRUTH, a_result((10.0, 5.0, 20.0, 8.0), mask=box_mask(10, 5, 20, 5)))
        scores = metric.result()
        # 160 of 200: not more than 0.8.
        assert scores.box_precision_at == {0.5: 100, 0.6: 100, 0.7: 100, 0.8: 0, 0.9: 0}
        assert (scores.overall_iou, scores.mean_iou) == (50, 50)

    def test_nothing_and_nothing(self):
        nothing = rle_of(np.zeros(SIZE))
        metric = UninextRefCocoMetrics()
        truth = replace(TRUTH, segmentation=nothing, box=(0.0, 0.0, 0.0, 0.0))
        metric.add(truth, replace(a_result((0.0, 0.0, 0.0, 0.0)), segmentation=nothing))
        assert metric.result().mean_iou == 0


class TestBadInput:
    def test_a_result_without_a_box(self):
        with pytest.raises(InputError, match='a result has no "bbox"'):
            of_one(a_result(box=None))
        with pytest.raises(InputError, match='a result has no "bbox"'):
            UninextRefCocoMetrics().add(TRUTH, a_result(box=None))

    def test_a_box_whose_corners_are_turned_round(self):
        with pytest.raises(InputError, match="expected left, top, right, bottom"):
            of_one(a_result((30.0, 5.0, 10.0, 15.0)))

    def test_another_sentence_and_the_same_twice(self):
        metric = UninextRefCocoMetrics()
        with pytest.raises(InputError, match="a result of sentence 2 was given for sentence 1"):
            metric.add(TRUTH, replace(a_result(), image_id=2))
        metric.add(TRUTH, a_result())
        with pytest.raises(InputError, match="sentence 1 was scored before"):
            metric.add(TRUTH, a_result())

    def test_no_sentence(self):
        with pytest.raises(InputError, match="no sentence was scored"):
            RefCocoMetrics().result()
