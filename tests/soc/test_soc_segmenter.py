"""SOC as a Segmenter: what is its own beside ReferFormer, whose paths it shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests import sentence_systems
from tests.drawn_clips import HEIGHT, WIDTH, draw_clip
from tests.parity.weights import shapes_of
from tests.sentence_systems import PHRASES, SENTENCES, SMALL, soft
from tests.soc.tiny import TINY, tiny_network

from singleout.errors import InputError
from singleout.referring.pictures import picture_masks
from singleout.systems.catalog import find_system, system_names
from singleout.systems.soc import SYSTEM
from singleout.systems.soc.inference import Soc

LISTINGS = sorted((Path(__file__).parents[1] / "goldens" / "soc").glob("keys-*.json"))


@pytest.fixture(scope="module")
def system() -> Soc:
    return Soc(tiny_network(), name="tiny", tokenizer=None)


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return draw_clip(4, num_frames=5).frames


def test_many_sentences_share_the_frames_and_answer_as_each_does_alone(system, video):
    sentence_systems.sentences_answer_as_alone(system, video)


def test_the_parts_that_frames_go_through_in_make_no_difference(system, video):
    sentence_systems.parts_make_no_difference(system, video)


def test_the_short_way_to_the_best_query_gives_the_masks_of_the_long_way(system, video):
    _, whole = sentence_systems.short_way_is_the_long_way(system, video[:3])
    assert not whole.earlier, "evaluation has one layer of outputs"
    assert whole.contrast is None, "what only training looks at is not computed"


def test_evaluation_mixes_the_first_layer_with_the_last_unless_it_is_corrected(system, video):
    published, corrected, layers = sentence_systems.correcting_changes_masks(system, video)
    torch.testing.assert_close(corrected.logits, layers.logits)
    # Neither layer of training: the first layer's heads and queries, the video's queries of the last.
    for layer in (layers, layers.earlier[0]):
        assert (published.logits - layer.logits).abs().max() > 1e-4


def test_what_a_frame_says_depends_on_all_frames(system, video):
    """The backbone and the queries see the whole video."""
    sentence_systems.all_frames_count(system, video)


def test_soft_answers_are_the_masks_before_the_threshold_with_a_score_for_each_frame(system, video):
    found = list(system.soft_answers(video, SENTENCES, short=HEIGHT))
    stream = list(system.stream(video, PHRASES, mode="whole", **SMALL))
    for place, answer in enumerate(found):
        assert answer.mask_logits.dtype == np.float32
        hard = np.stack([masks.masks[place] > 0.5 for masks in stream])
        np.testing.assert_array_equal(answer.mask_logits > 0, hard)
        scores = np.array([masks.scores[place] for masks in stream])
        np.testing.assert_allclose(answer.class_info, scores, rtol=1e-6)
        assert answer.key_frame == scores.argmax()
        assert np.ptp(scores) > 0


def test_sizes_and_clips_are_the_published_ones(system, video):
    options = system.options()
    assert (options.size, options.longest, options.window) == (360, 640, 36)
    assert system.published("ref-davis") == {"mode": "clips", "exclusive": True}
    assert system.published("ref-youtube-vos") == {"mode": "whole"}
    for benchmark in ("a2d-sentences", "jhmdb-sentences"):
        assert system.published(benchmark) == {"window": 8, "size": 320, "longest": 576}
    assert system.published("refcoco+") == {"window": 1}
    with pytest.raises(InputError, match="no option 'speed'; it has: corrected"):
        system.segment(video, PHRASES, speed=1)
    with pytest.raises(InputError, match="longest -1: expected a whole number from 0 on"):
        system.segment(video, PHRASES, longest=-1)


def test_a_long_side_is_limited(system, video):
    wide = np.concatenate([video[:2], video[:2], video[:2]], axis=2)
    limited, free = (soft(system, wide, PHRASES, longest=longest, **SMALL) for longest in (WIDTH, 0))
    assert limited.shape == free.shape == (2, 2, HEIGHT, 3 * WIDTH)
    assert np.abs(limited - free).max() > 1e-4


def test_masks_of_a_clip_are_brought_to_its_size_and_those_of_a_picture_enlarged_by_four():
    masks = torch.randn(1, 6, 7, generator=torch.Generator().manual_seed(0))
    by_stride = picture_masks(masks, (22, 27), (22, 27))
    to_size = picture_masks(masks, (22, 27), (22, 27), padded=(22, 27))
    assert by_stride.shape == to_size.shape == (1, 22, 27)
    assert 0 < (by_stride != to_size).float().mean() < 0.2
    whole = picture_masks(masks, (24, 28), (24, 28), padded=(24, 28))
    torch.testing.assert_close(whole, picture_masks(masks, (24, 28), (24, 28)))


def test_a_frame_stays_in_the_middle_of_its_clip_where_the_video_ends(system, video):
    """The first of equal frames is another token of the backbone."""
    clip = [video[place] for place in (0, 0, 0, 1)]
    (found,) = next(system.guesses(video, PHRASES[:1], [0], window=4, token_ids=SENTENCES[:1], size=HEIGHT))
    middle, first = (system.candidates(clip, SENTENCES[:1], keep, short=HEIGHT)[0] for keep in (2, 0))
    np.testing.assert_allclose([guess.score for guess in found], middle.scores, rtol=1e-5)
    assert (middle.scores - first.scores).abs().max() > 1e-5
    assert len(found) == TINY.num_queries


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda path: path.stem)
def test_official_files_are_recognised_by_their_own_system_only(listing):
    shapes = shapes_of(listing)
    assert [name for name in system_names() if find_system(name).recognise(shapes)] == ["soc"]


def test_the_number_of_classes_is_read_off_the_weights():
    by_name = {path.stem: SYSTEM.configure("", shapes_of(path))["num_classes"] for path in LISTINGS}
    assert by_name.pop("keys-video-swin-t-65classes") == 65
    assert set(by_name.values()) == {1}
    assert len(by_name) == 4


def test_a_variant_or_setting_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"SOC has no variant 'resnet-50'; it has: video-swin-t, .*video-swin-b"):
        SYSTEM.build("resnet-50", {})
    with pytest.raises(InputError, match="SOC takes num_classes, a number from 1 on"):
        SYSTEM.build("video-swin-t", {"num_classes": 0})
