from __future__ import annotations

import numpy as np
import pytest
from moving_scene import NUM_FRAMES

import singleout
from singleout.errors import InputError

WORDS = {"threshold": 0.02, "interval": 3, "span": 6}


def prompts_of(kind, scene):
    return {
        "mask": (singleout.Mask(scene.ids[5], frame=5), {}),
        "names": (["person", "ball"], WORDS),
        "both": ([singleout.Mask(scene.ids[1], frame=1), singleout.Phrase("a red ball")], WORDS),
    }[kind]


def assert_equal(expected, found):
    assert [masks.frame for masks in expected] == [masks.frame for masks in found]
    for one, other in zip(expected, found, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert np.array_equal(one.masks, other.masks)
        assert np.array_equal(one.scores, other.scores)


@pytest.mark.parametrize("kind", ["mask", "names", "both"])
def test_a_stream_goes_on_with_equal_results(starter, scene, kind):
    prompts, options = prompts_of(kind, scene)
    whole = starter.stream(scene.frames, prompts, **options)
    expected = list(whole)
    for cut in (1, 6, 9):
        first = starter.stream(scene.frames, prompts, **options)
        frames = iter(first)
        found = [next(frames) for _ in range(cut)]
        state = first.state()
        second = starter.stream(scene.frames, prompts, state=state, **options)
        found += list(second)
        assert_equal(expected, found)
        assert second.objects == whole.objects
        assert second.answers == whole.answers


@pytest.mark.parametrize("kind", ["mask", "names", "both"])
def test_a_session_goes_on_with_equal_results_within_its_memory_limit(starter, scene, kind):
    prompts, options = prompts_of(kind, scene)

    def feed(session, indices):
        found = []
        for index in indices:
            found += session.step(scene.frames[index], new_shot=index == 11)
            if index == 8:
                session.add(singleout.Points([(80, 60)], frame=8, object_id=9))
            assert len(session.state()) <= session.memory_limit
        return found

    whole = starter.session(prompts, **options)
    expected = feed(whole, range(NUM_FRAMES)) + whole.finish()
    assert len(expected) == NUM_FRAMES
    for cut in (1, 9, 12):
        first = starter.session(prompts, **options)
        found = feed(first, range(cut))
        second = starter.resume_session(first.state())
        found += feed(second, range(cut, NUM_FRAMES))
        assert_equal(expected, found)
        assert second.objects == whole.objects
        assert second.answers == whole.answers


def test_a_state_of_another_run_is_refused(starter, scene):
    stream = starter.stream(scene.frames, singleout.Mask(scene.ids[0]))
    next(iter(stream))
    state = stream.state()
    with pytest.raises(InputError, match="other prompts"):
        starter.stream(scene.frames, singleout.Mask(scene.ids[1]), state=state)
    with pytest.raises(InputError, match="stream"):
        starter.resume_session(state)
    with pytest.raises(InputError, match="damaged"):
        starter.stream(scene.frames, singleout.Mask(scene.ids[0]), state=b"rubbish")


def test_a_session_corrects_the_frame_just_fed(starter, scene):
    session = starter.session(singleout.Mask(np.where(scene.ids[0] == 1, 1, 0)))
    session.step(scene.frames[0])
    assert session.add(singleout.Mask(np.where(scene.ids[0] == 2, 2, 0))) == [2]
    (found,) = session.step(scene.frames[1])
    assert sorted(found.ids.tolist()) == [1, 2]


def test_a_session_refuses_frames_that_have_passed_and_other_sizes(starter, scene):
    session = starter.session(singleout.Mask(scene.ids[0]))
    session.step(scene.frames[0])
    session.step(scene.frames[1])
    with pytest.raises(InputError, match="has passed"):
        session.add(singleout.Points([(5, 5)], frame=0))
    with pytest.raises(InputError, match="outside the picture"):
        session.add(singleout.Points([(500, 5)], frame=1))
    with pytest.raises(InputError, match="another size"):
        session.step(scene.frames[2][:64])
