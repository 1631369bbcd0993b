"""PQ of images and VPQ of videos, beside a computation that stacks the pixels of every window."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from panoptic_scenes import CATEGORIES, draw, frame

from singleout.errors import InputError
from singleout.evaluation.metrics.panoptic import PanopticFrame, Segment, pair_segments
from singleout.evaluation.metrics.pq import ImagePanopticQuality
from singleout.evaluation.metrics.vpq import VideoPanopticQuality


def by_stacking(scenes, num_frames, *, every_crowd=False, stated_areas=False):
    """Category to [iou, tp, fp, fn], each window stacked to one picture and each segment a mask of it."""
    sums = defaultdict(lambda: np.zeros(4))
    for scene in scenes:
        for start in range(len(scene.truth) - num_frames + 1):
            window = slice(start, start + num_frames)
            truth = np.stack([one.ids for one in scene.truth[window]])
            found = np.stack([one.ids for one in scene.prediction[window]])
            wanted, offered = ({}, {})
            for listed, frames in ((wanted, scene.truth[window]), (offered, scene.prediction[window])):
                for one in frames:
                    for segment in one.segments:
                        listed.setdefault(segment.id, segment)
            matched = set()
            for name, segment in wanted.items():
                if segment.iscrowd:
                    continue
                for other, candidate in offered.items():
                    inside = found == other
                    common = np.sum(inside & (truth == name))
                    area = segment.area if stated_areas else np.sum(truth == name)
                    union = area + np.sum(inside) - common - np.sum(inside & (truth == 0))
                    if candidate.category == segment.category and common and common / union > 0.5:
                        sums[segment.category] += [common / union, 1, 0, 0]
                        matched |= {("truth", name), ("found", other)}
                if ("truth", name) not in matched:
                    sums[segment.category] += [0, 0, 0, 1]
            for other, candidate in offered.items():
                if ("found", other) in matched:
                    continue
                crowds = [s.id for s in wanted.values() if s.iscrowd and s.category == candidate.category]
                forgiven = [0, *(crowds if every_crowd else crowds[-1:])]
                inside = found == other
                if np.sum(inside & np.isin(truth, forgiven)) / np.sum(inside) <= 0.5:
                    sums[candidate.category] += [0, 0, 1, 0]
    return sums


def numbers(quality):
    return {name: [one.iou, one.tp, one.fp, one.fn] for name, one in quality.categories.items()}


@pytest.mark.parametrize("corrected", [False, True])
def test_windows_equal_stacked_pixels(corrected):
    scenes = [draw(seed, num_frames) for seed, num_frames in ((1, 9), (2, 5), (3, 3), (4, 1))]
    metric = VideoPanopticQuality(CATEGORIES, corrected=corrected)
    for scene in scenes:
        metric.add(scene.pairs())
    result = metric.result()
    assert list(result.windows) == [1, 2, 4, 6, 8]
    for num_frames, quality in result.windows.items():
        expected = by_stacking(scenes, num_frames, every_crowd=corrected)
        found = numbers(quality)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-12)
        pq = {name: iou / (tp + fp / 2 + fn / 2) for name, (iou, tp, fp, fn) in expected.items()}
        assert quality.all.pq == pytest.approx(np.mean(list(pq.values())), abs=1e-14)
        assert quality.things.pq == pytest.approx(np.mean([pq[name] for name in pq if CATEGORIES[name]]), abs=1e-14)
        assert quality.stuff.num_categories == sum(not CATEGORIES[name] for name in pq)
    assert result.vpq == pytest.approx(np.mean([quality.all.pq for quality in result.windows.values()]), abs=1e-15)


def test_the_scenes_have_what_the_definitions_treat_apart():
    scenes = [draw(seed) for seed in range(4)]
    last, every = (by_stacking(scenes, 4, every_crowd=every) for every in (False, True))
    assert sum(one[2] for one in last.values()) > sum(one[2] for one in every.values()), "two crowds of a category"
    assert all(min(one[1:]) > 0 for one in last.values()), "matches, misses and false alarms of every category"


def test_image_quality_takes_the_stated_area_of_the_truth():
    scene = draw(5)
    stated = [
        replace(one, segments=[replace(segment, area=segment.area + 3) for segment in one.segments])
        for one in scene.truth
    ]
    scene = replace(scene, truth=stated)
    official, corrected = ImagePanopticQuality(CATEGORIES), ImagePanopticQuality(CATEGORIES, corrected=True)
    for pairs in scene.pairs():
        official.add([pairs])
    corrected.add(scene.pairs())
    for metric, options in ((official, {"stated_areas": True}), (corrected, {"every_crowd": True})):
        expected = by_stacking([scene], 1, **options)
        found = numbers(metric.result())
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-12)
    assert official.result() != corrected.result()


def test_perfect_and_empty_predictions():
    scene = draw(6)
    perfect = [replace(one, segments=[replace(s, iscrowd=False) for s in one.segments]) for one in scene.truth]
    metric = VideoPanopticQuality(CATEGORIES)
    metric.add([pair_segments(one, one) for one in perfect])
    assert metric.result().vpq == 1
    empty = VideoPanopticQuality(CATEGORIES)
    empty.add([pair_segments(one, PanopticFrame(np.zeros_like(one.ids), [])) for one in scene.truth])
    assert empty.result().vpq == 0
    assert all(one.fp == 0 and one.fn > 0 for one in empty.result().windows[8].categories.values())


def test_names_of_objects_and_order_of_videos_do_not_matter():
    scenes = [draw(seed) for seed in (7, 8)]
    metric, other = VideoPanopticQuality(CATEGORIES), VideoPanopticQuality(CATEGORIES)
    for scene in scenes:
        metric.add(scene.pairs())
    for scene in reversed(scenes):
        highest = max(int(one.ids.max()) for one in scene.truth + scene.prediction)
        other.add(
            [
                pair_segments(renamed(one, highest), renamed(two, 5))
                for one, two in zip(scene.truth, scene.prediction, strict=True)
            ]
        )
    for num_frames, quality in metric.result().windows.items():
        assert quality.all.pq == pytest.approx(other.result().windows[num_frames].all.pq, abs=1e-14)


def renamed(one, shift):
    ids = np.where(one.ids > 0, one.ids + shift, 0)
    return PanopticFrame(ids, [replace(segment, id=segment.id + shift) for segment in one.segments])


def test_the_first_frame_of_a_window_names_the_category():
    truth = [frame([[1, 1]], {1: 2}), frame([[1, 1]], {1: 7}), frame([[1, 1]], {1: 7})]
    found = [frame([[4, 4]], {4: 2})] * 3
    metric = VideoPanopticQuality(CATEGORIES, windows=[2])
    metric.add([pair_segments(one, other) for one, other in zip(truth, found, strict=True)])
    # Frames 0 and 1: both are category 2. Frames 1 and 2: 7 is missed, and 2 is a false alarm.
    assert numbers(metric.result().windows[2]) == {2: [1, 1, 1, 0], 7: [0, 0, 0, 1]}


def test_ids_that_the_truth_does_not_list_are_neither_void_nor_missed():
    truth = PanopticFrame(np.array([[5, 5, 5, 1]], np.int32), [Segment(1, 2), Segment(8, 7)])
    metric = VideoPanopticQuality(CATEGORIES, windows=[1])
    metric.add([pair_segments(truth, frame([[4, 4, 4, 0]], {4: 2}))])
    # Segment 8 is listed without a pixel, so it is missed; the prediction on the unlisted 5 is a false alarm.
    assert numbers(metric.result().windows[1]) == {2: [0, 0, 1, 1], 7: [0, 0, 0, 1]}


def test_windows_longer_than_every_video_have_no_score():
    metric = VideoPanopticQuality(CATEGORIES)
    metric.add(draw(9, num_frames=7).pairs())
    result = metric.result()
    assert np.isnan(result.vpq)
    assert np.isnan(result.windows[8].all.pq)
    assert result.windows[8].categories == {}
    assert not np.isnan(result.windows[6].all.pq)


def test_predictions_that_contradict_themselves_are_refused():
    truth = frame([[1, 1, 2]], {1: 2, 2: 7})

    def add(prediction, metric=VideoPanopticQuality):
        metric(CATEGORIES).add([pair_segments(truth, prediction)], where="a video")

    with pytest.raises(InputError, match=r"^a video, frame 0: the predicted picture has id 9"):
        add(PanopticFrame(np.array([[9, 1, 1]], np.int32), [Segment(1, 2)]))
    pairs = pair_segments(truth, frame([[9, 9, 9]], {9: 5}), where="pan_pred/a/1.png")
    with pytest.raises(InputError, match=r"^pan_pred/a/1.png, prediction: segment 9 has category 5"):
        VideoPanopticQuality(CATEGORIES).add([pairs])
    with pytest.raises(InputError, match="segment 3 is listed in the prediction but has no pixel"):
        add(PanopticFrame(np.array([[1, 1, 1]], np.int32), [Segment(1, 2), Segment(3, 2)]))
    with pytest.raises(InputError, match="has 3 pixels, but its list says 2"):
        add(PanopticFrame(np.array([[1, 1, 1]], np.int32), [Segment(1, 2, area=2)]))
    with pytest.raises(InputError, match="category 5, which is not among the categories"):
        add(PanopticFrame(np.array([[1, 1, 1]], np.int32), [Segment(1, 5)]), ImagePanopticQuality)
    with pytest.raises(InputError, match="listed twice"):
        add(PanopticFrame(np.array([[1, 1, 1]], np.int32), [Segment(1, 2), Segment(1, 3)]))
    with pytest.raises(InputError, match="0 is void"):
        add(PanopticFrame(np.array([[0, 1, 1]], np.int32), [Segment(1, 2), Segment(0, 3)]))
    with pytest.raises(InputError, match="the prediction is 2x1 but the truth is 3x1"):
        add(frame([[1, 1]], {1: 2}))
    with pytest.raises(InputError, match="the truth was resized"):
        metric = VideoPanopticQuality(CATEGORIES)
        metric.add([pair_segments(truth, frame([[1, 1]], {1: 2}), resize_truth=True)])
    with pytest.raises(InputError, match="expected a map of ids"):
        add(PanopticFrame(np.zeros((1, 3, 3), np.uint8), []))
    with pytest.raises(InputError, match="ids of segments go from 1"):
        add(PanopticFrame(np.array([[-1, 1, 1]], np.int32), [Segment(1, 2)]))


def test_image_quality_needs_areas_of_the_truth():
    truth = PanopticFrame(np.array([[1, 1, 0]], np.int32), [Segment(1, 2)])
    with pytest.raises(InputError, match="lists a segment without its area"):
        ImagePanopticQuality(CATEGORIES).add([pair_segments(truth, frame([[4, 4, 4]], {4: 2}))])


def test_windows_are_numbers_from_one():
    with pytest.raises(InputError, match="from 1 on"):
        VideoPanopticQuality(CATEGORIES, windows=[0, 2])
