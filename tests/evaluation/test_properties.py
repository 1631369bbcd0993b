"""Laws that every metric keeps: what ids are called, empty frames, perfect and empty predictions, the order of files.

And the fast implementations beside the plainest ones, on small random pictures.
"""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import plain_metrics as plain
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco
from scipy import ndimage

from singleout.evaluation.metrics.boundary import boundary_map, contour_accuracy, similarity
from singleout.evaluation.metrics.davis import Davis, semi_supervised, statistics, unsupervised
from singleout.evaluation.metrics.label_codes import encode_labels
from singleout.evaluation.metrics.panoptic import PanopticFrame, Segment, pair_segments
from singleout.evaluation.metrics.region import region_similarity
from singleout.evaluation.metrics.semantic import SemanticConfusion
from singleout.evaluation.metrics.stq import SegmentationTrackingQuality
from singleout.evaluation.metrics.viposeg import boundary_distance, mask_and_boundary_iou
from singleout.evaluation.metrics.vpq import VideoPanopticQuality
from singleout.evaluation.metrics.vspw import VideoSemanticSegmentation

SIZE = (17, 23)
few = settings(max_examples=40, deadline=None)
masks = arrays(bool, SIZE)
seeds = st.integers(0, 2**32 - 1)


def blobs(seed: int, num_ids: int, num_frames: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Id maps (num_frames, *size) with patches of 0 to num_ids, as segmentations have, not noise."""
    noise = np.random.default_rng(seed).normal(size=(num_frames, num_ids + 1, *size))
    return ndimage.gaussian_filter(noise, (0.5, 0, 2, 2)).argmax(axis=1).astype(np.int32)


@st.composite
def id_videos(draw, num_ids: int = 3, num_frames: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and truth (num_frames, *SIZE); the truth shows all its objects in the first frame."""
    found, truth = (blobs(draw(seeds), num_ids, num_frames) for _ in range(2))
    truth[0].flat[: num_ids + 1] = range(num_ids + 1)
    mixed = np.random.default_rng(draw(seeds)).random(truth.shape) < 0.6
    return np.where(mixed, truth, found), truth


# J and F


@few
@given(masks, masks)
def test_j_and_f_are_those_of_the_plain_ones(found, truth):
    assert region_similarity(found, truth) == plain.region(found, truth)
    assert contour_accuracy(found, truth) == pytest.approx(plain.contour(found, truth), abs=1e-15)
    assert similarity(found, truth) == (region_similarity(found, truth), contour_accuracy(found, truth))
    assert (boundary_map(truth) == plain.boundary(truth)).all()


@few
@given(seeds, seeds, st.integers(1, 9))
def test_f_is_exact_on_shapes_at_every_radius(one, other, radius):
    found, truth = (blobs(seed, 1, 1, (40, 60))[0] == 1 for seed in (one, other))
    disc = np.hypot(*np.ogrid[-radius : radius + 1, -radius : radius + 1]) <= radius
    mine, theirs = plain.boundary(found), plain.boundary(truth)
    precision = (mine & ndimage.binary_dilation(theirs, disc)).sum() / max(mine.sum(), 1)
    recall = (theirs & ndimage.binary_dilation(mine, disc)).sum() / max(theirs.sum(), 1)
    if mine.any() and theirs.any():
        wanted = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        assert contour_accuracy(found, truth, bound_th=radius) == pytest.approx(wanted, abs=1e-15)


@few
@given(masks)
def test_a_perfect_mask_and_none_at_all(mask):
    nothing = np.zeros(SIZE, bool)
    assert similarity(mask, mask) == (1.0, 1.0)
    assert similarity(nothing, nothing) == (1.0, 1.0)
    assert similarity(nothing, mask)[0] == float(not mask.any())
    # A mask without boundary, such as one of the whole frame, agrees with nothing at all.
    assert similarity(nothing, mask)[1] == float(not plain.boundary(mask).any())


@few
@given(id_videos(), st.permutations([1, 2, 3]))
def test_objects_may_be_renamed_together(video, names):
    found, truth = video
    renamed = np.array([0, *names])
    before = semi_supervised(zip(found, truth, strict=True))
    after = semi_supervised(zip(renamed[found], renamed[truth], strict=True))
    for row, name in enumerate(names):
        assert (after.j[name - 1] == before.j[row]).all()
        assert (after.f[name - 1] == before.f[row]).all()


@few
@given(id_videos(), st.permutations([1, 2, 3]))
def test_proposals_may_have_any_names_where_they_are_matched(video, names):
    found, truth = video
    means = []
    for offered in (found, np.array([0, *names])[found]):
        davis = Davis()
        davis.add("video", unsupervised(zip(offered, truth, strict=True)))
        means.append(davis.result().jf_mean)
    # The matching is the best one for either; the objects may come in another order.
    assert means[0] == pytest.approx(means[1], abs=1e-14)


@few
@given(id_videos())
def test_empty_frames_change_no_other_frame(video):
    found, truth = video
    nothing = np.zeros_like(truth[:2])
    before = semi_supervised(zip(found, truth, strict=True))
    longer = (np.concatenate([part[:3], nothing, part[3:]]) for part in (found, truth))
    after = semi_supervised(zip(*longer, strict=True))
    for one, other in ((before.j, after.j), (before.f, after.f)):
        assert (np.delete(other, (2, 3), axis=1) == one).all()
        assert (other[:, 2:4] == 1).all()


@few
@given(id_videos(), id_videos())
def test_the_order_of_videos_does_not_matter_to_davis(one, other):
    results = []
    for videos in ((one, other), (other, one)):
        davis = Davis()
        for found, truth in videos:
            davis.add("video", semi_supervised(zip(found, truth, strict=True)))
        results.append(list(davis.result().row().values()))
    assert results[0] == pytest.approx(results[1], abs=1e-14)


@few
@given(arrays(float, st.integers(1, 400), elements=st.floats(0, 1)))
def test_statistics_are_those_of_the_quarters(values):
    found = statistics(values, wrap=False)
    assert found.mean == pytest.approx(values.mean())
    assert found.recall == pytest.approx((values > 0.5).mean())
    assert -1 <= found.decay <= 1
    if len(values) < 256:
        assert statistics(values) == found


@few
@given(masks, masks)
def test_boundaries_of_viposeg_are_what_erosion_leaves(found, truth):
    square = np.ones((3, 3), bool)
    times = boundary_distance(SIZE)
    mine, theirs = (mask & ~ndimage.binary_erosion(mask, square, times) for mask in (found, truth))
    iou, boundary_iou = mask_and_boundary_iou(found, truth)
    if found.any() and truth.any():
        assert iou == plain.region(found, truth)
        assert boundary_iou == (mine & theirs).sum() / (mine | theirs).sum()
    else:
        assert iou == boundary_iou == float(not found.any() and not truth.any())


# VPQ and STQ

KINDS = {1: 3, 2: 3, 3: 5, 4: 7}
"""The category of each id of the videos below."""
THINGS = {3: True, 5: False, 7: True}


def pairs_of(found: np.ndarray, truth: np.ndarray, kinds: dict[int, int] = KINDS) -> list:
    """The frames of a panoptic video, as the metrics take them."""
    frames = [
        [PanopticFrame(ids, [Segment(name, kinds[name]) for name in np.unique(ids).tolist() if name]) for ids in video]
        for video in (truth, found)
    ]
    return [pair_segments(*pair) for pair in zip(*frames, strict=True)]


def plain_video(found: np.ndarray, truth: np.ndarray) -> plain.PanopticVideo:
    listed = [
        [{name: KINDS[name] for name in np.unique(ids).tolist() if name} for ids in part] for part in (truth, found)
    ]
    return plain.PanopticVideo(truth, listed[0], found, listed[1])


def vpq(videos, windows=(1, 2, 4)) -> VideoPanopticQuality:
    metric = VideoPanopticQuality(THINGS, windows=windows)
    for frames in videos:
        metric.add(frames)
    return metric.result()


def stq(videos):
    metric = SegmentationTrackingQuality(THINGS)
    for frames in videos:
        metric.add(frames)
    return metric.result()


@few
@given(id_videos(4), id_videos(4, num_frames=3))
def test_vpq_is_that_of_the_plain_one(one, other):
    quality = vpq([pairs_of(*one), pairs_of(*other)])
    for window, found in quality.windows.items():
        wanted = plain.video_panoptic_quality([plain_video(*one), plain_video(*other)], window)
        assert found.all.pq == pytest.approx(wanted, abs=1e-14)


@few
@given(id_videos(4), id_videos(4, num_frames=3))
def test_stq_is_that_of_the_plain_one(one, other):
    things = [category for category, is_thing in THINGS.items() if is_thing]
    wanted = plain.segmentation_tracking_quality([plain_video(*one), plain_video(*other)], things)
    assert stq([pairs_of(*one), pairs_of(*other)]).stq == pytest.approx(wanted, abs=1e-14)


@few
@given(id_videos(4), st.permutations([1, 2, 3, 4]))
def test_segments_of_a_prediction_may_have_any_names(video, names):
    found, truth = video
    renamed = np.array([0, *names])
    kinds = {names[name - 1]: category for name, category in KINDS.items()}
    before = pairs_of(found, truth)
    frames = [
        pair_segments(
            PanopticFrame(ids, [Segment(name, KINDS[name]) for name in np.unique(ids).tolist() if name]),
            PanopticFrame(offered, [Segment(name, kinds[name]) for name in np.unique(offered).tolist() if name]),
        )
        for ids, offered in zip(truth, renamed[found], strict=True)
    ]
    assert vpq([frames]).vpq == pytest.approx(vpq([before]).vpq, abs=1e-14)
    assert stq([frames]).stq == pytest.approx(stq([before]).stq, abs=1e-14)


@few
@given(id_videos(4))
def test_perfect_and_empty_panoptic_predictions(video):
    _, truth = video
    perfect, nothing = pairs_of(truth, truth), pairs_of(np.zeros_like(truth), truth)
    assert vpq([perfect]).vpq == 1
    assert vpq([nothing]).vpq == 0
    found = stq([perfect])
    # Whatever is a thing and not the first in the list is followed without fault.
    assert found.iou == 1
    assert found.aq == pytest.approx(1, abs=1e-14)
    assert stq([nothing]).stq == 0


@few
@given(id_videos(4), id_videos(4))
def test_empty_frames_and_the_order_of_videos_change_no_panoptic_score(one, other):
    videos = [pairs_of(*one), pairs_of(*other)]
    nothing = pairs_of(*np.zeros((2, 2, *SIZE), np.int32))
    before, swapped = stq(videos), stq(videos[::-1])
    assert before.stq == pytest.approx(swapped.stq, abs=1e-14)
    assert stq([videos[0] + nothing, videos[1]]).stq == pytest.approx(before.stq, abs=1e-14)
    assert vpq(videos).vpq == pytest.approx(vpq(videos[::-1]).vpq, abs=1e-14)
    single = vpq(videos, windows=(1,)).vpq
    assert vpq([videos[0] + nothing, videos[1]], windows=(1,)).vpq == pytest.approx(single, abs=1e-14)


# Semantic segmentation


@few
@given(id_videos(6), st.permutations(range(7)))
def test_classes_may_be_renamed_together(video, names):
    found, truth = video
    renamed = np.array(names)
    before, after = SemanticConfusion(7), SemanticConfusion(7)
    for offered, wanted in zip(found, truth, strict=True):
        before.add(wanted, offered)
        after.add(renamed[wanted], renamed[offered])
    one, other = before.result(), after.result()
    assert other.miou == pytest.approx(one.miou, abs=1e-14)
    np.testing.assert_array_equal(other.iou[names], one.iou)


@few
@given(id_videos(6))
def test_semantic_scores_are_those_of_the_plain_one_in_any_order(video):
    found, truth = video
    truth = np.where(truth == 6, 255, truth)
    pairs = list(zip(found, truth, strict=True))
    wanted, codes = plain.semantic_quality(pairs, 7, 255)
    metric = SemanticConfusion(7)
    for offered, right in pairs[::-1]:
        metric.add(right, offered)
    # A frame in which nothing counts adds nothing, whatever is predicted there.
    metric.add(np.full(SIZE, 255), found[0])
    assert 100 * metric.result("ovseg").miou == pytest.approx(wanted, abs=1e-12)
    written = [code for offered in found for code in encode_labels(offered).values()]
    assert written == [code["counts"] for code in codes]


@few
@given(seeds)
def test_perfect_semantic_predictions(seed):
    truth = blobs(seed, 5, 20)
    metric = SemanticConfusion(6)
    videos = VideoSemanticSegmentation(5)
    for labels in truth:
        metric.add(labels, labels)
    # The truth of VSPW counts from 1; what is 0 there does not count, and is a steady value all the same.
    videos.add((labels, np.maximum(labels.astype(int) - 1, 0)) for labels in truth)
    scores = metric.result()
    assert (scores.miou, scores.fwiou, scores.macc, scores.pacc) == (1, 1, 1, 1)
    result = videos.result()
    assert result.scores.miou == 1
    assert all(np.isnan(value) or value == 1 for value in result.vc.values())


@few
@given(seeds, seeds, st.integers(1, 4))
def test_vc_is_the_share_of_steady_pixels(one, other, window):
    found, truth = (np.repeat(blobs(seed, 3, 4), 2, axis=0) for seed in (one, other))
    metric = VideoSemanticSegmentation(4, windows=(window,))
    metric.add(zip(truth, found, strict=True))
    values = []
    for start in range(len(truth) - window):
        steady, same = ((part[start : start + window] == part[start]).all(axis=0) for part in (truth, found))
        values.append((steady & same).sum() / steady.sum() if steady.any() else np.nan)
    np.testing.assert_array_equal(metric.result().videos[0].windows[window], values)


@few
@given(arrays(np.uint8, SIZE, elements=st.integers(0, 4)))
def test_codes_of_labels_are_those_of_pycocotools(labels):
    found = encode_labels(labels)
    assert list(found) == sorted(set(labels.ravel().tolist()))
    for label, code in found.items():
        assert code == coco.encode(np.asfortranarray(labels == label).astype(np.uint8))["counts"]
