"""MUTR as a Segmenter: what is its own beside ReferFormer, whose paths it shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests import sentence_systems
from tests.drawn_clips import HEIGHT, draw_clip
from tests.mutr.tiny import tiny_network
from tests.parity.weights import shapes_of
from tests.sentence_systems import PHRASES, SENTENCES, SMALL, soft

from singleout.errors import InputError
from singleout.systems.catalog import find_system, system_names
from singleout.systems.mutr import SYSTEM
from singleout.systems.mutr.inference import Mutr

GOLDENS = Path(__file__).parents[1] / "goldens"
LISTINGS = sorted(path for part in ("referformer", "mutr") for path in (GOLDENS / part).glob("keys-*.json"))


@pytest.fixture(scope="module")
def system() -> Mutr:
    return Mutr(tiny_network(), name="tiny", tokenizer=None)


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return draw_clip(4, num_frames=6).frames


def test_many_sentences_share_the_frames_and_answer_as_each_does_alone(system, video):
    sentence_systems.sentences_answer_as_alone(system, video)


def test_the_parts_that_frames_go_through_in_make_no_difference(system, video):
    sentence_systems.parts_make_no_difference(system, video)


def test_the_short_way_to_the_best_query_gives_the_masks_of_the_long_way(system, video):
    _, whole = sentence_systems.short_way_is_the_long_way(system, video[:3])
    assert not whole.earlier, "evaluation has one layer of outputs"


def test_all_frames_have_one_score(system, video):
    scores = np.stack([masks.scores for masks in system.stream(video, PHRASES, **SMALL)])
    assert (scores == scores[0]).all()


def test_what_a_frame_says_depends_on_all_frames(system, video):
    """The words and the queries see the whole video."""
    sentence_systems.all_frames_count(system, video)


def test_the_corrected_evaluation_reads_the_last_layer(system, video):
    published, corrected, layers = sentence_systems.correcting_changes_masks(system, video)
    torch.testing.assert_close(published.boxes, layers.earlier[0].boxes)
    assert not torch.allclose(published.boxes, corrected.boxes)


def test_soft_answers_are_the_masks_before_the_threshold(system, video):
    found = list(system.soft_answers(video, SENTENCES, short=HEIGHT))
    hard = soft(system, video, PHRASES, mode="whole", **SMALL) > 0.5
    for place, answer in enumerate(found):
        assert answer.mask_logits.shape == video.shape[:3]
        assert answer.mask_logits.dtype == np.float32
        np.testing.assert_array_equal(answer.mask_logits > 0, hard[:, place])
        assert answer.class_info.shape == (len(video),)
        assert answer.key_frame == 0


def test_sizes_and_clips_are_the_published_ones(system, video):
    assert system.options().size == 432
    assert system.published("ref-davis") == {"mode": "clips", "exclusive": True, "window": 64}
    assert system.published("ref-youtube-vos") == {"mode": "whole"}
    with pytest.raises(InputError, match=r"no option 'speed'; it has: corrected"):
        system.segment(video, PHRASES, speed=1)


@pytest.mark.parametrize("listing", LISTINGS, ids=[f"{path.parent.name}-{path.stem}" for path in LISTINGS])
def test_official_files_are_recognised_by_their_own_system_only(listing):
    shapes = shapes_of(listing)
    assert [name for name in system_names() if find_system(name).recognise(shapes)] == [listing.parent.name]


def test_a_variant_or_setting_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"no variant 'swin-t'; it has: .*convmae-b"):
        SYSTEM.build("swin-t", {})
    with pytest.raises(InputError, match="takes nothing"):
        SYSTEM.build("resnet-50", {"num_classes": 2})
