"""STQ, beside a computation that looks at every true tube and every predicted tube as masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from panoptic_scenes import CATEGORIES, draw, frame
from PIL import Image

from singleout.errors import InputError
from singleout.evaluation.metrics.panoptic import PanopticFrame, Segment, pair_segments
from singleout.evaluation.metrics.stq import SegmentationTrackingQuality

VOID = 255


def painted(frames):
    """Category of every pixel, and the number of its segment in the order of the lists: both (num_frames, h, w)."""
    numbers = {}
    for one in frames:
        for segment in one.segments:
            numbers.setdefault(segment.id, len(numbers))
    categories = np.full((len(frames), *frames[0].ids.shape), VOID)
    instances = np.full_like(categories, VOID)
    for index, one in enumerate(frames):
        for segment in one.segments:
            categories[index][one.ids == segment.id] = segment.category
            instances[index][one.ids == segment.id] = numbers[segment.id]
    return categories, instances


def by_masks(scenes):
    """AQ and IoU as the official evaluators define them, quirks and all."""
    covered, num_tubes = 0.0, 0
    maps = [(painted(scene.truth), painted(scene.prediction)) for scene in scenes]
    things = [category for category, isthing in CATEGORIES.items() if isthing]
    for (true, numbers), (found, others) in maps:
        crowd = np.isin(true, things) & (numbers == 0)
        wanted, offered = np.isin(true, things) & ~crowd, np.isin(found, things) & ~crowd
        for category, number in set(zip(true[wanted].tolist(), numbers[wanted].tolist(), strict=True)):
            tube = wanted & (true == category) & (numbers == number)
            num_tubes += 1
            for theirs, other in set(zip(found[offered].tolist(), others[offered].tolist(), strict=True)):
                candidate = offered & (found == theirs) & (others == other)
                common = np.sum(tube & candidate)
                covered += common * common / np.sum(tube | candidate) / np.sum(tube)
    true, found = (np.concatenate([pair[side][0].ravel() for pair in maps]) for side in (0, 1))
    true, found = true[true != VOID], found[true != VOID]
    classes = sorted({*true.tolist(), *found.tolist()})
    ious = [np.sum((true == c) & (found == c)) / np.sum((true == c) | (found == c)) for c in classes]
    return covered / num_tubes, np.mean(ious)


def test_equals_masks_of_tubes():
    scenes = [draw(seed, num_frames) for seed, num_frames in ((1, 9), (2, 4), (3, 1))]
    metric = SegmentationTrackingQuality(CATEGORIES)
    for index, scene in enumerate(scenes):
        metric.add(scene.pairs(), name=f"video {index}")
    result = metric.result()
    aq, iou = by_masks(scenes)
    assert result.aq == pytest.approx(aq, abs=1e-14)
    assert result.iou == pytest.approx(iou, abs=1e-14)
    assert result.stq == pytest.approx(np.sqrt(aq * iou), abs=1e-14)
    for scene, video in zip(scenes, result.videos, strict=True):
        assert (video.aq, video.iou) == pytest.approx(by_masks([scene]), abs=1e-14)
        assert video.num_frames == len(scene.truth)
    assert [video.name for video in result.videos] == ["video 0", "video 1", "video 2"]


def stq_of(truth, prediction, *, corrected=False):
    metric = SegmentationTrackingQuality(CATEGORIES, corrected=corrected)
    metric.add([pair_segments(one, other) for one, other in zip(truth, prediction, strict=True)])
    return metric.result()


def test_predicted_void_is_one_more_category():
    truth = frame([[1] * 16], {1: 7})
    found = frame([[5] * 15 + [0]], {5: 7})
    # One category with IoU 15/16, and void with 0.
    assert stq_of([truth], [found]).iou == (15 / 16) / 2
    assert stq_of([truth], [found], corrected=True).iou == 15 / 16


def test_void_truth_does_not_count():
    truth = frame([[1, 1, 0, 0]], {1: 7})
    assert stq_of([truth], [frame([[5, 5, 5, 6]], {5: 7, 6: 11})]).iou == 1


def test_the_first_listed_thing_is_taken_for_crowd():
    truth = [frame([[1, 1, 2, 2]], {1: 2, 2: 2})]
    swapped = [frame([[8, 8, 9, 0]], {8: 2, 9: 2})]
    # Tube 1 is left out, with what is predicted on it; of tube 2 one pixel is found: 1 · (1 / 2) / 2.
    assert stq_of(truth, swapped).aq == 1 / 4
    assert stq_of(truth, swapped, corrected=True).aq == (1 + 1 / 4) / 2
    stuff_first = [PanopticFrame(np.array([[3, 1, 2, 2]], np.int32), [Segment(3, 7), Segment(1, 2), Segment(2, 2)])]
    assert stq_of(stuff_first, [frame([[0, 0, 9, 9]], {9: 2})]).aq == 1 / 2


def test_crowd_of_the_list_counts_only_if_corrected():
    truth = [frame([[3, 1, 2, 2]], {1: 2, 2: 2, 3: 7}, {2})]
    truth = [replace(truth[0], segments=[truth[0].segments[2], *truth[0].segments[:2]])]
    found = [frame([[0, 8, 8, 8]], {8: 2})]
    assert stq_of(truth, found).aq == pytest.approx((1 * (1 / 3) + 2 * (2 / 3) / 2) / 2)
    assert stq_of(truth, found, corrected=True).aq == 1


def test_an_identity_switch_halves_the_tube():
    truth = [frame([[3, 1, 1]], {1: 2, 3: 7})] * 2
    truth = [replace(one, segments=one.segments[::-1]) for one in truth]
    kept = [frame([[5, 6, 6]], {5: 7, 6: 2})] * 2
    switched = [kept[0], frame([[5, 4, 4]], {5: 7, 4: 2})]
    assert stq_of(truth, kept).stq == 1
    result = stq_of(truth, switched)
    assert result.iou == 1
    assert result.aq == 2 * (2 * 0.5) / 4


def test_tubes_of_another_category_still_cover():
    truth = [frame([[3, 1, 1]], {1: 2, 3: 7})]
    truth = [replace(truth[0], segments=truth[0].segments[::-1])]
    assert stq_of(truth, [frame([[0, 6, 6]], {6: 3})]).aq == 1


def test_truth_of_another_size_is_brought_to_the_prediction():
    scene = draw(4, num_frames=1)
    truth, found = scene.truth[0], scene.prediction[0]
    small = PanopticFrame(found.ids[:7, :10], [s for s in found.segments if (found.ids[:7, :10] == s.id).any()])
    with pytest.raises(InputError, match="the prediction is 10x7 but the truth is 17x12"):
        pair_segments(truth, small)
    pairs = pair_segments(truth, small, resize_truth=True)
    assert pairs.resized
    # As the official evaluator does it: the colour picture, by Pillow's nearest neighbour.
    rgb = np.stack([truth.ids >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    resized = np.asarray(Image.fromarray(rgb).resize((10, 7), Image.Resampling.NEAREST)).astype(np.int32)
    same = PanopticFrame(resized[..., 0] + 256 * resized[..., 1] + 65536 * resized[..., 2], truth.segments)
    metric, expected = (SegmentationTrackingQuality(CATEGORIES) for _ in range(2))
    metric.add([pairs])
    expected.add([pair_segments(same, small)])
    assert metric.result().stq == expected.result().stq


def test_ids_without_a_list_are_void():
    truth = [PanopticFrame(np.array([[9, 1]], np.int32), [Segment(1, 7)])]
    found = [PanopticFrame(np.array([[4, 4]], np.int32), [Segment(4, 7)])]
    assert stq_of(truth, found).iou == 1


def test_nothing_to_count():
    empty = SegmentationTrackingQuality(CATEGORIES)
    assert np.isnan(empty.result().stq)
    empty.add([])
    assert np.isnan(empty.result().videos[0].iou)
    assert stq_of([frame([[1]], {1: 7})], [frame([[2]], {2: 7})]).aq == 0


def test_unknown_categories_are_refused():
    with pytest.raises(InputError, match="category 5, which is not among the categories"):
        stq_of([frame([[1]], {1: 7})], [frame([[2]], {2: 5})])
