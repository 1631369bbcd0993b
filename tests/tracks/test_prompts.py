"""What users type, right and wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, as_prompts, check_prompts

DOG = np.zeros((10, 20), np.uint8)
DOG[2:5, 3:9] = 4
TWO = DOG.copy()
TWO[7, 7] = 9


def refused(message: str) -> Any:
    return pytest.raises(InputError, match=message)


def test_phrases_are_cleaned_up() -> None:
    assert Phrase("  the   white\tdog \n").text == "the white dog"
    assert Phrase("der weiße Hund", object_id=np.int64(3)) == Phrase("der weiße Hund", 3)
    assert Phrase("白い犬").text == "白い犬"
    assert Phrase("🐕").text == "🐕"


@pytest.mark.parametrize("text", ["", "   ", "\n", "?!", "...", None, 3, b"dog", ["dog"]])
def test_phrases_without_words_are_refused(text: Any) -> None:
    with refused("phrase"):
        Phrase(text)


def test_names_are_cleaned_up() -> None:
    assert Categories("person, car ,traffic   light").names == ("person", "car", "traffic light")
    assert Categories(["Dog", "cat", "dog"]).names == ("Dog", "cat")
    assert Categories(name for name in ("a", "b")).names == ("a", "b")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("", "list of names is empty"),
        ([], "list of names is empty"),
        ("person,,car", "'person,,car' has an empty name"),
        ("person,", "empty name"),
        (["person", " "], "empty name"),
        (["person", "-"], "name '-' has no words"),
        (["person", 3], "must be a string, got 3"),
        (None, "list of strings"),
        (7, "list of strings"),
        (b"dog", "list of strings"),
    ],
)
def test_wrong_names_are_refused(names: Any, message: str) -> None:
    with refused(message):
        Categories(names)


def test_masks_keep_their_ids_or_take_the_one_given() -> None:
    assert Mask(TWO).object_ids == (4, 9)
    assert Mask(DOG, object_id=2).object_ids == (2,)
    assert Mask(DOG > 0).object_ids == (1,)
    assert Mask(DOG.astype(np.int64), frame=3).ids.dtype == np.int32
    given = DOG.copy()
    kept = Mask(given)
    given[:] = 0
    assert kept.object_ids == (4,)


@pytest.mark.parametrize(
    ("ids", "others", "message"),
    [
        (np.zeros((10, 20, 3), np.uint8), {}, r"first.png: .*shape \(10, 20, 3\); an RGB picture"),
        (np.zeros((10, 20), np.uint8), {}, "the mask is empty"),
        (np.zeros((0, 20), np.uint8), {}, "the mask is empty"),
        (DOG / 255, {}, "expected integers or bool, got float64"),
        (-DOG.astype(np.int32), {}, "must not be negative, the smallest is -4"),
        (DOG.astype(np.int64) << 40, {}, "must not exceed 2147483647"),
        (TWO, {"object_id": 3}, "several objects, so object id 3 is unclear"),
        (DOG, {"object_id": 0}, "object id 0 must be"),
        (DOG, {"object_id": "dog"}, "object id 'dog' must be"),
        (DOG, {"object_id": 2**31}, "object id 2147483648 must be"),
        (DOG, {"frame": -1}, "frame -1 is not a frame number"),
        (DOG, {"frame": 1.5}, "frame 1.5 is not a frame number"),
        (DOG, {"frame": "first"}, "frame 'first' is not a frame number"),
        (DOG, {"frame": True}, "frame True is not a frame number"),
        (DOG, {"frame": float("nan")}, "frame nan is not a frame number"),
    ],
)
def test_wrong_masks_are_refused_with_their_source(ids: Any, others: dict[str, Any], message: str) -> None:
    with refused(message) as told:
        Mask(ids, source="first.png", **others)
    assert "first.png" in str(told.value)


@pytest.mark.parametrize("path", ["first.png", Path("first.png"), b"first.png"])
def test_a_path_is_not_an_array(path: Any) -> None:
    with refused("first.png.*singleout.Mask opens files"):
        Mask(path)


def test_boxes_and_points_take_lists_and_arrays() -> None:
    assert Box(np.array([1, 2, 3.5, 4])) == Box((1, 2, 3.5, 4))  # type: ignore[arg-type]
    assert Box((1, 2, 3, 4), frame=np.int64(2)).frame == 2
    assert Points(np.array([[1, 2], [3, 4]])) == Points(((1, 2), (3, 4)), (True, True))  # type: ignore[arg-type]
    assert Points([(1, 2)], positive=[1]).positive == (True,)  # type: ignore[arg-type]
    assert Points([(1, 2)], positive=False, object_id=1).positive == (False,)  # type: ignore[arg-type]
    assert isinstance(hash(Points(np.array([[1, 2]]))), int)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("xyxy", "message"),
    [
        ((1, 2, 3), "expected four numbers"),
        ((1, 2, 3, 4, 5), "expected four numbers"),
        ("1,2,3,4", "box '1,2,3,4': expected four numbers"),
        (("a", 2, 3, 4), "expected four numbers"),
        ((1, 2, float("nan"), 4), "expected four numbers"),
        (5, "expected four numbers"),
        (None, "expected four numbers"),
        (((1, 2), (3, 4)), "expected four numbers"),
        ((10, 2, 3, 4), "box 10,2,3,4: right must be larger than left"),
        ((1, 2, 3, 2), "bottom larger than top"),
    ],
)
def test_wrong_boxes_are_refused(xyxy: Any, message: str) -> None:
    with refused(message):
        Box(xyxy)


@pytest.mark.parametrize(
    ("xy", "others", "message"),
    [
        ((), {}, "give at least one"),
        ((120, 64), {}, r"expected pairs of numbers, such as \[\(120, 64\)"),
        ([(1, 2, 3)], {}, "expected pairs"),
        ([(1, "b")], {}, "expected pairs"),
        ([(1, float("inf"))], {}, "expected pairs"),
        ("12", {}, "expected pairs"),
        (None, {}, "expected pairs"),
        ([(1, 2), (3, 4)], {"positive": [True]}, "there are 2 points but 1 signs"),
        ([(1, 2)], {"positive": [False]}, 'only say "not here"'),
        ([(1, 2)], {"frame": -3}, "points 1,2: frame -3"),
        ([(1, 2)], {"object_id": 1.5}, "object id 1.5"),
    ],
)
def test_wrong_points_are_refused(xy: Any, others: dict[str, Any], message: str) -> None:
    with refused(message):
        Points(xy, **others)


def test_what_callers_write_becomes_prompts() -> None:
    box = Box((1, 2, 3, 4))
    assert as_prompts("the dog") == (Phrase("the dog"),)
    assert as_prompts(["dog", "cat"]) == (Categories(["dog", "cat"]),)
    assert as_prompts(("dog",)) == (Categories(["dog"]),)
    assert as_prompts(box) == (box,)
    assert as_prompts([box, "the dog", ["cat"]]) == (box, Phrase("the dog"), Categories(["cat"]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "nothing to look for"),
        (None, "cannot take None as a prompt"),
        (3, "cannot take 3 as a prompt"),
        (b"dog", "cannot take b'dog' as a prompt"),
        ({"dog": 1}, "cannot take"),
        (range(3), "cannot take"),
        (np.zeros((100, 100)), r"cannot take an array of shape \(100, 100\)"),
        ([Box((1, 2, 3, 4)), None], "cannot take None"),
        ([Box((1, 2, 3, 4)), ""], "no words"),
        (Path("a.png"), "cannot take"),
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(given: Any, message: str) -> None:
    with refused(message) as told:
        as_prompts(given)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([Box((1, 2, 3, 4), frame=5)], "box on frame 5: the video has frames 0 to 4"),
        ([Mask(DOG, frame=99)], "mask on frame 99"),
        ([Points([(1, 2)], frame=5)], "point.* on frame 5"),  # type: ignore[list-item]
        ([Mask(DOG.T, source="first.png")], "first.png: the mask is 10x20 but the video is 20x10"),
        ([Box((20, 2, 30, 4))], "box 20,2,30,4 lies outside the picture, which is 20x10"),
        ([Box((-9, 2, -3, 4))], "outside the picture"),
        ([Box((1, -5, 3, 0))], "outside the picture"),
        ([Box((1, 2, 200, 9))], "box 1,2,200,9 lies mostly outside the picture, which is 20x10"),
        ([Points([(3, 3), (20, 3)])], "point 20,3 lies outside the picture"),  # type: ignore[list-item]
        ([Points([(3, -1)])], "point 3,-1 lies outside"),  # type: ignore[list-item]
        (
            [Mask(TWO, source="a.png"), Mask(DOG, source="b.png")],
            "b.png: object 4 is already marked on frame 0 by a.png; give each object an id of its own",
        ),
        ([Box((1, 2, 3, 4), object_id=2), Box((5, 2, 8, 4), object_id=2)], "object 2 is already marked on frame 0"),
    ],
)
def test_prompts_that_do_not_fit_the_video_are_refused(prompts: list[Any], message: str) -> None:
    with refused(message):
        check_prompts(prompts, 10, 20, 5)


def test_prompts_that_fit_pass() -> None:
    fitting = [
        Phrase("the dog"),
        Categories("dog,cat"),
        Mask(TWO),
        Mask(DOG, frame=4),
        Box((-2, -2, 23, 11), object_id=4),
        Box((1, 2, 3, 4)),
        Box((1, 2, 3, 4)),
        Points([(0, 0), (19, 9)], (True, False), object_id=4),  # type: ignore[arg-type]
    ]
    check_prompts(fitting, 10, 20, 5)
    check_prompts([Box((1, 2, 3, 4), frame=10**6)], 10, 20, None)
    with refused("has only frame 0"):
        check_prompts([Box((1, 2, 3, 4), frame=1)], 10, 20, 1)
