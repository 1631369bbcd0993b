"""Colours, motion, and the choice among objects by what a sentence says of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from singleout.systems.starter.colors import COLORS, color_map, to_lch
from singleout.systems.starter.judge import Evidence, Sight, choose
from singleout.systems.starter.lexicon import COLORS as SAID
from singleout.systems.starter.matching import read_local
from singleout.systems.starter.motion import displacement, motion_map
from singleout.systems.starter.phrases import parse

PAINT = {
    "black": (12, 12, 14),
    "white": (245, 245, 240),
    "gray": (128, 128, 130),
    "red": (200, 30, 35),
    "orange": (240, 130, 20),
    "brown": (110, 70, 40),
    "yellow": (245, 220, 40),
    "green": (40, 140, 50),
    "blue": (40, 80, 190),
    "purple": (120, 40, 150),
    "pink": (245, 150, 190),
}


@pytest.mark.parametrize("name", sorted(PAINT))
def test_a_colour_is_called_by_its_name_above_all(name):
    patch = torch.tensor(PAINT[name]).float()[:, None, None] / 255
    fits = {color: float(color_map(to_lch(patch), color)) for color in COLORS}
    assert max(fits, key=fits.__getitem__) == name
    assert fits[name] > 0.5


def test_every_colour_that_is_understood_can_be_measured():
    assert set(SAID.values()) <= COLORS


def test_motion_is_what_moves_against_the_camera():
    generator = torch.Generator().manual_seed(3)
    ground, thing = (
        torch.nn.functional.normalize(torch.randn(16, *size, generator=generator), dim=0) * 30**0.5
        for size in ((40, 60), (8, 6))
    )

    def frame(step):
        """The camera goes two cells to the right and one down each step, the thing two to the left."""
        seen = ground[:, 8 + step : 32 + step, 8 + 2 * step : 48 + 2 * step].clone()
        seen[:, 8:16, 20 - 2 * step : 26 - 2 * step] = thing
        return seen

    here = frame(0)
    moved = displacement(here, frame(1))
    assert torch.allclose(moved[:, 12, 10], torch.tensor([-2.0, -1.0]), atol=0.1)
    assert torch.allclose(moved[:, 12, 23], torch.tensor([-2.0, 0.0]), atol=0.1)
    moving = motion_map(here, [frame(-1), frame(1)])
    assert moving[9:15, 21:25].min() > 0.5
    assert moving[18:23, 3:37].max() < 0.2 and moving[2:6, 3:37].max() < 0.2
    assert float(motion_map(here, [here]).max()) < 0.05
    assert float(motion_map(here, []).max()) == 0


def seen(x=0.5, y=0.5, area=0.05, motion=0.1, word=0.8, **colors):
    sight = Sight(np.array([word], np.float32), colors, area, x, y, y + 0.1, motion)
    return Evidence({0: sight, 8: sight})


def chosen(text, **objects):
    numbered = dict(enumerate(objects.values(), 1))
    heads = {number: evidence.word(0) for number, evidence in numbered.items()}
    worn = {number: [0.0] * len(parse(text).attributes) for number in numbered}
    names = list(objects)
    return [names[number - 1] for number in choose(parse(text), heads, numbered, worn)]


def test_a_sentence_chooses_by_colour_place_and_order():
    assert chosen("the red car", gray=seen(red=0.01), red=seen(red=0.6)) == ["red"]
    assert chosen("a man in a red shirt", gray=seen(red=0.01), red=seen(red=0.2, word=0.7)) == ["red"]
    assert chosen("the man on the left", right=seen(x=0.8), left=seen(x=0.2)) == ["left"]
    assert chosen("the largest dog", small=seen(area=0.01), large=seen(area=0.1)) == ["large"]
    people = {"third": seen(x=0.9), "first": seen(x=0.1), "second": seen(x=0.5)}
    assert chosen("the second man from the left", **people) == ["second"]
    assert chosen("the last man from the left", **people) == ["third"]
    assert chosen("the fourth man", **people) == []


def test_a_sentence_that_says_nothing_more_means_what_moves_in_the_middle():
    crowd = {"left": seen(x=0.1), "dancer": seen(motion=0.8, area=0.08), "right": seen(x=0.9)}
    assert chosen("a man dancing", **crowd) == ["dancer"]


def test_a_plural_means_all_that_fit():
    assert sorted(chosen("two dogs", a=seen(word=0.9), b=seen(word=0.8), c=seen(word=0.1))) == ["a", "b"]


def test_matching_reads_the_same_with_and_without_training():
    dice = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 2, 16, 12, 18, generator=dice)
    labels = torch.rand(2, 3, 12, 18, generator=dice)
    expected = read_local(query, key, labels, 4)
    with torch.no_grad():
        found = read_local(query, key, labels, 4)
    assert torch.allclose(found, expected, atol=1e-5)
