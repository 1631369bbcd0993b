"""The classifier that names what the starter cut out, and what becomes of words that it does or does not know."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import singleout
from singleout.errors import InputError
from singleout.systems.starter.known import Known
from singleout.systems.starter.namer import SIDE, Namer, cut_out
from singleout.systems.starter.requests import NAMED_THRESHOLD, THRESHOLD, read_requests
from singleout.systems.starter.words import Words


@pytest.fixture(scope="module")
def namer() -> Namer:
    return Namer.load()


@pytest.fixture(scope="module")
def known() -> Known:
    return Known.load(Words.load())


def test_classes_are_found_by_their_name_and_by_what_they_are(namer):
    assert len(namer.names) == 1000
    count = {noun: int(namer.classes(noun).sum()) for noun in ("golden retriever", "dog", "bird", "animal", "swan")}
    assert count["golden retriever"] == count["swan"] == 1
    assert count["dog"] > 100 and count["bird"] > 50
    assert 390 <= count["animal"] <= 400
    for noun in ("boxer", "kite", "entity", "organism", "zzz"):
        assert not namer.knows(noun), f"{noun} first means something else, or too much"
    assert namer.knows("cow") and namer.knows("bicycle") and namer.knows("car")


def test_a_cut_out_shows_the_object_in_the_middle_and_fades_the_rest():
    picture = torch.zeros(1, 3, 160, 240)
    picture[..., 40:80, 120:200] = 1.0
    mask = torch.zeros(40, 60)
    mask[10:20, 30:50] = 0.9
    cut = cut_out(picture, mask)
    assert cut.shape == (1, 3, SIDE, SIDE)
    assert cut[..., SIDE // 2 - 36 : SIDE // 2 + 36, 30:-30].min() > 0.95
    assert 0.25 < float(cut[..., 20, 20].mean()) < 0.35
    assert torch.isfinite(cut_out(picture, torch.zeros(40, 60))).all()


def test_probabilities_of_each_object(namer):
    picture = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (1, 3, 96, 128), dtype=np.uint8))
    masks = torch.zeros(2, 24, 32)
    masks[0, 4:12, 4:20] = masks[1, 10:20, 16:30] = 1
    seen = namer.look(picture, masks)
    assert seen.shape == (2, 1000)
    assert torch.allclose(seen.sum(dim=1), torch.ones(2), atol=1e-4)
    assert namer.look(picture, masks[:0]).shape == (0, 1000)


def test_files_that_are_missing_are_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"namer\.safetensors.*install singleout again"):
        Namer.load(tmp_path)


def test_how_each_noun_is_judged(namer, known):
    asked = [singleout.Phrase(text) for text in ("a girl in red", "a swan", "the red car", "a kite", "a zebra")]
    person, swan, car, kite, zebra = read_requests(asked, known, namer, None, guess=False).each
    assert not person.named and not car.named and person.threshold == car.threshold == THRESHOLD
    assert swan.named and zebra.named and swan.threshold == NAMED_THRESHOLD
    assert kite.unknown.count("kite") == 1 and "larger models" in kite.unknown
    guessed = read_requests(asked[3:4], known, namer, None, guess=True).each[0]
    assert not guessed.unknown and guessed.threshold == 0
    assert read_requests(asked[:2], known, namer, 0.4, guess=False).each[1].threshold == 0.4


def test_contraries_are_animals_for_what_was_learned_from_photographs(namer, known):
    requests = read_requests([singleout.Phrase("a woman"), singleout.Phrase("a dog")], known, namer, None, guess=False)
    woman, dog = requests.each
    assert torch.equal(requests.contrary[woman.head], namer.classes("animal"))
    assert dog.head not in requests.contrary and torch.equal(requests.meant[dog.head], namer.classes("dog"))
