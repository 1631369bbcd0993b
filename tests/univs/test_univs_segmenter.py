"""UniVS as a Segmenter, on a tiny network with random weights: every task, every prompt, every refusal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.univs.sharp import red_square

from singleout.errors import InputError
from singleout.media import Video
from singleout.prompts import Box, Categories, Mask, Phrase, Points
from singleout.systems.univs.inference import UniVS
from singleout.systems.univs.settings import BENCHMARKS

SIZE = {"short": 64, "frames": 3, "memory": 4, "points": 8, "score": 0.0, "stability": 0.0, "consistency": 0.0}
NAMES = ["cat", "dog", "wall", "sky"]


@pytest.fixture(scope="module")
def frames():
    return red_square(7)


def test_instances_are_named(system, frames):
    tracks = system.segment(frames, NAMES, **SIZE)
    assert len(tracks) > 0
    assert {info.label for info in tracks.objects.values()} <= set(NAMES)
    assert all(0 <= info.score <= 1 for info in tracks.objects.values())
    assert [answer.prompt for answer in tracks.answers] == NAMES
    assert set().union(*(answer.found for answer in tracks.answers)) == set(tracks.objects)


def test_as_published_an_object_is_a_track_for_each_class(system, frames):
    plain = system.segment(frames, NAMES, every_class=False, **SIZE)
    spread = system.segment(frames, NAMES, every_class=True, detections=1000, **SIZE)
    assert len(spread) > len(plain)
    codes = {frame.code_at(place) for frame in plain.frames() for place in range(len(frame))}
    assert {frame.code_at(place) for frame in spread.frames() for place in range(len(frame))} <= codes


def test_segments_do_not_overlap(system, frames):
    settings = {**SIZE, "stability": None, "overlap": 0.0}
    tracks = system.segment(frames, NAMES, task="panoptic", stuff=["wall", "sky"], **settings)
    assert tracks.exclusive
    assert len(tracks) > 0
    assert all(info.thing == (info.label in {"cat", "dog"}) for info in tracks.objects.values())
    assert all(tracks.masks(index)[2].sum(0).max() <= 1 for index in range(len(frames)))


def test_every_pixel_has_a_class(system, frames):
    tracks = system.segment(frames, NAMES, task="semantic", short=64, frames=3)
    for index in range(len(frames)):
        assert (tracks.masks(index)[2].sum(0) == 1).all()
    assert {info.label for info in tracks.objects.values()} <= set(NAMES)
    none = system.segment(frames, NAMES, task="semantic", short=64, frames=3, background=1.0)
    assert sum(none.masks(index)[2].sum() for index in range(len(frames))) < frames[..., 0].size


def test_a_given_mask_is_kept_in_its_frame(system, frames, mask):
    tracks = system.segment(frames, mask, short=64, frames=3, points=8)
    assert tracks.ids == (4,)
    given, found = mask.ids == 4, tracks[4].mask(0)
    assert (given & found).sum() / (given | found).sum() > 0.9


def test_an_object_that_enters_late_is_nowhere_before(system, frames, mask):
    late = Mask(mask.ids, frame=4)
    tracks = system.segment(frames, late, short=64, frames=3, points=8)
    assert not tracks[4].present[:4].any()
    assert tracks[4].present[4]


def test_boxes_and_points_ask_too(system, frames):
    asked = [Box((5, 10, 30, 40)), Points([(20, 20), (25, 30)], object_id=7)]
    tracks = system.segment(frames, asked, short=64, frames=3, points=8)
    assert tracks.ids == (1, 7)
    assert tracks.exclusive


def test_a_sentence_is_an_object_and_does_not_know_the_others(system, frames):
    both = system.segment(frames, [Phrase("the red cat"), Phrase("a dog")], short=64, frames=3)
    alone = system.segment(frames, "the red cat", short=64, frames=3)
    assert both.ids == (1, 2)
    assert both.objects[1].label == "the red cat"
    for index in range(len(frames)):
        one, other = both.frame(index), alone.frame(index)
        place = one.place(1)
        assert (None if place is None else one.code_at(place)) == (other.code_at(0) if len(other) else None)


@pytest.mark.parametrize("task", ["instances", "panoptic", "semantic"])
def test_the_same_seed_gives_the_same(system, frames, task):
    settings = {**SIZE, "stability": None} if task != "instances" else SIZE
    runs = [system.segment(frames, NAMES, task=task, **settings) for _ in range(2)]
    assert [frame.blob for frame in runs[0].frames()] == [frame.blob for frame in runs[1].frames()]


@pytest.mark.parametrize("prompt", [NAMES, Phrase("a cat"), Mask(np.ones((60, 90), np.int32))])
def test_a_video_may_be_shorter_than_a_clip(system, frames, prompt):
    tracks = system.segment(frames[:1], prompt, short=64)
    assert tracks.num_frames == 1


def test_frames_of_great_width_are_seen_small(system):
    wide = np.zeros((2, 96, 7680, 3), np.uint8)
    wide[:, 20:60, 300:3000] = 200
    tracks = system.segment(wide, NAMES, **SIZE, longest=640)
    assert (tracks.height, tracks.width) == (96, 7680)


def test_five_thousand_names_are_one_answer(system, frames):
    letters = "abcdefghijklmnopqrst"
    names = [f"{a}{b}{c}" for a in letters for b in letters for c in letters][:5000]
    vectors = torch.randn(5000, 16, generator=torch.Generator().manual_seed(0))

    class Many:
        width = 16

        def embed_names(self, asked, **_more):
            assert len(asked) == 5000
            return vectors

    many = UniVS(system.network, name="univs/tiny", words=Many())
    tracks = many.segment(frames[:3], names, **SIZE)
    assert [answer.prompt for answer in tracks.answers] == ["5000 names"]


def test_names_that_come_again_count_once(system, frames):
    once = system.segment(frames[:3], ["cat", "dog"], **SIZE)
    again = system.segment(frames[:3], ["cat", "Cat", "dog", "cat"], **SIZE)
    assert [frame.blob for frame in once.frames()] == [frame.blob for frame in again.frames()]


def test_names_of_a_published_list_are_taken_from_its_table(system, frames):
    class Table:
        width = 16

        def embed_vocabulary(self, key):
            assert key == "vipseg"
            return torch.eye(124, 16)

    published = UniVS(system.network, name="univs/tiny", words=Table())
    tracks = published.segment(
        frames[:3], ["wall", "person"], task="panoptic", vocabulary="vipseg", short=64, score=0.0
    )
    assert all(info.thing == (info.label == "person") for info in tracks.objects.values())
    with pytest.raises(InputError, match="has no name 'unicorn'"):
        published.segment(frames, ["wall", "unicorn"], vocabulary="vipseg")


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        (Phrase("a cat"), {"task": "semantic"}, "asked for by names, and not by a phrase"),
        (Mask(np.ones((60, 90), np.int32)), {"task": "panoptic"}, "not by a mask"),
        (["cat"], {"task": "referring"}, "asked for by phrase"),
        (["cat"], {"task": "edges"}, "there is no task 'edges'"),
        ([Phrase("a cat"), Categories(["dog"])], {}, "names and sentences at once"),
        (["cat"], {"shrt": 3}, "no option 'shrt'"),
        (["cat"], {"short": 3}, "short 3: expected a whole number from 32 on"),
        (["cat"], {"score": 2}, "score 2: expected a number from 0 to 1"),
        (["cat"], {"mode": "fast"}, "mode 'fast': expected bounded, published"),
        (["cat"], {"vocabulary": "mine"}, "vocabulary 'mine': expected one of"),
        (["cat"], {"square": 1000}, "square 1000: expected a multiple of 32"),
        (["cat"], {"frames": 3, "stride": 5}, "stride 5: clips of 3 frames"),
        (["cat"], {"stuff": ["dog"]}, "'dog' is not among the names"),
        (["cat"], {"corrected": "yes"}, "corrected 'yes': expected true or false"),
        ([], {}, "nothing to look for"),
        (["cat", " "], {}, "has an empty name"),
        ([Points([(3, 3), (9, 9)], [True, False], object_id=1)], {}, 'takes no "not here"'),
        ([Box((1, 1, 20, 20), object_id=2), Points([(3, 3)], object_id=2)], {}, "object 2 is marked already"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(system, frames, prompts, options, message):
    with pytest.raises(InputError) as caught:
        system.segment(frames, prompts, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_text_tower_marks_are_taken_alone(system, frames, mask):
    mute = UniVS(system.network, name="univs/tiny", words=None)
    assert mute.segment(frames, mask, short=64, points=8).ids == (4,)
    for prompt in (["cat"], "a cat"):
        with pytest.raises(InputError, match="without a text tower"):
            mute.segment(frames, prompt)
    with pytest.raises(InputError, match="no session"):
        mute.session(mask)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_settings_that_can_be_read(system, frames, name):
    settings = system.published(name)
    task = BENCHMARKS[name].task
    prompt = {"objects": Mask(np.ones((60, 90), np.int32)), "referring": Phrase("a cat")}.get(task)
    if prompt is not None:
        assert system.stream(Video(frames[:1]), prompt, **settings) is not None
    else:
        assert settings["task"] == task
        assert settings["mode"] == "published"
