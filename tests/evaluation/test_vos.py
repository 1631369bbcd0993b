"""G of YouTube-VOS, and J&F by sentences."""

from __future__ import annotations

import numpy as np
import pytest
from plain_jf import blobs, plain_f, plain_j

from singleout.errors import InputError
from singleout.evaluation.metrics.davis import VideoScores
from singleout.evaluation.metrics.vos import Referring, YouTubeVos, object_scores, sentence_scores

SHAPE = (30, 44)


def ids_of(seed):
    ids = np.zeros(SHAPE, np.int32)
    ids[blobs(seed, SHAPE, 0.2)] = 3
    ids[blobs(seed + 50, SHAPE, 0.2)] = 1
    return ids


class TestYouTubeVos:
    def test_an_object_counts_from_the_frame_after_the_one_in_which_it_is_given(self):
        truth = [ids_of(seed) for seed in range(5)]
        guess = [None, *(np.roll(ids, 1, axis=0) for ids in truth[1:])]
        scores = object_scores(zip(guess, truth, strict=True), {1: 0, 3: 2})
        assert scores.object_ids == (1, 3)
        assert np.isnan(scores.j).tolist() == [[True, False, False, False, False], [True, True, True, False, False]]
        for t in (1, 4):
            assert scores.j[0, t] == plain_j(guess[t] == 1, truth[t] == 1)
            assert scores.f[0, t] == pytest.approx(plain_f(guess[t] == 1, truth[t] == 1), abs=1e-15)
        assert scores.j[1, 3] == plain_j(guess[3] == 3, truth[3] == 3)

    def test_no_prediction_where_one_is_due(self):
        truth = [ids_of(seed) for seed in range(3)]
        with pytest.raises(InputError, match="bear, frame 1: there is no prediction"):
            object_scores([(None, ids) for ids in truth], {1: 0}, where="bear")
        with pytest.raises(InputError, match=r"bear, frame 1: .* 3x3 and 44x30"):
            object_scores([(np.zeros((3, 3)), ids) for ids in truth], {1: 0}, where="bear")
        with pytest.raises(InputError, match="bear: there are no frames"):
            object_scores([], {1: 0}, where="bear")

    def test_g_is_the_mean_of_the_four(self):
        def scores(*values):
            rows = np.array([[np.nan, value, value] for value in values])
            return VideoScores(tuple(range(len(values))), tuple(range(len(values))), rows, rows / 2)

        gathered = YouTubeVos()
        gathered.add(scores(0.8, 0.4, np.nan), {0: True, 1: False, 2: False})
        gathered.add(scores(0.6), {0: True})
        result = gathered.result()
        assert (result.j_seen, result.j_unseen) == pytest.approx((0.7, 0.4))
        assert (result.f_seen, result.f_unseen) == pytest.approx((0.35, 0.2))
        assert result.g == pytest.approx((0.7 + 0.4 + 0.35 + 0.2) / 4)

    def test_g_needs_seen_and_unseen(self):
        gathered = YouTubeVos()
        gathered.add(VideoScores((1,), (1,), np.ones((1, 2)), np.ones((1, 2))), {1: True})
        result = gathered.result()
        assert result.j_seen == 1 and np.isnan(result.j_unseen) and np.isnan(result.g)


class TestSentences:
    def test_no_frame_is_left_out(self):
        pairs = [(blobs(seed, SHAPE), blobs(seed + 9, SHAPE)) for seed in range(3)]
        j, f = sentence_scores(pairs)
        assert j.tolist() == [plain_j(*pair) for pair in pairs]
        assert f == pytest.approx([plain_f(*pair) for pair in pairs])

    def test_every_sentence_counts_the_same_and_a_missing_one_nothing(self):
        gathered = Referring()
        assert gathered.add(np.ones(10), np.full(10, 0.5)) == (1, 0.5)
        gathered.add(np.zeros(2), np.zeros(2))
        gathered.add_missing()
        gathered.add_missing()
        result = gathered.result()
        assert (result.j, result.f, result.jf) == (0.25, 0.125, 0.1875)
        assert (result.num_sentences, result.num_missing) == (4, 2)

    def test_nothing(self):
        assert np.isnan(Referring().result().jf)
        with pytest.raises(InputError, match="there are no frames"):
            sentence_scores([])
        with pytest.raises(InputError, match="frame 0"):
            sentence_scores([(np.zeros((3, 3), bool), np.zeros(SHAPE, bool))])
