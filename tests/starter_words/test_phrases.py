"""What is understood of the sentences that people say about things in videos."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from singleout.systems.starter.lexicon import singular
from singleout.systems.starter.phrases import parse

HEADS = {
    "the man in the suit": "man",
    "woman wearing a hat on the left": "woman",
    "car parked behind the tree": "car",
    "second dog from the left": "dog",
    "the building": "building",
    "brick building on the right side": "building",
    "a person crossing over the street": "person",
    "a traffic light": "light",
    "the dog that is running": "dog",
    "girl dancing in blue": "girl",
    "a horse ridden by a woman": "horse",
    "strings of a kite": "string",
    "a grey colored mountain goat": "goat",
    "a golden retriever": "retriever",
    "The Passers-by": "passer-by",
    "two men in black suits": "man",
    "a group of people walking": "people",
    "a pair of shoes": "shoe",
    "a glass of water": "glass",
    "top left car": "car",
    "red top": "top",
    "an orange": "orange",
    "an orange car": "car",
    "two olives on a plate": "olive",
    "a brown chestnut": "chestnut",
    "the red": "thing",
    "his left shoe": "shoe",
    "swimming pool": "pool",
    "the largest one": "thing",
    "jeans": "jeans",
    "the buses": "bus",
    "the girl's dress": "dress",
    "man drawing a horse": "man",
}


@pytest.mark.parametrize(("text", "head"), HEADS.items())
def test_the_noun_that_is_meant(text: str, head: str) -> None:
    assert parse(text).head == head


def test_clothes_hair_and_their_colors_belong_to_the_thing() -> None:
    asked = parse("a girl with blonde hair dressed in blue")
    assert [(part.relation, part.noun, part.colors) for part in asked.attributes] == [
        ("with", "hair", ("yellow",)),
        ("wearing", "", ("blue",)),
    ]
    asked = parse("the man who is wearing a blue tie and a white shirt")
    assert [(part.relation, part.noun, part.colors) for part in asked.attributes] == [
        ("wearing", "tie", ("blue",)),
        ("wearing", "shirt", ("white",)),
    ]
    asked = parse("a blonde haired girl in a black and white dress")
    assert asked.phrase == "girl" and asked.colors == ()
    assert {(part.noun, part.colors) for part in asked.attributes} == {
        ("hair", ("yellow",)),
        ("dress", ("black", "white")),
    }


def test_places_are_no_clothes() -> None:
    asked = parse("a black car in a garage next to the tree")
    assert asked.attributes == ()
    assert asked.colors == ("black",)
    assert [(part.relation, part.noun) for part in asked.context] == [("in", "garage"), ("next to", "tree")]


def test_colors_are_brought_to_plain_ones() -> None:
    assert parse("a dark-green van").colors == ("green",)
    assert parse("the navy car").colors == ("blue",)
    assert parse("a black-and-white dog").colors == ("black", "white")
    assert parse("a space-grey car").colors == ("gray",)


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("the left car", ("left",)),
        ("leftmost person", ("left",)),
        ("the dog on the far right", ("right",)),
        ("the car in front", ("front",)),
        ("a van in the background", ("back",)),
        ("the dog closest to the camera", ("front",)),
        ("the car on the top left", ("top", "left")),
        ("the largest dog", ("largest",)),
        ("the tallest building in the back", ("largest", "back")),
        ("the smallest cat in the middle", ("smallest", "middle")),
        ("a man", ()),
    ],
)
def test_positions(text: str, positions: tuple[str, ...]) -> None:
    assert parse(text).positions == positions


def test_a_place_beside_something_else_is_a_relation_to_it() -> None:
    for text in ("the dog to the left of the car", "dog left of the car", "dog on the left side of the car"):
        asked = parse(text)
        assert asked.positions == ()
        assert [(part.relation, part.noun) for part in asked.context] == [("left of", "car")]


def test_counting() -> None:
    assert (parse("second dog from the left").ordinal, parse("second dog from the left").positions) == (2, ("left",))
    assert (parse("the third man from the right").ordinal, parse("man third from the right").ordinal) == (3, 3)
    assert parse("the last car").ordinal == -1


@pytest.mark.parametrize("text", ["all dogs", "the cars", "people", "both men", "every person", "a group of people"])
def test_several_are_meant(text: str) -> None:
    assert parse(text).plural


@pytest.mark.parametrize("text", ["the dog", "a man in jeans", "glasses", "the bus", "a pair of jeans", "grass"])
def test_one_is_meant(text: str) -> None:
    assert not parse(text).plural


def test_what_is_absent_is_not_an_attribute() -> None:
    asked = parse("a person without a hat")
    assert asked.negated == ("hat",) and asked.attributes == ()
    assert parse("a man not wearing a shirt").negated == ("shirt",)


@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    asked = parse(text)
    assert isinstance(asked.head, str) and asked.phrase.endswith(asked.head)


@given(
    st.lists(
        st.sampled_from(
            [
                "the",
                "a",
                "red",
                "man",
                "men",
                "dog",
                "in",
                "on",
                "left",
                "of",
                "behind",
                "wearing",
                "hat",
                "and",
                "blue",
                "all",
            ]
        ),
        max_size=9,
    )
)
def test_any_order_of_known_words_is_taken(words: list[str]) -> None:
    asked = parse(" ".join(words))
    assert bool(asked.head) == bool(words)


def test_singular() -> None:
    pairs = {"boxes": "box", "ladies": "lady", "knives": "knife", "buses": "bus", "glass": "glass", "shoes": "shoe"}
    assert {plural: singular(plural) for plural in pairs} == pairs
