"""AP of masks in images: pycocotools as an oracle for COCO, the official numbers for LVIS."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scored_scenes import SIZE, box_mask, images, rle_of

from singleout.data import images as image_files
from singleout.data.records import ImageAnnotation, ImageResult
from singleout.errors import InputError
from singleout.evaluation.metrics.image_ap import ImageAP, LvisAP

CATEGORIES = (1, 2, 3)
MASK = box_mask(5, 5, 20, 20)
ELSEWHERE = np.roll(MASK, 30, 1)


def score(truths, results, metric):
    for image_id in truths:
        metric.add(image_id, truths[image_id], results.get(image_id, []))
    return metric.result()


def official(truths, results, *, told_apart, with_boxes):
    """COCO's own evaluator on the same records."""
    sizes = {
        image_id: next((each.segmentation["size"] for each in (*truths[image_id], *results[image_id])), [1, 1])
        for image_id in truths
    }
    annotations = [
        {
            "id": truth.id,
            "image_id": image_id,
            "category_id": truth.category_id,
            "segmentation": truth.segmentation,
            "area": truth.area,
            "bbox": list(truth.box),
            "iscrowd": int(truth.iscrowd),
        }
        for image_id in truths
        for truth in truths[image_id]
    ]
    found = [
        {
            "image_id": image_id,
            "category_id": result.category_id,
            "score": result.score,
            "segmentation": result.segmentation,
            **({"bbox": list(result.box)} if with_boxes else {}),
        }
        for image_id in truths
        for result in results[image_id]
    ]
    with redirect_stdout(io.StringIO()):
        truth_set = COCO()
        truth_set.dataset = {
            "info": {},
            "images": [{"id": key, "height": size[0], "width": size[1]} for key, size in sizes.items()],
            "categories": [{"id": category} for category in CATEGORIES],
            "annotations": annotations,
        }
        truth_set.createIndex()
        evaluator = COCOeval(truth_set, truth_set.loadRes(found), "segm")
        evaluator.params.useCats = int(told_apart)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


@pytest.mark.parametrize("with_boxes", [False, True])
@pytest.mark.parametrize("told_apart", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_curves_are_those_of_pycocotools(seed, told_apart, with_boxes):
    truths, results = images(seed)
    expected = official(truths, results, told_apart=told_apart, with_boxes=with_boxes)
    scores = score(truths, results, ImageAP(CATEGORIES if told_apart else None, box_areas=with_boxes))
    assert list(scores.summary.values()) == pytest.approx(list(expected.stats), abs=1e-12)
    np.testing.assert_allclose(scores.curves.precision, expected.eval["precision"], rtol=0, atol=1e-15)
    np.testing.assert_allclose(scores.curves.recall, expected.eval["recall"], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(scores.curves.scores, expected.eval["scores"])


def test_images_may_be_named_by_strings():
    truths, results = images(5)
    named = [
        {f"{20 - key:02}": [replace(each, image_id=f"{20 - key:02}") for each in found] for key, found in group.items()}
        for group in (truths, results)
    ]
    numbered = [
        {20 - key: [replace(each, image_id=20 - key) for each in found] for key, found in group.items()}
        for group in (truths, results)
    ]
    first, second = score(*named, ImageAP(CATEGORIES)), score(*numbered, ImageAP(CATEGORIES))
    np.testing.assert_array_equal(first.curves.precision, second.curves.precision)
    assert first.per_category == second.per_category


def a_truth(mask=MASK, category=1, **changed):
    truth = ImageAnnotation(1, 1, category, rle_of(mask), (5.0, 5.0, 20.0, 20.0), float(mask.sum()))
    return replace(truth, **changed)


def a_result(mask=MASK, category=1, score=0.5, **changed):
    return replace(ImageResult(1, category, score, rle_of(mask), None), **changed)


class TestLvis:
    @pytest.mark.needs_shared
    def test_the_official_numbers(self, shared):
        folder = shared / "reference" / "metrics" / "lvis"
        truth = image_files.read(folder / "gt.json")
        results = image_files.read_results(folder / "results.json", truth)
        content = json.loads((folder / "gt.json").read_text())
        metric = LvisAP({entry["id"]: entry["frequency"] for entry in content["categories"]})
        for image in truth.images:
            metric.add(
                image.id,
                [each for each in truth.annotations if each.image_id == image.id],
                [each for each in results if each.image_id == image.id],
                negative=image.neg_category_ids,
                not_exhaustive=image.not_exhaustive_category_ids,
            )
        expected = json.loads((folder / "expected.json").read_text())
        assert dict(metric.result().summary) == pytest.approx(expected, abs=1e-10)

    def scored(self, results, *, negative=(), not_exhaustive=()):
        metric = LvisAP({1: "r", 2: "c", 3: "f"})
        metric.add(1, [a_truth(), a_truth(category=3)], results, negative=negative, not_exhaustive=not_exhaustive)
        return metric.result().summary

    def test_what_was_not_looked_for_is_left_out(self):
        results = [a_result(category=2, score=0.9), a_result(), a_result(category=3)]
        metric = LvisAP({1: "r", 2: "c", 3: "f"})
        metric.add(1, [a_truth()], results[:2], negative=(), not_exhaustive=())
        second = [replace(each, image_id=2) for each in (a_truth(category=2), a_result(category=2))]
        metric.add(2, second[:1], second[1:], negative=(), not_exhaustive=())
        assert metric.result().summary["APc"] == pytest.approx(1)
        metric.add(3, [], [replace(results[0], image_id=3)], negative=(2,), not_exhaustive=())
        assert metric.result().summary["APc"] == pytest.approx(0.5)

    def test_what_was_not_annotated_in_full_is_not_held_against_the_system(self):
        wrong = [a_result(ELSEWHERE, score=0.9), a_result(), a_result(category=3)]
        assert self.scored(wrong)["APr"] == pytest.approx(0.5)
        assert self.scored(wrong, not_exhaustive=(1,))["APr"] == pytest.approx(1)

    def test_three_hundred_detections_of_an_image_all_categories_together(self):
        results = [a_result(ELSEWHERE, category=2, score=0.9)] * 299 + [a_result(score=0.8), a_result(category=3)]
        table = self.scored(results)
        assert (table["APr"], table["APf"], table["AR@300"]) == (pytest.approx(1), 0, 0.5)
        assert self.scored(results[1:])["APf"] == pytest.approx(1)

    def test_an_unknown_frequency(self):
        with pytest.raises(InputError, match="category 4 has the \"frequency\" 'x'"):
            LvisAP({4: "x"})


class TestBadInput:
    def test_an_entry_of_another_image(self):
        with pytest.raises(InputError, match="image 1: an entry of image 7 was given for it"):
            ImageAP([1]).add(1, [a_truth()], [a_result(image_id=7)])

    def test_an_entry_without_a_mask(self):
        with pytest.raises(InputError, match='an entry has no "segmentation"'):
            ImageAP([1]).add(1, [a_truth()], [a_result(segmentation=None)])

    def test_a_result_without_a_box_where_it_tells_the_size(self):
        with pytest.raises(InputError, match='a result has no "bbox"'):
            ImageAP([1], box_areas=True).add(1, [a_truth()], [a_result()])

    def test_a_score_that_is_no_number(self):
        with pytest.raises(InputError, match="expected a finite number"):
            ImageAP([1]).add(1, [a_truth()], [a_result(score=float("nan"))])

    def test_masks_of_different_sizes(self):
        with pytest.raises(InputError, match="different sizes"):
            ImageAP([1]).add(1, [a_truth()], [a_result(np.zeros((SIZE[1], SIZE[0])))])

    def test_a_damaged_code(self):
        # pycocotools would never come back from this one.
        damaged = {"size": list(SIZE), "counts": b"5d0"}
        with pytest.raises(InputError, match="covers 25 pixels, but the picture, 60x40, has 2400"):
            ImageAP([1]).add(1, [a_truth()], [a_result(segmentation=damaged)])

    def test_runs_that_are_not_compressed(self):
        with pytest.raises(InputError, match="expected a compressed run-length code"):
            ImageAP([1]).add(1, [a_truth()], [a_result(segmentation={"size": list(SIZE), "counts": [5, 2395]})])
