"""VSPW's scores, beside windows that are compared frame by frame and masks of classes."""

from __future__ import annotations

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.evaluation.metrics.vspw import VideoSemanticSegmentation


def video(seed, num_frames, height=9, width=14):
    """Truth (0 other, 255 void, 1 … 124) and prediction (0 … 123), which change slowly."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 255, 1, 2, 17, 124], (height, width)).astype(np.uint8)
    found = np.clip(truth, 1, 124) - 1
    frames = []
    for _ in range(num_frames):
        # What is void turns into "other" and back, which is no change where both are one value.
        flicker = (rng.random(truth.shape) < 0.3) & np.isin(truth, (0, 255))
        truth = np.where(flicker, 255 - truth, truth).astype(np.uint8)
        truth = np.where(rng.random(truth.shape) < 0.03, rng.choice([0, 1, 2, 124]), truth).astype(np.uint8)
        found = np.where(rng.random(truth.shape) < 0.05, rng.choice([0, 1, 16, 123, 50]), found).astype(np.uint8)
        frames.append((truth, found))
    return frames


def consistency(frames, num_frames, *, merge=True, last=False):
    """VC of every window, frame by frame."""
    truth = [np.where(one == 255, 0, one) if merge else one for one, _ in frames]
    found = [other for _, other in frames]
    values = []
    for start in range(len(frames) - num_frames + last):
        steady, both = np.ones(truth[0].shape, bool), np.ones(truth[0].shape, bool)
        for index in range(start + 1, start + num_frames):
            steady &= truth[start] == truth[index]
            both &= found[start] == found[index]
        values.append(np.sum(steady & both) / np.sum(steady) if steady.any() else np.nan)
    return values


def result_of(videos, **options):
    metric = VideoSemanticSegmentation(**options)
    for index, frames in enumerate(videos):
        metric.add(frames, name=f"video {index}")
    return metric.result()


@pytest.mark.parametrize("options", [{}, {"merge_void": False}, {"corrected": True}], ids=["official", "apart", "all"])
def test_consistency_equals_windows_frame_by_frame(options):
    videos = [video(1, 20), video(2, 16), video(3, 8), video(4, 3)]
    result = result_of(videos, **options)
    for num_frames in (8, 16):
        expected = [
            consistency(frames, num_frames, merge=options.get("merge_void", True), last=options.get("corrected", False))
            for frames in videos
        ]
        for values, found in zip(expected, result.videos, strict=True):
            np.testing.assert_array_equal(found.windows[num_frames], np.array(values, float))
        assert result.vc[num_frames] == pytest.approx(np.nanmean(np.concatenate(expected)), abs=1e-14)
    # The official loop misses the last window, and so videos that are as long as one.
    assert len(result.videos[2].windows[8]) == (1 if options.get("corrected") else 0)
    assert [one.name for one in result.videos] == [f"video {index}" for index in range(4)]


def test_void_and_other_are_one_value_only_if_merged():
    videos = [video(5, 12)]
    assert result_of(videos).vc[8] != result_of(videos, merge_void=False).vc[8]


def test_scores_equal_masks_of_classes():
    videos = [video(6, 5), video(7, 4, height=6)]
    truth, found = (np.concatenate([pair[side].ravel() for frames in videos for pair in frames]) for side in (0, 1))
    counts = (truth != 0) & (truth != 255)
    truth, found = truth[counts].astype(int) - 1, found[counts]
    classes = np.unique(truth)
    iou = [np.sum((truth == c) & (found == c)) / np.sum((truth == c) | (found == c)) for c in classes]
    share = [np.mean(truth == c) for c in classes]
    scores = result_of(videos).scores
    assert not set(np.unique(found)) <= set(classes), "a class that is only predicted must not count"
    assert scores.miou == pytest.approx(np.mean(iou), abs=1e-14)
    assert scores.fwiou == pytest.approx(np.dot(iou, share), abs=1e-14)
    assert scores.pixel_accuracy == pytest.approx(np.mean(truth == found), abs=1e-14)
    assert scores.class_accuracy == pytest.approx(
        np.mean([np.mean(found[truth == c] == c) for c in classes]), abs=1e-14
    )
    assert result_of(videos[:1]).scores == result_of(videos).videos[0].scores


def test_a_prediction_of_255_counts_as_the_class_after_the_next():
    truth, found = np.full((2, 3), 11, np.uint8), np.full((2, 3), 255, np.uint8)
    confusion = result_of([[(truth, found)]]).confusion
    assert np.argwhere(confusion).tolist() == [[10 + 2, 255 - 2 * 124]]
    corrected = result_of([[(truth, found)]], corrected=True)
    assert np.argwhere(corrected.confusion).tolist() == [[10, 124]]
    assert corrected.scores.miou == 0
    with pytest.raises(InputError, match=r"^video 0, frame 1: the prediction has label 255; classes are 0 to 123"):
        result_of([[(truth, found), (truth + 113, found)]])
    # Where the truth is void it does not matter.
    assert np.isnan(result_of([[(truth * 0, found)]]).scores.miou)


def test_perfect_predictions():
    frames = [(truth, np.where(truth == 255, 0, truth - (truth > 0))) for truth, _ in video(8, 18)]
    result = result_of([frames])
    assert result.scores.miou == result.scores.fwiou == result.scores.pixel_accuracy == 1
    steady = [(truth, np.zeros_like(found)) for truth, found in video(8, 18)]
    assert result_of([steady]).vc == {8: 1, 16: 1}, "the class itself is not compared"


def test_nothing_to_count():
    result = VideoSemanticSegmentation().result()
    assert np.isnan(result.scores.miou)
    assert np.isnan(result.vc[8])
    changing = [(np.full((2, 2), 1 + index % 2, np.uint8), np.zeros((2, 2), np.uint8)) for index in range(10)]
    result = result_of([changing])
    assert np.isnan(result.videos[0].windows[8]).all()
    assert np.isnan(result.vc[8])


def test_bad_frames_are_refused():
    truth, found = np.ones((2, 3), np.uint8), np.zeros((2, 3), np.uint8)
    with pytest.raises(InputError, match="the truth is"):
        result_of([[(truth, found[:1])]])
    with pytest.raises(InputError, match="neither 0, 255 nor 1 to 124"):
        result_of([[(truth + 124, found)]])
    with pytest.raises(InputError, match="the size changes"):
        result_of([[(truth, found), (truth[:1], found[:1])]])
    with pytest.raises(InputError, match="from 1 to 254"):
        VideoSemanticSegmentation(windows=[255])
