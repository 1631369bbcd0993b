"""MUTR as a Segmenter: what is its own beside ReferFormer, whose paths it shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.mutr.tiny import TINY, tiny_network
from tests.parity.weights import shapes_of
from tests.referformer.tiny import HEIGHT, SENTENCES, WIDTH, draw_clip, soft

from singleout.errors import InputError
from singleout.nn.text.tokens import pad_tokens
from singleout.prompts import Phrase
from singleout.referring.pictures import prepare
from singleout.systems.catalog import find_system, system_names
from singleout.systems.mutr import SYSTEM
from singleout.systems.mutr.inference import Mutr

GOLDENS = Path(__file__).parents[1] / "goldens"
LISTINGS = sorted(path for part in ("referformer", "mutr") for path in (GOLDENS / part).glob("keys-*.json"))
PHRASES = [Phrase("the round thing"), Phrase("the square")]
SMALL = {"token_ids": SENTENCES, "size": HEIGHT}


@pytest.fixture(scope="module")
def system() -> Mutr:
    return Mutr(tiny_network(), name="tiny", tokenizer=None)


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return draw_clip(4, num_frames=6).frames


def test_many_sentences_share_the_frames_and_answer_as_each_does_alone(system, video):
    together = soft(system, video, PHRASES, **SMALL)
    for place, phrase in enumerate(PHRASES):
        alone = soft(system, video, [phrase], token_ids=SENTENCES[place : place + 1], size=HEIGHT)
        np.testing.assert_allclose(together[:, place], alone[:, 0], atol=1e-4)


def test_the_parts_that_frames_go_through_in_make_no_difference(system, video):
    answers = []
    for rows in (1, 3, 100):
        system.network.rows_at_once = rows
        answers.append(soft(system, video, PHRASES, mode="whole", **SMALL))
    del system.network.rows_at_once
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)
    np.testing.assert_allclose(answers[2], answers[0], atol=1e-4)


def test_the_short_way_to_the_best_query_gives_the_masks_of_the_long_way(system, video):
    network, size = system.network, (HEIGHT, WIDTH)
    with torch.no_grad():
        sight = network.look(prepare(video[:3], size)[None])
        sentences = network.read(*pad_tokens(SENTENCES, TINY.text.pad_id))
        short, whole = network.answer(sight, sentences, [size]), network(sight, sentences, [size] * 2)
    rows = torch.arange(2)
    torch.testing.assert_close(short.masks, whole.masks[rows, :, short.query], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(short.logits, whole.logits)
    assert not whole.earlier, "evaluation has one layer of outputs"


def test_all_frames_have_one_score(system, video):
    scores = np.stack([masks.scores for masks in system.stream(video, PHRASES, **SMALL)])
    assert (scores == scores[0]).all()


def test_what_a_frame_says_depends_on_all_frames(system, video):
    """The words and the queries see the whole video, so another end changes the beginning."""
    other = video.copy()
    other[-1] = 0
    first, second = (soft(system, frames, PHRASES, mode="whole", **SMALL)[0] for frames in (video, other))
    assert np.abs(first - second).max() > 1e-4


def test_the_corrected_evaluation_reads_the_last_layer(system, video):
    network, size = system.network, (HEIGHT, WIDTH)
    with torch.no_grad():
        sight = network.look(prepare(video[:2], size)[None])
        sentences = network.read(*pad_tokens(SENTENCES, TINY.text.pad_id))
        published = network.answer(sight, sentences, [size])
        corrected = network.answer(sight, sentences, [size], corrected=True)
        layers = network(sight, sentences, [size] * 2, every_layer=True)
    torch.testing.assert_close(published.boxes, layers.earlier[0].boxes)
    torch.testing.assert_close(corrected.boxes, layers.boxes)
    assert not torch.allclose(published.boxes, corrected.boxes)
    found = soft(system, video, PHRASES, **SMALL), soft(system, video, PHRASES, corrected=True, **SMALL)
    assert np.abs(found[0] - found[1]).max() > 1e-4


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
