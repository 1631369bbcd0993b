"""HOTA, CLEAR and identity scores."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scored_scenes import box_mask, rle_of

from singleout.errors import InputError
from singleout.evaluation.metrics.tracking import ALPHAS, Frame, TrackingMetrics, frame_of_lists, frame_of_masks


def of_one(*frames):
    return TrackingMetrics().add("a", frames)


def at(true_ids, tracker_ids, similarity=1.0):
    """A frame in which ids of the same place go together."""
    matrix = np.zeros((len(true_ids), len(tracker_ids)))
    np.fill_diagonal(matrix, similarity)
    return Frame(np.array(true_ids), np.array(tracker_ids), matrix)


def random_frames(seed, *, base=0):
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(8):
        true, tracker = (np.flatnonzero(rng.random(5) < 0.7) for _ in range(2))
        similarity = rng.random((len(true), len(tracker))) * 0.4
        similarity[true[:, None] == tracker] += 0.6 * (rng.random() < 0.8)
        frames.append(Frame(true + base, tracker + base, similarity))
    return frames


@pytest.mark.needs_shared
def test_the_official_numbers(shared):
    folder = shared / "reference" / "metrics" / "tracking"
    frames = [
        frame_of_lists(entry["gt_ids"], entry["tracker_ids"], entry["similarity"])
        for entry in json.loads((folder / "input.json").read_text())["frames"]
    ]
    expected = json.loads((folder / "expected.json").read_text())
    metric = TrackingMetrics()
    for scores in (metric.add("a", frames), metric.result()):
        for numbers, wanted in (
            (scores.hota, expected["HOTA"]),
            (scores.clear, expected["CLEAR"]),
            (scores.identity, expected["Identity"]),
            (scores.hota_means, expected["HOTA_means_over_alpha"]),
        ):
            assert set(numbers) == set(wanted)
            for name, value in wanted.items():
                np.testing.assert_allclose(numbers[name], value, rtol=0, atol=1e-12, err_msg=name)


def test_a_perfect_result():
    scores = of_one(at([1, 2], [8, 9]), at([1], [8]), at([1, 2], [8, 9]))
    assert scores.hota_means == dict.fromkeys(scores.hota_means, 1)
    assert (scores.clear["MOTA"], scores.clear["MOTP"], scores.clear["MT"], scores.clear["IDSW"]) == (1, 1, 2, 0)
    assert scores.identity == {"IDF1": 1, "IDR": 1, "IDP": 1, "IDTP": 5, "IDFN": 0, "IDFP": 0}


def test_a_change_of_identity():
    scores = of_one(at([1], [5]), at([1], [5]), at([1], [6]), at([1], [6]))
    assert scores.clear["IDSW"] == 1
    assert scores.clear["MOTA"] == 0.75
    assert scores.identity["IDF1"] == 0.5
    # Two pairs of ids, each with two of the four frames of the truth.
    assert scores.hota_means["AssA"] == pytest.approx(0.5)
    assert scores.hota_means["DetA"] == 1
    assert scores.hota_means["HOTA"] == pytest.approx(np.sqrt(0.5))


def test_a_change_counts_against_the_last_match_however_long_ago():
    gone = Frame(np.array([1]), np.array([9]), np.zeros((1, 1)))
    scores = of_one(at([1], [5]), gone, gone, gone, at([1], [6]))
    assert (scores.clear["IDSW"], scores.clear["Frag"], scores.clear["CLR_FP"]) == (1, 1, 3)
    scores = of_one(at([1], [5]), gone, at([1], [5]))
    assert (scores.clear["IDSW"], scores.clear["Frag"]) == (0, 1)


def test_frames_without_tracks_do_not_break_a_track():
    # A frame in which the tracker has nothing at all is no frame before: the track goes on over it.
    scores = of_one(at([1], [5]), at([1], []), at([1], [5]))
    assert (scores.clear["Frag"], scores.clear["CLR_FN"]) == (0, 1)


def test_staying_with_a_track_counts_for_more_than_overlap():
    closer = Frame(np.array([1]), np.array([5, 6]), np.array([[0.6, 0.9]]))
    assert of_one(at([1], [5]), closer).clear["IDSW"] == 0
    assert of_one(at([1], [5]), Frame(closer.true_ids, closer.tracker_ids, np.array([[0.4, 0.9]]))).clear["IDSW"] == 1


def test_a_match_counts_up_to_its_overlap():
    scores = of_one(at([1], [1], 0.5))
    assert scores.hota["HOTA_TP"].tolist() == (ALPHAS < 0.52).astype(float).tolist()
    assert scores.clear["CLR_TP"] == 1
    assert scores.hota["LocA"].tolist() == pytest.approx([0.5] * 10 + [1] * 9)


@pytest.mark.parametrize("seed", range(5))
def test_names_of_ids_and_order_within_a_frame_make_no_difference(seed):
    frames = random_frames(seed)
    rng = np.random.default_rng(seed)
    names = rng.permutation(100)
    turned = []
    for frame in frames:
        rows, columns = rng.permutation(len(frame.true_ids)), rng.permutation(len(frame.tracker_ids))
        turned.append(
            Frame(names[frame.true_ids[rows]], names[frame.tracker_ids[columns]], frame.similarity[rows][:, columns])
        )
    first, second = of_one(*frames), of_one(*turned)
    for one, other in (
        (first.hota, second.hota),
        (first.clear, second.clear),
        (first.identity, second.identity),
    ):
        for name, value in one.items():
            np.testing.assert_allclose(other[name], value, rtol=0, atol=1e-12, err_msg=name)


def test_two_videos_are_one_with_other_ids_in_its_second_half():
    one, other = random_frames(1), random_frames(2, base=10)
    metric = TrackingMetrics()
    metric.add("a", one)
    metric.add("b", other)
    apart, together = metric.result(), of_one(*one, *other)
    for name, value in together.hota.items():
        np.testing.assert_allclose(apart.hota[name], value, rtol=0, atol=1e-12, err_msg=name)
    assert dict(apart.identity) == pytest.approx(dict(together.identity))
    assert dict(apart.clear) == pytest.approx(dict(together.clear))


def test_a_video_without_tracks_and_one_without_truth():
    nothing = of_one(at([1, 2], []), at([1], []))
    assert (nothing.clear["CLR_FN"], nothing.clear["ML"], nothing.clear["MLR"]) == (3, 2, 1)
    assert (nothing.identity["IDFN"], nothing.hota_means["HOTA"], nothing.hota_means["LocA"]) == (3, 0, 1)
    wrong = of_one(at([], [4]), at([], [4, 5]))
    assert (wrong.clear["CLR_FP"], wrong.identity["IDFP"], wrong.hota["HOTA_FP"][0]) == (3, 3, 3)
    assert (wrong.clear["MOTA"], wrong.clear["FP_per_frame"], wrong.clear["MLR"]) == (0, 0, 1)
    metric = TrackingMetrics()
    metric.add("a", [at([1], [1])])
    metric.add("b", [at([], [4]), at([], [4, 5])])
    assert metric.result().clear["MOTA"] == (1 - 3) / 1
    # As published, their frames are not counted.
    assert (nothing.clear["CLR_Frames"], wrong.clear["CLR_Frames"]) == (0, 0)
    assert of_one().identity["IDF1"] == 0


def test_a_frame_of_masks():
    left, right = box_mask(0, 0, 20, 40), box_mask(20, 0, 20, 40)
    frame = frame_of_masks({7: rle_of(left), 3: rle_of(right)}, {1: rle_of(box_mask(0, 0, 30, 40))})
    assert (frame.true_ids.tolist(), frame.tracker_ids.tolist()) == ([7, 3], [1])
    assert frame.similarity.tolist() == [[2 / 3], [1 / 4]]
    assert frame_of_masks({}, {1: rle_of(left)}).similarity.shape == (0, 1)
    assert of_one(frame).clear["CLR_TP"] == 1


class TestBadInput:
    def test_similarities_that_do_not_fit(self):
        with pytest.raises(InputError, match=r"are \(1, 1\): expected \(1, 2\)"):
            Frame(np.array([1]), np.array([1, 2]), np.ones((1, 1)))
        with pytest.raises(InputError, match="not 2 lists of 1 numbers"):
            frame_of_lists([1, 2], [1], [[0.5]])

    @pytest.mark.parametrize("value", [float("nan"), 1.5, -0.1])
    def test_similarities_that_are_none(self, value):
        with pytest.raises(InputError, match="not between 0 and 1"):
            at([1], [1], value)

    def test_an_id_twice(self):
        with pytest.raises(InputError, match="an id appears twice"):
            at([1, 1], [1, 2])

    def test_a_video_twice_and_none(self):
        metric = TrackingMetrics()
        with pytest.raises(InputError, match="no video was scored"):
            metric.result()
        metric.add("a", [])
        with pytest.raises(InputError, match="'a' was scored before"):
            metric.add("a", [])
