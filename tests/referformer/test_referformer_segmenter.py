"""ReferFormer as a Segmenter: sentences together and alone, windows, going on after a stop, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tests import sentence_systems
from tests.drawn_clips import HEIGHT, WIDTH, draw_clip
from tests.referformer.tiny import TINY, tiny_network
from tests.sentence_systems import PHRASES, SMALL, read, soft

from singleout.errors import InputError
from singleout.prompts import Box, Phrase
from singleout.referring.pictures import network_size, picture_masks
from singleout.systems.referformer import SYSTEM
from singleout.systems.referformer.checkpoint import load_network
from singleout.systems.referformer.inference import ReferFormer


@pytest.fixture(scope="module")
def system() -> ReferFormer:
    return ReferFormer(tiny_network(), name="tiny", tokenizer=None)


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return draw_clip(4, num_frames=7).frames


def test_many_sentences_share_the_frames_and_answer_as_each_does_alone(system, video):
    sentence_systems.sentences_answer_as_alone(system, video)


def test_the_parts_that_frames_go_through_in_make_no_difference(system, video):
    sentence_systems.parts_make_no_difference(system, video)


def test_the_short_way_to_the_best_query_gives_the_masks_of_the_long_way(system, video):
    sentence_systems.short_way_is_the_long_way(system, video[:3])


def test_clips_are_answered_one_by_one_and_windows_end_at_cuts(system, video):
    clips = soft(system, video, PHRASES, mode="clips", window=3, **SMALL)
    for start in (0, 3, 6):
        part = soft(system, video[start : start + 3], PHRASES, mode="whole", **SMALL)
        np.testing.assert_allclose(clips[start : start + 3], part, atol=1e-5)
    dark, light = np.zeros((5, HEIGHT, WIDTH, 3), np.uint8), np.full((6, HEIGHT, WIDTH, 3), 255, np.uint8)
    cut = np.concatenate([dark, light])
    found = soft(system, cut, PHRASES, window=6, **SMALL)
    np.testing.assert_allclose(found[:5], soft(system, dark, PHRASES, mode="whole", **SMALL), atol=1e-5)
    np.testing.assert_allclose(found[5:], soft(system, light, PHRASES, mode="whole", **SMALL), atol=1e-5)


def test_a_stream_goes_on_where_it_was_stopped(system, video):
    options = {"mode": "clips", "window": 3, **SMALL}
    stream = system.stream(video, PHRASES, **options)
    whole = list(stream)
    stopped = system.stream(video, PHRASES, **options)
    first = list(itertools.islice(stopped, 4))
    later = system.stream(video, PHRASES, state=stopped.state(), **options)
    rest = list(later)
    assert [masks.frame for masks in rest] == list(range(first[-1].frame + 1, len(video)))
    for masks in rest:
        np.testing.assert_array_equal(masks.masks, whole[masks.frame].masks)
    assert later.objects == stream.objects
    assert later.answers == stream.answers
    with pytest.raises(InputError, match="another video"):
        system.stream(video[:5], PHRASES, state=stopped.state(), **options)


def test_exclusive_sentences_share_no_pixel_and_ids_are_kept(system, video):
    phrases = [Phrase("one", object_id=7), Phrase("two")]
    tracks = system.segment(video[:2], phrases, exclusive=True, **SMALL)
    assert set(tracks.objects) == {1, 7}
    ids, _, masks = tracks.masks(0)
    assert set(ids.tolist()) <= {1, 7}
    assert masks.sum(0).max() <= 1


def test_a_sentence_under_the_least_score_is_not_found_and_says_so(system, video):
    tracks = system.segment(video[:2], PHRASES, least_score=1.0, **SMALL)
    assert not tracks.objects
    assert all("lower least_score" in answer.message for answer in tracks.answers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no tokenizer"),
        ({"token_ids": [[0, 2]]}, "1 lists for 2 sentences"),
        ({"token_ids": [[0, 99], [0, 2]]}, "from 0 to 39"),
        ({"token_ids": [[0, 2], []]}, "numbers from 0"),
        ({"token_ids": [[0] * 60, [0, 2]]}, "shorten it"),
        ({"token_ids": 5}, "list of numbers"),
        ({"mode": "fast"}, "bounded, whole, clips"),
        ({"window": 0}, "from 1 on"),
        ({"threshold": 2}, "0 to 1"),
        ({"speed": 1}, "no option 'speed'"),
        ({"mode": "whole", "most_frames": 3, **SMALL}, "use mode bounded"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(system, video, options, message):
    with pytest.raises(InputError, match=message) as refused:
        system.segment(video, PHRASES, **options)
    assert "\n" not in str(refused.value)


def test_other_prompts_are_refused_by_name(system, video):
    with pytest.raises(InputError, match="tiny does not take a prompt by"):
        system.segment(video, Box((1, 2, 30, 40)))


def test_weights_that_do_not_fit_are_refused():
    state = tiny_network().state_dict()
    load_network(TINY, state)
    with pytest.raises(InputError, match="1 tensors do not fit, the first is level_embedding"):
        load_network(TINY, state | {"level_embedding": torch.zeros(3, 3)})


def test_copies_that_differ_are_damage():
    pair = {
        "bbox_embed.0.layers.0.bias": torch.ones(2),
        "transformer.decoder.bbox_embed.0.layers.0.bias": torch.ones(2),
    }
    converted = SYSTEM.convert_names(pair)
    assert list(converted.state) == ["box_heads.0.layers.0.bias"]
    with pytest.raises(InputError, match="must be the same tensor"):
        SYSTEM.convert_names({**pair, "bbox_embed.0.layers.0.bias": torch.zeros(2)})


def test_sizes_follow_the_published_rules():
    assert network_size((480, 854), 360) == (360, 640)
    assert network_size((720, 1280), 360) == (360, 640)
    assert network_size((854, 480), 360) == (640, 360)
    assert network_size((320, 640), 360, 640) == (320, 640)
    assert network_size((100, 1000), 360) == (360, 3600)


def test_masks_of_pictures_are_cut_before_they_are_resized():
    logits = torch.full((1, 8, 8), -9.0)
    logits[:, :, 4:] = 9.0
    # The right half of the network's picture is padding, so the picture itself has nothing.
    assert not picture_masks(logits, (32, 14), (20, 20)).any()


@pytest.mark.parametrize("padded", [False, True])
def test_the_fast_ways_of_a_cpu_give_what_the_plain_ways_give(padded):
    network, dice = tiny_network().requires_grad_(False), torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        # Many start at zero, which would hide what is left out.
        parameter.add_(torch.randn(parameter.shape, generator=dice), alpha=0.02)
    videos = 2 if padded else 1
    frames = torch.randn(videos, 3, 3, HEIGHT, WIDTH, generator=dice)
    hidden = torch.zeros(videos, 3, HEIGHT, WIDTH, dtype=torch.bool)
    hidden[-1, :, 70:, :] = True
    hidden[-1, :, :, 100:] = True
    sizes = [(HEIGHT, WIDTH), (70, 100)] if padded else [(HEIGHT, WIDTH)]

    def run():
        sight = network.look(frames, hidden if padded else None)
        sentences = read(network)
        found = network(sight, sentences, sizes)
        return found.masks, found.logits, found.boxes, network.answer(sight, sentences, sizes).masks

    with torch.enable_grad():
        plain = run()
    with torch.no_grad():
        fast = run()
    for ours, theirs in zip(fast, plain, strict=True):
        assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()
