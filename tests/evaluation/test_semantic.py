"""Semantic segmentation: beside masks counted one class at a time, and codes beside pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco
from scipy import ndimage

from singleout.errors import InputError
from singleout.evaluation.metrics.label_codes import encode_labels
from singleout.evaluation.metrics.semantic import SemanticConfusion

NUM_CLASSES = 9


def maps(seed, count=4, ignore=255):
    """Truth with 6 of 9 classes and what is ignored; predictions right in about 3 of 4 pixels, with 2 more classes."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        truth = rng.choice([0, 1, 2, 3, 5, 8, ignore], (20, 31 + index)).astype(np.uint16)
        noise = rng.choice([0, 1, 2, 3, 5, 8, 4, 6], truth.shape)
        yield truth, np.where((rng.random(truth.shape) < 0.75) & (truth != ignore), truth, noise).astype(np.uint16)


def class_by_class(pairs, ignore=255):
    """IoU, acc, pixels of truth and prediction of each class: (4, num_classes)."""
    truth, found = (np.concatenate([one.ravel() for one in side]) for side in zip(*pairs, strict=True))
    truth, found = truth[truth != ignore], found[truth != ignore]
    rows = []
    for number in range(NUM_CLASSES):
        common, either = np.sum((truth == number) & (found == number)), np.sum((truth == number) | (found == number))
        wanted, offered = np.sum(truth == number), np.sum(found == number)
        rows.append((common / either if wanted else np.nan, common / wanted if wanted else np.nan, wanted, offered))
    return np.array(rows).T


def confusion_of(pairs, **options):
    confusion = SemanticConfusion(NUM_CLASSES, **options)
    for truth, found in pairs:
        confusion.add(truth, found)
    return confusion


def test_scores_equal_masks_of_classes():
    pairs = list(maps(1))
    iou, acc, wanted, offered = class_by_class(pairs)
    confusion = confusion_of(pairs)
    for variant, divisor in (("ovseg", np.sum(wanted + offered > 0)), ("detectron2", np.sum(wanted > 0))):
        scores = confusion.result(variant)
        np.testing.assert_allclose(scores.iou, iou, rtol=0, atol=1e-14)
        np.testing.assert_allclose(scores.acc, acc, rtol=0, atol=1e-14)
        assert scores.miou == pytest.approx(np.nansum(iou) / divisor, abs=1e-14)
        assert scores.macc == pytest.approx(np.nanmean(acc), abs=1e-14)
        assert scores.fwiou == pytest.approx(np.nansum(iou * wanted) / wanted.sum(), abs=1e-14)
        assert scores.pacc == pytest.approx(np.nansum(acc * wanted) / wanted.sum(), abs=1e-14)
    assert confusion.result("ovseg").miou < confusion.result("detectron2").miou, "two classes are only predicted"
    assert confusion.result("vspw").miou == confusion.result("detectron2").miou
    assert confusion.confusion[-1].sum() == sum(int((truth == 255).sum()) for truth, _ in pairs)


def test_evaluation_sets_are_scored_apart():
    pairs = list(maps(2))
    iou, _, wanted, offered = class_by_class(pairs)
    members = [0, 1, 2, 6]
    subset = confusion_of(pairs).result(sets={"base": members}).subsets["base"]
    inside = np.isin(np.arange(NUM_CLASSES), members)
    for chosen, value in ((inside, subset.miou), (~inside, subset.miou_others)):
        assert value == pytest.approx(np.nansum(iou[chosen]) / np.sum((wanted + offered)[chosen] > 0), abs=1e-14)
    assert subset.hiou == pytest.approx(2 / (1 / subset.miou + 1 / subset.miou_others), abs=1e-14)


def test_boundaries_of_a_mask_are_what_erosion_takes_away():
    rng = np.random.default_rng(3)
    truth, found = ((ndimage.gaussian_filter(rng.random((90, 130)), 6) > 0.5).astype(np.uint8) for _ in range(2))
    scores = confusion_of([(truth, found)], boundary=True).result("detectron2")
    reach = round(0.02 * np.hypot(90, 130))
    rims = [one & ~ndimage.binary_erosion(one, np.ones((3, 3)), iterations=reach) for one in (truth > 0, found > 0)]
    assert scores.boundary_iou is not None
    assert scores.boundary_iou[1] == np.sum(rims[0] & rims[1]) / np.sum(rims[0] | rims[1])
    assert np.isnan(scores.boundary_iou[2:]).all()
    assert confusion_of([(truth, found)]).result().boundary_iou is None


def test_names_of_classes_do_not_matter():
    pairs = list(maps(4))
    order = np.append(np.random.default_rng(0).permutation(NUM_CLASSES), np.full(300, 255)).astype(np.uint16)
    scores, others = (confusion_of(each).result() for each in (pairs, [(order[a], order[b]) for a, b in pairs]))
    assert (others.miou, others.fwiou, others.macc) == pytest.approx(
        (scores.miou, scores.fwiou, scores.macc), abs=1e-14
    )
    np.testing.assert_allclose(others.iou[order[:NUM_CLASSES]], scores.iou, rtol=0, atol=0)


def test_perfect_wrong_and_nothing():
    pairs = [(truth, np.where(truth == 255, 0, truth)) for truth, _ in maps(5)]
    scores = confusion_of(pairs).result()
    assert (scores.miou, scores.fwiou, scores.macc, scores.pacc) == (1, 1, 1, 1)
    ones = np.ones((4, 4), np.uint8)
    wrong = confusion_of([(ones, ones + 1)]).result()
    assert (wrong.miou, wrong.pacc) == (0, 0)
    assert np.isnan(SemanticConfusion(NUM_CLASSES).result().miou)
    assert np.isnan(confusion_of([(ones * 255, ones)]).result().pacc)


def test_labels_beyond_the_classes_are_refused():
    good = np.zeros((3, 4), np.uint16)
    with pytest.raises(InputError, match=r"^a map: the truth has labels beyond the 9 classes"):
        SemanticConfusion(NUM_CLASSES).add(good + 9, good, where="a map")
    with pytest.raises(InputError, match="the truth has labels beyond"):
        SemanticConfusion(NUM_CLASSES, ignore=65535).add(good + 255, good)
    with pytest.raises(InputError, match="the prediction has labels beyond the 9 classes"):
        SemanticConfusion(NUM_CLASSES).add(good, good + 9)
    with pytest.raises(InputError, match="the truth is"):
        SemanticConfusion(NUM_CLASSES).add(good, good[:2])
    with pytest.raises(InputError, match="1 or more"):
        SemanticConfusion(0)
    with pytest.raises(InputError, match="fewer than 255 classes"):
        SemanticConfusion(847, boundary=True)


SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)


@settings(max_examples=150, deadline=None)
@given(arrays.arrays(np.uint8, SHAPES, elements=st.integers(0, 5)), st.integers(1, 12))
def test_codes_equal_pycocotools(labels, scale):
    # Large flat areas give long runs, whose numbers take several characters.
    labels = np.kron(labels, np.ones((scale, scale), np.uint8))
    codes = encode_labels(labels)
    assert list(codes) == np.unique(labels).tolist()
    for label, code in codes.items():
        assert code == coco.encode(np.asfortranarray(labels == label).view(np.uint8))["counts"]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_codes_of_many_labels(dtype):
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 900, (12, 15)).repeat(6, 0).repeat(6, 1).astype(dtype)
    labels[:, 30:50] = rng.integers(0, 900, (72, 20))
    codes = encode_labels(labels)
    assert list(codes) == np.unique(labels).tolist()
    assert len(codes) > 400
    for label, code in codes.items():
        assert code == coco.encode(np.asfortranarray(labels == label).view(np.uint8))["counts"]


def test_codes_of_long_runs_and_of_nothing():
    labels = np.zeros((3000, 2000), np.uint8)
    labels[1500, 1000] = 1
    for label, code in encode_labels(labels).items():
        assert code == coco.encode(np.asfortranarray(labels == label).view(np.uint8))["counts"]
    assert encode_labels(np.zeros((0, 4), np.uint8)) == {}
