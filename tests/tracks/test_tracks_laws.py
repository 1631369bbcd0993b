"""Laws that hold for all tracks: slicing, merging, renaming, dropping, resizing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracks_strategies import tracks

from singleout.errors import InputError
from singleout.tracks import FrameMasks, Tracks

BOUND = st.none() | st.integers(-6, 6)


def pictures(made: Tracks) -> dict[int, np.ndarray]:
    return {track.id: track.masks() for track in made}


@given(tracks(), BOUND, BOUND)
def test_slicing_is_that_of_a_list(made: Tracks, start: int | None, stop: int | None) -> None:
    cut = made.between(start or 0, stop)
    wanted = list(range(made.num_frames))[start:stop]
    assert cut.num_frames == len(wanted)
    for track in cut:
        assert np.array_equal(track.masks(), made[track.id].masks()[start:stop])
        assert np.array_equal(track.scores, made[track.id].scores[start:stop], equal_nan=True)
    if made.times is not None:
        assert np.array_equal(cut.times, made.times[start:stop])
    if made.frame_names is not None:
        assert cut.frame_names == made.frame_names[start:stop]
    assert cut.answers == made.answers


@given(tracks(num_frames=5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_slices_of_slices_are_slices(made: Tracks, start: int, stop: int, later: int, end: int) -> None:
    stop = max(start, stop)
    assert made.between(0) == made
    assert made.between(start, stop).between(later, end) == made.between(start + later, min(start + end, stop))


@given(st.data(), tracks())
def test_merging_keeps_every_mask_of_both(data: st.DataObject, first: Tracks) -> None:
    second = data.draw(tracks(size=(first.height, first.width), num_frames=first.num_frames))
    merged = first.merge(second)
    assert len(merged) == len(first) + len(second)
    for track in first:
        assert np.array_equal(merged[track.id].masks(), track.masks())
        assert merged[track.id].info == track.info
    came = [number for number in merged.ids if number not in first.ids]
    clash = [number for number in second.ids if number in first.ids]
    assert [number for number in second.ids if number in merged.ids and number not in clash] == [
        number for number in came if number in second.ids
    ]
    renamed = dict(zip(clash, sorted(set(came) - set(second.ids)), strict=True))
    for track in second:
        there = merged[renamed.get(track.id, track.id)]
        assert np.array_equal(there.masks(), track.masks())
        assert there.label == track.label
    assert merged.answers == first.answers + tuple(
        type(answer)(
            answer.prompt,
            tuple(renamed.get(number, number) for number in answer.found),
            answer.best_score,
            answer.threshold,
            answer.message,
        )
        for answer in second.answers
    )
    if merged.exclusive:
        assert all(merged.masks(index)[2].sum(axis=0).max(initial=0) <= 1 for index in range(merged.num_frames))


@given(st.data(), tracks())
def test_merging_objects_with_equal_ids_unites_them(data: st.DataObject, first: Tracks) -> None:
    second = data.draw(tracks(size=(first.height, first.width), num_frames=first.num_frames))
    merged = first.merge(second, same_ids=True)
    assert set(merged.ids) == set(first.ids) | set(second.ids)
    none = np.zeros((first.num_frames, first.height, first.width), bool)
    for track in merged:
        one = first[track.id].masks() if track.id in first else none
        other = second[track.id].masks() if track.id in second else none
        assert np.array_equal(track.masks(), one | other)


@given(tracks())
def test_merging_with_nothing_changes_nothing(made: Tracks) -> None:
    nothing = Tracks(made.height, made.width, made.num_frames)
    merged = made.merge(nothing)
    assert pictures(merged).keys() == pictures(made).keys()
    assert merged == made


@given(tracks(), st.sets(st.integers(1, 12)))
def test_filtering_and_dropping_are_complements(made: Tracks, wanted: set[int]) -> None:
    kept = made.filter(lambda track: track.id in wanted)
    assert set(kept.ids) == set(made.ids) & wanted
    assert kept == made.drop(*(number for number in made.ids if number not in wanted))
    for track in kept:
        assert np.array_equal(track.masks(), made[track.id].masks())
    assert all(set(answer.found) <= set(kept.ids) for answer in kept.answers)
    rest = made.filter(lambda track: track.id not in wanted)
    assert pictures(kept.merge(rest)).keys() == pictures(made).keys()


@given(st.data(), tracks())
def test_renaming_can_be_taken_back(data: st.DataObject, made: Tracks) -> None:
    numbers = data.draw(st.permutations(made.ids))
    names = dict(zip(made.ids, numbers, strict=True))
    renamed = made.rename(names)
    for old, new in names.items():
        assert np.array_equal(renamed[new].masks(), made[old].masks())
        assert renamed[new].label == made[old].label
    assert renamed.rename({new: old for old, new in names.items()}) == made


@given(tracks())
def test_resizing_back_and_forth_by_whole_factors_keeps_the_masks(made: Tracks) -> None:
    larger = made.resized(3 * made.height, 3 * made.width)
    assert (larger.height, larger.width) == (3 * made.height, 3 * made.width)
    assert pictures(larger.resized(made.height, made.width)).keys() == pictures(made).keys()
    for track in larger.resized(made.height, made.width):
        assert np.array_equal(track.masks(), made[track.id].masks())


@given(tracks())
def test_equality_sees_every_difference(made: Tracks) -> None:
    assert made == made.between(0)
    assert made != made.between(0, made.num_frames).merge(_pixel(made))
    assert made != "tracks"
    other = made.between(0)
    other.video_name += "x"
    assert other != made
    if made.times is not None and made.num_frames:
        later = made.between(0)
        later.times = made.times + 1e7
        assert later != made


def _pixel(like: Tracks) -> Tracks:
    made = Tracks(like.height, like.width, like.num_frames)
    if like.num_frames:
        made.append(FrameMasks(0, [1], [1.0], np.ones((1, 1, 1), bool), like.height, like.width))  # type: ignore[arg-type]
        return made
    from singleout.tracks import ObjectInfo

    return made.describe({1: ObjectInfo(1)})


def test_what_cannot_be_joined_or_renamed_is_refused() -> None:
    made = Tracks(4, 5, 3)
    made.append_codes(0, [1, 2], [1, 1], [b"d0", b"d0"])
    with pytest.raises(InputError, match="size and length must be equal"):
        made.merge(Tracks(4, 5, 2))
    with pytest.raises(InputError, match="two objects the same id"):
        made.rename({1: 2})
    with pytest.raises(KeyError, match="no object 5"):
        made.rename({5: 6})
    with pytest.raises(KeyError, match="no object 5"):
        made.drop(5)
    assert made.rename({1: 2, 2: 1}).ids == (1, 2)
