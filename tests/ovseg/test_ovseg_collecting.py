"""Pairs of regions and nouns, from pictures with captions."""

from __future__ import annotations

import csv
import importlib.util

import numpy as np
import pytest
from PIL import Image
from tests.ovseg.tiny import tiny_segmenter

from singleout.errors import InputError
from singleout.systems.ovseg.adapting import BACKGROUND, for_training
from singleout.systems.ovseg.collecting import Captioned, listed_nouns, nltk_nouns, pairs_of, write_pairs


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return tiny_segmenter(tmp_path_factory.mktemp("letters"))


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (50, 70, 3), dtype=np.uint8)


def test_nouns_of_a_list_are_found_the_longest_first():
    nouns = listed_nouns(["Dog", "hot dog", "traffic  light", "t-shirt"])
    assert nouns("A dog eats a hot dog; the dog wears a T-shirt.") == ["dog", "hot dog", "t-shirt"]
    assert nouns("Traffic light, traffic cones") == ["traffic light"]
    assert nouns("nothing") == [] == listed_nouns([])("a dog")


def test_each_noun_gets_a_region_with_blank_background(segmenter):
    nouns = listed_nouns(["cat", "road"])
    given = Captioned("one", picture(), ("a cat", "the road and the cat"))
    pairs = list(pairs_of(segmenter, given, nouns))
    assert [pair.noun for pair in pairs] == ["cat", "road"]
    for pair in pairs:
        assert pair.region.shape == (224, 224, 3)
        _, inside = for_training(Image.fromarray(pair.region), 224)
        assert inside.any()
        assert np.array_equal(inside.numpy(), (pair.region != BACKGROUND).any(2))


def test_pairs_are_written_as_openclip_reads_them(segmenter, tmp_path):
    pictures = [Captioned("one", picture(), ("a cat",)), Captioned("two", picture(1), ("nothing", "cat, road"))]
    assert write_pairs(segmenter, pictures, listed_nouns(["cat", "road"]), tmp_path / "pairs") == 3
    with (tmp_path / "pairs" / "pairs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["filepath"], row["title"]) for row in rows] == [
        ("one_0.png", "cat"),
        ("two_0.png", "cat"),
        ("two_1.png", "road"),
    ]
    assert all(Image.open(tmp_path / "pairs" / row["filepath"]).size == (224, 224) for row in rows)


def test_nouns_by_nltk_or_how_to_have_them():
    if importlib.util.find_spec("nltk") is None:
        with pytest.raises(InputError, match="give a list of words"):
            nltk_nouns()
    else:
        try:
            nouns = nltk_nouns()
        except InputError as error:
            assert "punkt_tab" in str(error)
        else:
            assert nouns("A dog sits on the grass") == ["dog", "grass"]
