"""AOT through the public interface: what is given and carried, sessions, bounded memory, going on, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from tests.aot.tiny import HEIGHT, WIDTH, draw_video, tiny

import singleout
from singleout.errors import InputError
from singleout.prompts import Mask
from singleout.systems.aot.inference import AOT


def id_maps(system: AOT, frames: np.ndarray, prompts: object, **options: object) -> np.ndarray:
    tracks = system.segment(frames, prompts, **options)
    return np.stack([tracks.id_map(index) for index in range(len(frames))])


@pytest.fixture(params=["aot", "deaot"])
def system(request: pytest.FixtureRequest) -> AOT:
    return tiny(request.param)


def test_a_given_mask_comes_back_and_ids_are_kept(system):
    frames, ids = draw_video(4, 2)
    given = ids[0] * 7  # 7 and 14
    tracks = system.segment(frames, Mask(given, source="first.png"))
    assert tracks.ids == [7, 14] or list(tracks.ids) == [7, 14]
    assert np.array_equal(tracks.id_map(0), given)
    assert "gaps (7, 14)" in tracks.answers[0].message
    assert len(tracks.stored_frames) == 4


def test_objects_enter_later_in_groups_of_their_own(system):
    frames, ids = draw_video(6, 5)
    first = np.where(ids[0] <= 2, ids[0], 0)
    later = np.where(ids[3] > 2, ids[3], 0)
    maps = id_maps(system, frames, [Mask(first), Mask(later, frame=3)], backwards=False)
    assert np.array_equal(maps[0], first)
    assert not np.isin(maps[:3], [3, 4, 5]).any()
    # What is drawn counts, and where nothing is drawn what was decided.
    assert np.array_equal(maps[3][later > 0], later[later > 0])
    # What comes later changes nothing before.
    assert np.array_equal(maps[:3], id_maps(system, frames[:3], Mask(first)))


def test_objects_are_carried_backwards_too(system):
    frames, ids = draw_video(5, 2)
    forwards = id_maps(system, frames[::-1].copy(), Mask(ids[4]))
    maps = id_maps(system, frames, Mask(ids[4], frame=4))
    assert np.array_equal(maps, forwards[::-1])
    assert not id_maps(system, frames, Mask(ids[4], frame=4), backwards=False)[:4].any()


def test_a_run_goes_on_with_equal_results(system):
    frames, ids = draw_video(9, 5)
    prompts = [Mask(np.where(ids[0] == 1, ids[0], 0)), Mask(np.where(ids[4] > 1, ids[4], 0), frame=4)]
    whole = system.stream(frames, prompts)
    results = [part.coded() for part in whole]
    for stop in (1, 4, 5, 7):
        stream = system.stream(frames, prompts)
        for _ in range(stop):
            next(stream.frames)
        rest = system.stream(frames, prompts, state=stream.state())
        assert [part.coded() for part in rest] == results[stop:]
    with pytest.raises(InputError, match="belongs to another video"):
        system.stream(frames[:5], prompts, state=stream.state())


def test_a_budget_changes_nothing_until_it_is_reached(system):
    frames, ids = draw_video(12, 2)
    # Frames 0, 2, 4, 6, 8 and 10 are remembered, the last of them for a frame that is not there.
    free = id_maps(system, frames, Mask(ids[0]), soft=False)
    assert np.array_equal(free, id_maps(system, frames, Mask(ids[0]), budget=6))
    session = system.session(Mask(ids[0]), budget=3)
    limit, sizes = 0, []
    for frame in np.concatenate([frames, frames[::-1], frames]):
        session.step(frame)
        limit = session.memory_limit
        sizes.append(len(session.state()))
    assert max(sizes) <= limit
    assert len(set(sizes[-10:])) == 1 or max(sizes[-10:]) - min(sizes[-10:]) < 64
    tracker = session._tracker
    assert tracker is not None
    assert len(tracker.engines[0].stores[0]) == 3


def test_a_session_is_the_stream_and_resumes_with_equal_bytes(system):
    frames, ids = draw_video(8, 5)
    first, later = np.where(ids[0] <= 2, ids[0], 0), np.where(ids[4] > 2, ids[4], 0)
    prompts = [Mask(first), Mask(later, frame=4)]
    whole = [part.coded() for part in system.stream(frames, prompts, backwards=False, budget=4)]
    session = system.session(Mask(first), budget=4)
    for index, frame in enumerate(frames):
        if index == 4:
            assert session.add(Mask(later, frame=4)) == [3, 4, 5]
        (result,) = session.step(frame)
        assert result.coded() == whole[index]
        session = system.resume_session(session.state())
    assert sorted(session.objects) == [1, 2, 3, 4, 5]


def test_objects_are_corrected_and_removed_and_ids_stay(system):
    frames, ids = draw_video(8, 3)
    session = system.session(Mask(ids[0]))
    for frame in frames[:4]:
        session.step(frame)
    # A correction counts for the frame at once and is remembered.
    moved = np.zeros((HEIGHT, WIDTH), np.int32)
    moved[40:60, 60:90] = 2
    session.add(Mask(moved, frame=3))
    now = session.current()
    assert now is not None
    assert np.array_equal(now.binary()[list(now.ids).index(2)], moved > 0)
    session.remove(1)
    assert 1 not in session.current().ids
    for frame in frames[4:]:
        (result,) = session.step(frame)
        assert 1 not in result.ids
    with pytest.raises(InputError, match="no object 1 to remove; the objects followed are: 2, 3"):
        session.remove(1)
    session = system.resume_session(session.state())
    # Back again, by the same id, at an earlier frame.
    session.step(frames[2], number=2)
    session.add(Mask(np.where(ids[2] == 1, ids[2], 0), frame=2))
    assert 1 in session.current().ids
    assert sorted(session.objects) == [1, 2, 3]


def test_several_looks_are_averaged(system):
    frames, ids = draw_video(3, 2)
    plain = id_maps(system, frames, Mask(ids[0]))
    several = id_maps(system, frames, Mask(ids[0]), flip=True, scales=[0.75, 1.0])
    together = id_maps(system, frames, Mask(ids[0]), flip=True, scales=[0.75, 1.0], joint=True)
    assert plain.shape == several.shape == together.shape
    assert np.array_equal(several[0], ids[0])


def test_bad_input_is_one_clear_line(system):
    frames, ids = draw_video(3, 2)
    many = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) // 20
    for prompt, options, message in (
        (Mask(many, source="many.png"), {}, "many.png: .* objects are asked for, and at most 255"),
        (Mask(ids[0][:50], source="small.png"), {}, "small.png: the mask is 96x50 but the video is 96x64"),
        (Mask(ids[0], frame=3, source="a.png"), {}, "mask on frame 3: the video has frames 0 to 2"),
        (Mask(ids[0]), {"budget": 0}, "budget 0: expected a whole number from 1 on"),
        (Mask(ids[0]), {"scale": 2}, "no option 'scale'"),
        (Mask(ids[0]), {"scales": []}, "scales"),
        (singleout.Box((1, 2, 30, 30)), {}, "does not take a prompt by box; it takes: mask"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            system.segment(frames, prompt, **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="the mask is empty"):
        Mask(np.zeros((4, 4), np.int32))
    session = system.session(Mask(ids[0]))
    session.step(frames[0])
    session.step(frames[1])
    with pytest.raises(InputError, match="frame 0 has passed, the last one fed is 1"):
        session.add(Mask(ids[0], frame=0))
    with pytest.raises(InputError, match="frame 2 is 50x60, the ones before 96x64"):
        session.step(np.zeros((60, 50, 3), np.uint8))
    with pytest.raises(InputError, match="no object 9 to remove"):
        session.remove(9)
    with pytest.raises(InputError, match="of another program"):
        system.resume_session(b"nothing")
