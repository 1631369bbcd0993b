"""J&F by the protocols of DAVIS, on small drawn videos and beside official values of real ones."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from plain_jf import blobs, plain_f, plain_j
from tests.parity import davis_rules as rules

import benchmark_data
from singleout.errors import InputError
from singleout.evaluation.evaluating import evaluate
from singleout.evaluation.metrics.boundary import similarity
from singleout.evaluation.metrics.davis import (
    VOID,
    Davis,
    VideoScores,
    assign,
    ref_davis,
    semi_supervised,
    statistics,
    unsupervised,
)

GOLDENS = Path(__file__).parents[1] / "goldens" / "metrics"
SHAPE = (40, 56)


def truth_of(seed, num_frames=6):
    """Ids (num_frames, height, width): two objects that move, with a strip of void."""
    frames = []
    for frame in range(num_frames):
        ids = np.zeros(SHAPE, np.int32)
        ids[np.roll(blobs(seed, SHAPE, 0.2), 2 * frame, axis=1)] = 1
        ids[np.roll(blobs(seed + 1, SHAPE, 0.15), -frame, axis=0)] = 2
        ids[:, 30:32] = VOID
        frames.append(ids)
    return frames


def guess_of(truth):
    """Ids that are nearly right, without void."""
    moved = [np.roll(ids, 1 + index % 3, axis=0) for index, ids in enumerate(truth)]
    return [np.where(ids == VOID, 0, ids) for ids in moved]


def plain_values(prediction, truth, number, void=None):
    found, wanted = prediction == number, truth == number
    if void is not None:
        found, wanted = found & ~void, wanted & ~void
    return plain_j(found, wanted), plain_f(found, wanted)


class TestSemiSupervised:
    def test_the_first_and_last_frame_are_left_out_and_void_is_background(self):
        truth = truth_of(3)
        guess = [None, *guess_of(truth)[1:-1], None]
        scores = semi_supervised(zip(guess, [*truth[:-1], None], strict=True))
        assert scores.object_ids == scores.proposal_ids == (1, 2)
        assert scores.j.shape == scores.f.shape == (2, 4)
        for row, number in enumerate(scores.object_ids):
            expected = [plain_values(guess[t], truth[t], number) for t in range(1, 5)]
            assert np.stack([scores.j[row], scores.f[row]], axis=1) == pytest.approx(np.array(expected))

    def test_objects_are_those_of_the_first_frame(self):
        truth = truth_of(5)
        truth[0][truth[0] == 2] = 0
        scores = semi_supervised(zip([ids % 2 for ids in guess_of(truth)], truth, strict=True))
        assert scores.object_ids == (1,)
        with pytest.raises(InputError, match=r"bear, frame 1: the largest predicted id is 2, but .* 1 objects"):
            semi_supervised(zip(guess_of(truth), truth, strict=True), where="bear")

    def test_a_missing_object_is_empty(self):
        truth = truth_of(7)
        scores = semi_supervised(zip([(ids == 1).astype(np.int32) for ids in truth], truth, strict=True))
        assert scores.j[0] == pytest.approx(1) and not scores.j[1].any()

    def test_masks_of_255_are_void_not_an_object(self):
        truth = [np.where(ids == 1, VOID, 0) for ids in truth_of(2)]
        assert semi_supervised(zip([ids * 0 for ids in truth], truth, strict=True)).object_ids == ()

    @pytest.mark.parametrize(
        ("frames", "message"),
        [
            ([], "the first frame"),
            ([(None, np.ones(SHAPE, int))] * 2, "at least three frames"),
            ([(None, np.ones(SHAPE, int))] * 3, "frame 1: prediction and truth are needed"),
            ([(np.ones((4, 4), int), np.ones(SHAPE, int))] * 3, r"frame 1: .* are 4x4 and 56x40"),
        ],
    )
    def test_what_cannot_be_scored(self, frames, message):
        with pytest.raises(InputError, match=message):
            semi_supervised(frames)


class TestUnsupervised:
    def test_all_frames_count_and_void_does_not(self):
        truth = truth_of(3)
        guess = guess_of(truth)
        scores = unsupervised(zip(guess, truth, strict=True))
        assert scores.j.shape == (2, 6)
        for row, number in enumerate(scores.object_ids):
            expected = [plain_values(guess[t], truth[t], number, truth[t] == VOID) for t in range(6)]
            assert np.stack([scores.j[row], scores.f[row]], axis=1) == pytest.approx(np.array(expected))

    def test_numbers_of_proposals_do_not_matter(self):
        truth = truth_of(4)
        guess = guess_of(truth)
        renumbered = [np.array([0, 9, 4])[ids] for ids in guess]
        for ids in renumbered:
            corner = ids[:3, :3]
            corner[corner == 0] = 13
        plain = unsupervised(zip(guess, truth, strict=True))
        other = unsupervised(zip(renumbered, truth, strict=True))
        assert plain.object_ids == plain.proposal_ids == (1, 2)
        assert other.object_ids == (2, 1) and other.proposal_ids == (4, 9)
        assert np.array_equal(other.j[::-1], plain.j) and np.array_equal(other.f[::-1], plain.f)

    def test_too_few_proposals_and_too_many(self):
        truth = truth_of(6)
        scores = unsupervised(((ids == 1).astype(np.int32), ids) for ids in truth)
        assert scores.object_ids == (1, 2) and scores.j.mean(axis=1) == pytest.approx([1, 0])
        nothing = unsupervised((ids * 0, ids) for ids in truth)
        assert sorted(nothing.object_ids) == [1, 2] and not nothing.j.any()
        with pytest.raises(InputError, match="there may be 20 proposals at most"):
            unsupervised((np.full(SHAPE, 21), ids) for ids in truth)

    def test_more_objects_than_proposals_are_allowed(self):
        truth = np.tile(np.arange(24).repeat(4), (8, 1))
        scores = unsupervised([(np.where(truth > 20, 0, truth), truth)])
        assert sorted(scores.object_ids) == list(range(1, 24))
        assert scores.j.sum() == 20

    def test_no_frames(self):
        with pytest.raises(InputError, match="bear: there are no frames"):
            unsupervised([], where="bear")

    def test_official_assignment(self):
        golden = np.load(GOLDENS / "davis-edge.npz")
        values = np.array(
            [
                [[similarity(*frame) for frame in zip(found, wanted, strict=True)] for wanted in golden["match_gt"]]
                for found in golden["match_pred"]
            ]
        )
        matched = assign(values[..., 0], values[..., 1])
        assert values[..., 0][matched] == pytest.approx(golden["match_J"], abs=1e-12)
        assert values[..., 1][matched] == pytest.approx(golden["match_F"], abs=1e-12)


class TestStatistics:
    def test_official_values_up_to_300_frames(self):
        golden = np.load(GOLDENS / "davis-edge.npz")
        names = [name for name in golden.files if name.endswith("/values")]
        assert "stat/300/values" in names
        for name in names:
            found = statistics(golden[name])
            assert [found.mean, found.recall, found.decay] == pytest.approx(
                golden[name.replace("values", "M_R_D")], abs=1e-12, nan_ok=True
            ), name

    @pytest.mark.parametrize("num_frames", [254, 255, 256, 257, 300, 400, 512, 513, 1000, 1025])
    def test_decay_around_and_beyond_256_frames_is_that_of_eight_bits(self, num_frames):
        values = np.random.default_rng(num_frames).random(num_frames)
        # numpy's own arithmetic in eight bits, whose sums with 1 stay eight bits from numpy 2 on.
        borders = (np.round(np.linspace(1, num_frames, 5) + 1e-10) - 1).astype(np.uint8)
        ends = borders + np.uint8(1)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            first, last = (np.mean(values[borders[quarter] : ends[quarter + 1]]) for quarter in (0, 3))
        assert statistics(values).decay == pytest.approx(first - last, abs=1e-12, nan_ok=True)

    @pytest.mark.parametrize(("num_frames", "same"), [(255, True), (256, False), (257, False), (300, False)])
    def test_decay_as_it_is_meant(self, num_frames, same):
        values = np.linspace(1, 0, num_frames)
        meant = statistics(values, wrap=False)
        assert meant.decay == pytest.approx(0.75, abs=0.01)
        assert (statistics(values) == meant) == same

    def test_recall_is_strict_and_frames_without_value_are_left_out_of_means(self):
        found = statistics(np.array([0.5, 0.75, np.nan, 0.25]))
        assert found.mean == 0.5 and found.recall == 0.25


class TestSets:
    def scores(self, *means):
        rows = np.array([[mean] * 4 for mean in means])
        numbers = tuple(range(1, len(means) + 1))
        return VideoScores(numbers, numbers, rows, rows / 2)

    def test_the_mean_is_over_objects_not_videos(self):
        davis = Davis()
        davis.add("bear", self.scores(0.9))
        rows = davis.add("dogs", self.scores(0.3, 0.6))
        assert [each.name for each in rows] == ["dogs_1", "dogs_2"]
        result = davis.result()
        assert list(result.row()) == [
            *("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"),
        ]
        assert result.j.mean == pytest.approx(0.6) and result.f.mean == pytest.approx(0.3)
        assert result.jf_mean == pytest.approx(0.45) and result.j.recall == pytest.approx(2 / 3)
        assert len(result.objects) == 3

    def test_ref_davis_is_the_mean_of_annotators(self):
        results = []
        for mean in (0.2, 0.4, 0.6, 1.0):
            davis = Davis()
            davis.add("bear", self.scores(mean))
            results.append(davis.result())
        assert ref_davis(results).j.mean == pytest.approx(0.55)

    def test_nothing_has_no_mean(self):
        assert np.isnan(Davis().result().jf_mean)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("case", "pair", "protocol"),
    [
        ("multi-semi", rules.semi_supervised_pair, semi_supervised),
        ("multi-unsup", rules.unsupervised_pair, unsupervised),
    ],
)
def test_official_values_of_real_masks(shared, case, pair, protocol):
    golden = np.load(shared / "reference" / "metrics" / "davis-jf-frames.npz")
    files = sorted((shared / "davis16" / "Annotations" / "480p" / "blackswan").glob("*.png"))
    scores = protocol(pair(rules.read_mask(file), frame)[::-1] for frame, file in enumerate(files))
    for row in range(2):
        assert scores.j[row] == pytest.approx(golden[f"{case}/blackswan_{row + 1}/J"], abs=1e-12)
        assert scores.f[row] == pytest.approx(golden[f"{case}/blackswan_{row + 1}/F"], abs=1e-12)


@pytest.mark.parametrize(("num_frames", "told"), [(257, False), (258, True)])
def test_a_note_where_decay_is_not_what_is_meant(tmp_path, num_frames, told):
    data = benchmark_data.davis(tmp_path / "data", ["long"], num_frames=num_frames)
    truth = data / "Annotations" / "480p"
    found = evaluate("davis2017", data=data, predictions=truth)
    # The first and the last frame are not scored.
    assert any(f"from 256 frames on ({num_frames - 2})" in note for note in found.notes) == told
    assert np.isnan(found.table["J-Decay"]) == told and found.table["J-Mean"] == 1
    meant = evaluate("davis2017", data=data, predictions=truth, corrected=True)
    assert meant.table["J-Decay"] == 0 and not meant.notes
