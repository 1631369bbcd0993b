"""Segmenters made of two: find and follow, clicks in front of a system that takes masks only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.aot.tiny import draw_video, tiny

from singleout.combine import ClicksFirst, FindThenFollow, takes_clicks
from singleout.combine.find_then_follow import key_masks, masks_again
from singleout.errors import InputError
from singleout.prompts import Box, Mask, Phrase, Points
from singleout.segmenter import Abilities, Segmenter, Stream
from singleout.systems import catalog
from singleout.tracks import Answer, FrameMasks, ObjectInfo, Tracks

HEIGHT, WIDTH = 64, 96


class Finder(Segmenter):
    """Says of each frame what it was told to, with the scores it was told."""

    name = "finder"
    abilities = Abilities(frozenset({Phrase}), frozenset({"referring"}), None)

    def __init__(self, ids: np.ndarray, scores: list[float]) -> None:
        self.ids, self.scores = ids, scores
        self.options: dict[str, Any] = {}

    def _stream(self, video: Any, prompts: Any, state: Any, options: dict[str, Any]) -> Stream:
        self.options = options

        def frames() -> Iterator[FrameMasks]:
            for index, ids in enumerate(self.ids):
                present = [one for one in np.unique(ids).tolist() if one]
                masks = np.stack([ids == one for one in present]) if present else np.zeros((0, *ids.shape), bool)
                yield FrameMasks(index, present, [self.scores[index]] * len(present), masks, *ids.shape)

        info = ObjectInfo(1, label="square", prompt=prompts[0].text)
        return Stream(frames(), {1: info}, [Answer(prompts[0].text, (1,))])


class Follower(Segmenter):
    """Follows by remembering where a mask was: it stays there. Notes what it is given."""

    name = "follower"
    abilities = Abilities(frozenset({Mask}), frozenset({"objects"}), 0)

    def __init__(self, lose_after: int = 1000) -> None:
        self.given: list[list[Mask]] = []
        self.lose_after = lose_after

    def _stream(self, video: Any, prompts: Any, state: Any, options: dict[str, Any]) -> Stream:
        self.given.append(list(prompts))

        def frames() -> Iterator[FrameMasks]:
            for index in range(video.num_frames):
                masks: dict[int, np.ndarray] = {}
                for mark in sorted(prompts, key=lambda mark: mark.frame):
                    near = mark.frame <= index or mark.frame == min(one.frame for one in prompts)
                    if near and abs(index - mark.frame) < self.lose_after:
                        masks |= {number: mark.ids == number for number in mark.object_ids}
                ids = sorted(masks)
                stack = np.stack([masks[one] for one in ids]) if ids else np.zeros((0, HEIGHT, WIDTH), bool)
                yield FrameMasks(index, ids, [1.0] * len(ids), stack, video.height, video.width)

        objects = {number: ObjectInfo(number) for mark in prompts for number in mark.object_ids}
        return Stream(frames(), objects, [Answer("mask", mark.object_ids) for mark in prompts])


def test_the_surest_frame_is_followed_to_both_ends():
    frames, ids = draw_video(6, 1)
    finder, follower = Finder(ids, [0.1, 0.5, 0.3, 0.9, 0.2, 0.1]), Follower()
    both = FindThenFollow(finder, follower)
    tracks = both.segment(frames, "the square", **{"find.threshold": 0.4})
    assert finder.options == {"threshold": 0.4}
    assert [(mark.frame, mark.object_ids) for mark in follower.given[0]] == [(3, (1,))]
    assert tracks[1].label == "square"
    assert [answer.prompt for answer in tracks.answers] == ["the square"]
    assert all(np.array_equal(tracks.id_map(index), ids[3]) for index in range(6))


def test_several_key_frames_lie_apart():
    frames, ids = draw_video(8, 1)
    follower = Follower()
    FindThenFollow(Finder(ids, [0.1, 0.8, 0.9, 0.8, 0.1, 0.1, 0.5, 0.4]), follower).segment(frames, "it", key_frames=2)
    assert [mark.frame for mark in follower.given[0]] == [2, 6]


def test_what_was_lost_is_found_again():
    frames, ids = draw_video(8, 1)
    follower = Follower(lose_after=3)
    both = FindThenFollow(Finder(ids, [0.9] + [0.5] * 7), follower)
    assert not both.segment(frames, "it")[1].present[3:].any()
    tracks = both.segment(frames, "it", again=4)
    assert [mark.frame for mark in follower.given[-1]] == [0, 4]
    assert np.array_equal(tracks.id_map(5), ids[4])


def test_agreement_of_both_ways_is_the_score():
    frames, ids = draw_video(5, 1)
    both = FindThenFollow(Finder(ids, [0.1, 0.1, 0.9, 0.1, 0.1]), Follower())
    tracks = both.segment(frames, "it", agreement=True)
    # This follower holds still, so that both ways agree everywhere.
    assert np.allclose(tracks[1].scores, 1.0)


def test_marks_go_to_the_follower_and_ids_stay_apart():
    frames, ids = draw_video(4, 2)
    drawn = np.where(ids[1] == 2, 1, 0)  # by the user's number, which is the finder's too
    follower = Follower()
    tracks = FindThenFollow(Finder(np.where(ids == 1, 1, 0), [0.9, 0.1, 0.1, 0.1]), follower).segment(
        frames, [Phrase("it"), Mask(drawn, frame=1)]
    )
    assert sorted(number for mark in follower.given[0] for number in mark.object_ids) == [1, 2]
    assert tracks[2].label == "square"
    assert tracks[1].label == ""


def test_who_cannot_find_or_follow_is_refused():
    with pytest.raises(InputError, match="follower takes no words"):
        FindThenFollow(Follower(), Follower())
    with pytest.raises(InputError, match="finder takes no masks"):
        FindThenFollow(Finder(np.zeros((1, 4, 4), int), [1.0]), Finder(np.zeros((1, 4, 4), int), [1.0]))
    both = FindThenFollow(Finder(draw_video(2, 1)[1], [0.5, 0.5]), Follower())
    for options, message in (
        ({"key_frames": 0}, "key_frames 0: expected a whole number from 1 on"),
        ({"again": -1}, "again -1"),
        ({"threshold": 0.5}, "no option 'threshold'; it has: key_frames, again, match, agreement, device, find.NAME"),
    ):
        with pytest.raises(InputError, match=message):
            both.segment(draw_video(2, 1)[0], "it", **options)


def test_key_masks_and_masks_again_of_nothing():
    tracks = Tracks(8, 8, 3).describe({1: ObjectInfo(1)})
    assert key_masks(tracks[1], 2) == []
    assert masks_again(tracks, tracks, 1, 0.5) == []


@pytest.fixture(scope="module")
def starter() -> Segmenter:
    return catalog.load("starter")


def test_clicks_become_masks_and_corrections(starter):
    frames, ids = draw_video(5, 2)
    system = takes_clicks(tiny(), [Points(((20, 13),))], lambda: starter)
    assert isinstance(system, ClicksFirst)
    tracks = system.segment(frames, [Points(((12, 12),), object_id=4), Box((5, 23, 21, 39))], backwards=False)
    assert tracks.ids == (1, 4)
    assert tracks[4].mask(0)[12, 12]
    with pytest.raises(InputError, match="no option 'budgets'"):
        system.segment(frames, Points(((12, 12),)), budgets=3)
    with pytest.raises(InputError, match="starter has no option 'sizes'"):
        system.segment(frames, Points(((12, 12),)), **{"front.sizes": 3})
    # A click on an object in a later frame starts from what it was followed to.
    clicked = [Mask(ids[0]), Points(((15, 12),), frame=2, object_id=1)]
    again = system.segment(frames, clicked, backwards=False)
    plain = system.segment(frames, Mask(ids[0]), backwards=False)
    assert np.array_equal(again.id_map(1), plain.id_map(1))
    assert again[1].mask(2)[12, 15]


def test_a_session_takes_clicks_and_resumes(starter):
    frames, ids = draw_video(6, 2)
    system = ClicksFirst(starter, tiny())
    session = system.session([Mask(np.where(ids[0] == 1, 1, 0)), Points(((40, 40),), frame=3, object_id=7)])
    for frame in frames[:3]:
        session.step(frame)
    (number,) = session.add(Points(((10, 30),), frame=2))
    assert number == 2
    assert session.current().binary()[list(session.current().ids).index(2)][30, 10]
    other = system.resume_session(session.state())
    for frame in frames[3:]:
        one, two = session.step(frame)[0], other.step(frame)[0]
        assert one.coded() == two.coded()
    assert {1, 2, 7} == set(session.objects)
    session.remove(2)
    assert 2 not in session.current().ids
    with pytest.raises(InputError, match="no object 2 to remove"):
        session.remove(2)
    with pytest.raises(InputError, match="it has passed"):
        session.add(Points(((1, 1),), frame=0, object_id=1))


def test_who_takes_clicks_needs_nobody_in_front(starter):
    assert takes_clicks(starter, [Points(((1, 1),))], lambda: starter) is starter
    system = tiny()
    assert takes_clicks(system, [Mask(np.ones((2, 2), int))], lambda: starter) is system
    with pytest.raises(InputError, match="finder does not make masks of clicks"):
        ClicksFirst(Finder(np.zeros((1, 4, 4), int), [1.0]), system)


def test_words_and_clicks_go_together(starter):
    frames, ids = draw_video(4, 2)
    both = FindThenFollow(Finder(np.where(ids == 2, 1, 0), [0.9, 0.1, 0.1, 0.1]), tiny())
    asked = [Phrase("it"), Points(((12, 12),), object_id=5)]
    tracks = takes_clicks(both, asked, lambda: starter).segment(frames, asked, **{"then.backwards": False})
    assert tracks.ids == (1, 5)
    assert np.array_equal(tracks[1].mask(0), (ids[0] == 2) & ~tracks[5].mask(0))
