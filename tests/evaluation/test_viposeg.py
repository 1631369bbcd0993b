"""ViPOSeg's mask and boundary IoU, groups and decay."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from plain_jf import blobs, plain_j
from scipy import ndimage

from singleout.errors import InputError
from singleout.evaluation.metrics.viposeg import (
    GROUPS,
    Viposeg,
    ViposegScores,
    boundary_distance,
    group_of,
    mask_and_boundary_iou,
    video_scores,
)

GOLDEN = Path(__file__).parents[1] / "goldens" / "metrics" / "viposeg"
SHAPE = (60, 85)


def inner_boundary(mask):
    return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=boundary_distance(mask.shape))


@pytest.mark.parametrize(("shape", "width"), [((480, 854), 20), ((60, 85), 2), ((4, 5), 1), ((75, 100), 2)])
def test_the_width_of_a_boundary(shape, width):
    assert boundary_distance(shape) == width


@pytest.mark.parametrize("seed", range(6))
def test_boundaries_are_those_of_repeated_erosion(seed):
    prediction, truth = blobs(seed, SHAPE, 0.5, 6), blobs(seed + 20, SHAPE, 0.6, 6)
    expected = plain_j(prediction, truth), plain_j(inner_boundary(prediction), inner_boundary(truth))
    assert mask_and_boundary_iou(prediction, truth) == pytest.approx(expected, abs=1e-15)


def test_empty_and_full_masks():
    empty, full = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    assert mask_and_boundary_iou(empty, empty) == (1, 1)
    assert mask_and_boundary_iou(empty, full) == mask_and_boundary_iou(full, empty) == (0, 0)
    assert mask_and_boundary_iou(full, full) == (1, 1)


def test_an_object_counts_after_the_frame_in_which_it_is_given():
    truth = [np.array([[1, 1, 2, 2, 5]] * 4)] * 4
    guess = [None, *([np.array([[1, 1, 2, 5, 5]] * 4)] * 3)]
    scores = video_scores(zip(guess, truth, strict=True), {1: 0, 2: 0, 5: 2})
    assert scores.frames.tolist() == [1, 1, 2, 2, 3, 3, 3]
    assert scores.object_ids.tolist() == [1, 2, 1, 2, 1, 2, 5]
    assert scores.num_tracked.tolist() == [2, 2, 2, 2, 3, 3, 3]
    assert scores.j.tolist() == [1, 0.5, 1, 0.5, 1, 0.5, 0.5]


def test_what_cannot_be_scored():
    truth = [np.ones(SHAPE, int)] * 2
    with pytest.raises(InputError, match="bear, frame 1: there is no prediction"):
        video_scores([(None, ids) for ids in truth], {1: 0}, where="bear")
    with pytest.raises(InputError, match=r"frame 1: .* 2x2 and 85x60"):
        video_scores([(np.ones((2, 2)), ids) for ids in truth], {1: 0})


def test_groups():
    assert group_of("any", 2) == "thing_seen" and group_of("any", 46) == "thing_unseen"
    assert group_of("any", 0) == "stuff_seen" and group_of("any", 5) == "stuff_unseen"
    assert group_of("any", 98) == "stuff_seen" and group_of("187_WUZUSD4477I", 98) == "stuff_unseen"
    assert {group_of("any", number) for number in range(124)} == set(GROUPS)
    with pytest.raises(InputError, match="no class 124"):
        group_of("any", 124)


def scores(values):
    """One value of J, and of the boundary the same, for each number of objects tracked: {count: value}."""
    counts = np.array(list(values), np.int64)
    found = np.array(list(values.values()), np.float64)
    return ViposegScores(counts * 0 + 1, counts * 0 + 1, counts, found, found)


def test_decay_is_a_slope_through_the_origin():
    gathered = Viposeg()
    gathered.add(scores({10: math.exp(-0.3), 50: math.exp(-1.5), 60: 0.9}), {1: "thing_seen"})
    assert gathered.result().decay == pytest.approx(3)


def test_decay_is_infinite_where_nothing_is_found():
    gathered = Viposeg()
    gathered.add(scores({10: 0.5, 20: 0.0}), {1: "thing_seen"})
    assert gathered.result().decay == math.inf


def test_a_group_without_objects_has_no_mean():
    gathered = Viposeg()
    gathered.add(scores({10: 0.5}), {1: "thing_seen"})
    result = gathered.result()
    assert result.groups["thing_seen"].iou == 0.5 and np.isnan(result.groups["stuff_seen"].iou)
    assert np.isnan(result.overall_iou) and np.isnan(Viposeg().result().decay)


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture).astype(np.int32)


def test_official_values():
    classes = json.loads((GOLDEN / "valid" / "obj_class.json").read_text())
    gathered = Viposeg()
    for video, of_object in classes.items():
        truth = sorted((GOLDEN / "valid" / "Annotations_gt" / video).glob("*.png"))
        names = [path.name for path in truth]
        enters = {}
        for path in sorted((GOLDEN / "valid" / "Annotations" / video).glob("*.png")):
            for number in set(np.unique(read(path)).tolist()) - {0}:
                enters.setdefault(number, names.index(path.name))
        frames = ((read(GOLDEN / "pred" / video / path.name), read(path)) for path in truth)
        groups = {int(number): group_of(video, int(label)) for number, label in of_object.items()}
        gathered.add(video_scores(frames, enters, where=video), groups)
    expected = json.loads((GOLDEN / "expected.json").read_text())
    found = gathered.result().row()
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=1e-10, rel=0)
