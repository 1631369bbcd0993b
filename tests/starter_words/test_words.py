"""The shipped word table: what is close, what is far, and what the starter says it knows."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.systems.starter.known import KNOWN, Known, Name
from singleout.systems.starter.phrases import parse
from singleout.systems.starter.words import WEIGHTS, Words, split_word

TRAINED = json.loads((Path(__file__).parents[2] / "tools/starter/names/names.json").read_text(encoding="utf-8"))
UNRELATED = [
    "kite",
    "swan",
    "goat",
    "guitar",
    "volcano",
    "camel",
    "dog",
    "horse",
    "cow",
    "parachute",
    "harness",
    "elephant",
    "banana",
    "pizza",
    "piano",
    "rocket",
    "airplane",
    "boat",
    "ship",
    "mountain",
    "river",
    "ocean",
    "spoon",
    "fork",
    "knife",
    "laptop",
    "keyboard",
    "telephone",
    "candle",
    "mushroom",
    "spider",
    "butterfly",
    "fish",
    "shark",
    "whale",
    "penguin",
    "owl",
    "eagle",
    "frog",
    "snake",
    "turtle",
    "sofa",
    "table",
    "chair",
    "bed",
    "oven",
    "refrigerator",
    "hammer",
    "screwdriver",
    "ladder",
    "umbrella",
    "balloon",
    "ball",
    "tent",
    "moon",
    "bridge",
    "windmill",
    "igloo",
    "submarine",
    "democracy",
]


@pytest.fixture(scope="module")
def words() -> Words:
    return Words.load()


@pytest.fixture(scope="module")
def known(words: Words) -> Known:
    return Known.load(words)


def test_the_table_is_small_and_is_the_one_on_record() -> None:
    size = sum((WEIGHTS / name).stat().st_size for name in ("words.safetensors", "words.txt", "words-known.json"))
    assert size <= 8_000_000
    record = json.loads((WEIGHTS / "words.json").read_text(encoding="utf-8"))
    for name, digest in record["outputs"].items():
        assert hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() == digest, name


def test_it_loads_without_torch_or_transformers() -> None:
    code = (
        "import sys; from singleout.systems.starter.words import Words;"
        "from singleout.systems.starter.known import Known;"
        "Known.load(Words.load()).vector('the taxi');"
        "print([name for name in ('torch', 'transformers', 'tokenizers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_vectors_have_unit_length(words: Words) -> None:
    vectors = words.encode(["a man in a red suit", "suv", "sunflowerish", "mountain goat"])
    assert vectors.shape == (4, words.dim) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    assert words.encode([]).shape == (0, words.dim)
    assert not words.encode(["?!"]).any()


def test_the_noun_that_is_meant_weighs_most(words: Words) -> None:
    man, suit, dog = words.encode(["man", "suit", "dog"])
    for text in ("the man in the suit", "a man with a dog", "the tall man on the left"):
        vector = words.encode([text])[0]
        assert vector @ man > 0.9
        assert vector @ man > max(vector @ suit, vector @ dog) + 0.3


def test_plurals_articles_and_hyphens_do_not_matter(words: Words) -> None:
    for one, other in [("car", "the cars"), ("woman", "women"), ("passer-by", "passers-by"), ("t-shirt", "a T-shirt")]:
        a, b = words.encode([one, other])
        assert a @ b > 0.7, (one, other)


@pytest.mark.parametrize("thing", ["person", "car"])
def test_synonyms_that_were_not_trained_are_known(known: Known, thing: str) -> None:
    held_out = TRAINED[thing]["held_out"]
    assert len(held_out) == 10
    assert not set(held_out) & {name.name for name in known.names}
    for word in held_out:
        found = known.lookup(word)
        assert (found.thing, found.known) == (thing, True), (word, found)
        assert known.lookup(f"the {word} on the left").thing == thing


@pytest.mark.parametrize("thing", ["person", "car"])
def test_a_synonym_looks_for_what_was_trained(known: Known, thing: str) -> None:
    trained = np.stack([known.vector(name) for name in TRAINED[thing]["names"]])
    other = known.vector("car" if thing == "person" else "person")
    for word in TRAINED[thing]["held_out"]:
        vector = known.vector(word)
        assert (trained @ vector).max() > 0.8, word
        assert (trained @ vector).max() > vector @ other + 0.4, word


def test_unrelated_words_are_far_from_all_photographs(known: Known) -> None:
    for word in ("kite", "swan", "goat", "guitar", "volcano"):
        assert not known.lookup(word, photos_only=True).known, word
    far = [known.lookup(word, photos_only=True).similarity < KNOWN for word in UNRELATED]
    assert len(far) == 60 and np.mean(far) >= 0.95


def test_words_it_cannot_see_are_not_known(known: Known) -> None:
    for word in ("democracy", "happiness", "blorptang", "xqzw", "the idea", "frobnicator", "the largest one"):
        found = known.lookup(word)
        assert not found.known, (word, found)
        assert len(found.nearest) == 3


def test_what_was_only_drawn_is_told_apart(known: Known) -> None:
    assert known.lookup("volcano").source == "sprite"
    assert known.lookup("a tall man").source == "photo"


def test_a_trained_name_keeps_its_vector(known: Known) -> None:
    for row, name in enumerate(known.names):
        assert known.lookup(name.name).known, name
        if name.source == "photo" and parse(name.name).phrase == name.name:
            assert known.vector(name.name) @ known.vectors[row] > 0.99, name


def test_people_who_were_only_drawn_are_looked_for_as_people(known: Known) -> None:
    person = np.stack([known.vector(name) for name in TRAINED["person"]["names"]])
    for word in ("nurse", "police officer", "surfer", "acrobat"):
        found = known.lookup(word)
        assert (found.thing, found.source) == ("person", "photo"), word
        assert (person @ known.vector(word)).max() > 0.8, word


def test_other_names_can_be_given(words: Words) -> None:
    fruit = Known([Name("apple", "fruit", "photo"), Name("pear", "fruit", "photo")], words)
    assert fruit.lookup("apple").known
    assert not fruit.lookup("car").known


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"words\.safetensors is missing"):
        Words.load(tmp_path)
    with pytest.raises(InputError, match=r"words-known\.json is missing"):
        Known.load(Words.load(), tmp_path)


def test_a_list_of_another_build_is_refused(words: Words) -> None:
    with pytest.raises(InputError, match="2 lines but the table 3 rows"):
        Words(["a", "b"], np.zeros((3, 4), np.float16), np.zeros(3, np.float16))


def test_split_word() -> None:
    assert split_word("sunflower", {"sun", "sunf"}, {"flower", "lower"}) == ["sunf", "lower"]
    assert split_word("sun", {"sun"}, {"n"}) == ["sun"]
    assert split_word("sun", {"sun", "su"}, {"n"}, whole=False) == ["su", "n"]
    assert split_word("moon", {"sun"}, {"n"}) is None
