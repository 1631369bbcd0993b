"""Category names as data sets write them, and the sentences that they are put in."""

from __future__ import annotations

import pytest

from singleout.errors import InputError
from singleout.vocabularies import PHOTO, PLAIN, clean_name, clean_names, fill, with_article


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("traffic_light", "traffic light"),
        ("Person", "person"),
        ("bow_(decorative_ribbons)", "bow"),
        ("sky-other-merged", "sky"),
        ("dining table, board", "dining table"),
        ("playing-field", "playing field"),
        ("t-shirt", "t-shirt"),
        ("passer-by", "passer-by"),
        ("/path", "path"),
        ("  two   words ", "two words"),
    ],
)
def test_clean_name(written: str, said: str) -> None:
    assert clean_name(written) == said
    assert clean_name(said) == said


def test_names_without_words_and_doubles_are_refused() -> None:
    with pytest.raises(InputError, match="has no word in it"):
        clean_name("(other)")
    with pytest.raises(InputError, match="both mean 'sky'"):
        clean_names(["sky", "Sky-other"])
    assert clean_names(["Car", "traffic_light"]) == ["car", "traffic light"]


def test_sentences() -> None:
    assert fill(PLAIN, "apple") == ["apple"]
    assert fill(PHOTO, "apple")[0] == "a photo of an apple."
    assert fill(PHOTO, "trees")[2] == "trees in a video."
    assert [with_article(name) for name in ("bus", "glass", "uniform", "jeans", "umbrella")] == [
        "a bus",
        "a glass",
        "a uniform",
        "jeans",
        "an umbrella",
    ]
