"""Names and sentences to vectors: templates, batches, what is kept, and what is refused."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest
import torch
from tests.bpe_table import MISSING, find_table
from tests.text_towers import official_tower, tiny_words
from torch.nn import functional as F

from singleout.errors import InputError
from singleout.nn.text.clip import convert_names, find_tower
from singleout.nn.text.tokens import ClipTokenizer
from singleout.nn.text.words import OVSEG, UNIVS
from singleout.vocabularies import IMAGENET, REGIONCLIP, VILD, bare_words, packaged_names
from singleout.zoo.embeddings import KeptEmbeddings
from singleout.zoo.tokenizers import copy_tokenizer


@pytest.fixture
def words(tmp_path):
    return tiny_words(tmp_path / "tokenizer")


def plain(words, texts):
    """Each text by itself, all of its tokens."""
    rows = []
    for ids in words.tokens(texts):
        tokens = torch.as_tensor(ids)[None]
        with torch.no_grad():
            rows.append(words.tower(tokens)[0, int(tokens.argmax())])
    return torch.stack(rows)


def test_there_are_as_many_templates_as_published():
    assert (len(IMAGENET), len(REGIONCLIP), len(VILD)) == (80, 81, 14)
    assert REGIONCLIP[:3] == ("{}.", "a photo of a {}.", "a bad photo of a {}.")
    assert all(len(set(templates)) == len(templates) for templates in (IMAGENET, REGIONCLIP, VILD))
    assert [number for number, template in enumerate(VILD) if not template.endswith(".")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("typed", "bare"),
    [
        ("hot_dog", "hot dog"),
        ("traffic_light (2)", "traffic light"),
        ("tench, Tinca tinca,", "tench tinca tinca"),
        ("T-shirt", "t shirt"),
        ("flip/flop + sock", "flip flop sock"),
        ("The 2nd dog, on the left!", "the nd dog on the left"),
        ("Äpfel", "äpfel"),
    ],
)
def test_names_are_cleaned_as_published(typed, bare):
    assert bare_words(typed) == bare


def test_what_texts_begin_with_is_computed_once_with_equal_results(words):
    texts = ["a photo of a cat.", "a photo of a dog in the park.", "a photo of a c"]
    with torch.no_grad():
        together = words.tower.texts(words.tokens(texts))
    torch.testing.assert_close(together, plain(words, texts), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        alone = words.tower.texts(words.tokens(texts[:1]))
    torch.testing.assert_close(alone[0], together[0], rtol=1e-5, atol=1e-5)


def test_a_name_is_the_mean_over_its_templates(words):
    found = words.embed_names(["Hot_Dog"])
    expected = plain(words, [template.format("hot dog") for template in REGIONCLIP]).mean(0)
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-5)


def test_unit_vectors_of_templates_make_unit_vectors_of_names(tmp_path):
    words = tiny_words(tmp_path / "tokenizer", OVSEG)
    found = words.embed_names(["road, route", "Oculus"])
    each = F.normalize(plain(words, [template.format("road, route") for template in VILD]), dim=-1)
    torch.testing.assert_close(found[0], F.normalize(each.mean(0), dim=-1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2))


def test_thousands_of_names_are_like_each_by_itself_and_the_progress_is_told(tmp_path):
    asking = replace(UNIVS, templates=("{}.", "a photo of a {}."))
    words = tiny_words(tmp_path / "tokenizer", asking)
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"{a}{b} {'long ' * (index % 9)}{c}" for index, a in enumerate(letters) for b in letters for c in "xyz"]
    told = []
    table = words.embed_names(names, on_names=lambda done, total: told.append((done, total)))
    assert table.shape == (len(names), 16)
    assert told[-1] == (len(names), len(names))
    assert len(told) > 3
    for row in (0, 777, len(names) - 1):
        torch.testing.assert_close(table[row], words.embed_names([names[row]])[0], rtol=1e-5, atol=1e-5)


def test_a_name_that_is_there_twice_has_two_equal_rows(words):
    told = []
    table = words.embed_names(["dog", "cat", "Dog"], on_names=lambda done, total: told.append(total))
    assert torch.equal(table[0], table[2])
    assert told[-1] == 2


@pytest.mark.parametrize("name", ["", "  ", "123", "(.)"])
def test_a_name_without_a_word_is_refused_by_name(words, name):
    with pytest.raises(InputError, match="has no word in it"):
        words.embed_names(["dog", name])


def test_nothing_asked_is_refused(words):
    with pytest.raises(InputError, match="no category names"):
        words.embed_names([])
    with pytest.raises(InputError, match="no sentences"):
        words.embed_sentences([])


def test_what_is_too_long_is_cut_or_refused_as_published(tmp_path):
    long = " ".join(["dog"] * 40)
    assert tiny_words(tmp_path / "one").embed_names([long]).isfinite().all()
    with pytest.raises(InputError, match="too long"):
        tiny_words(tmp_path / "two", OVSEG).embed_names([long])


def test_sentences_have_words_from_the_first_template_only(words):
    found = words.embed_sentences(["the white Dog", "a cat"])
    assert found.words.shape == (2, 77, 16)
    ids = words.tokens(["the white dog."])[0]
    padded = torch.zeros(1, 77, dtype=torch.int64)
    padded[0, : len(ids)] = torch.as_tensor(ids)
    with torch.no_grad():
        torch.testing.assert_close(found.words[0], words.tower(padded)[0], rtol=1e-5, atol=1e-5)
    expected = plain(words, [template.format("the white dog") for template in REGIONCLIP]).mean(0)
    torch.testing.assert_close(found.sentences[0], expected, rtol=1e-5, atol=1e-5)


def test_names_may_be_asked_once_and_are_kept_apart_then(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "cache"))
    words = tiny_words(tmp_path / "tokenizer", kept=KeptEmbeddings("a" * 64, UNIVS.digest))
    once = words.embed_names(["dog", "cat"], once=True)
    torch.testing.assert_close(once, plain(words, ["dog.", "cat."]), rtol=1e-5, atol=1e-5)
    whole = words.embed_names(["dog", "cat"])
    assert not torch.allclose(once, whole)
    assert torch.equal(words.embed_names(["dog", "cat"], once=True), once)
    assert torch.equal(words.embed_names(["dog", "cat"]), whole)


def test_a_sentence_may_be_asked_once_or_as_it_is_typed(words):
    once = words.embed_sentences(["the white dog"], once=True)
    whole = words.embed_sentences(["the white dog"])
    torch.testing.assert_close(once.sentences, plain(words, ["the white dog."]), rtol=1e-5, atol=1e-5)
    assert torch.equal(once.words, whole.words)
    assert not torch.allclose(once.sentences, whole.sentences)
    typed = words.embed_sentences(["dog 2"], clean=False)
    assert not torch.allclose(typed.sentences, words.embed_sentences(["dog 2"]).sentences)


def test_vectors_are_kept_by_the_content_they_depend_on(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "cache"))
    kept = KeptEmbeddings("a" * 64, UNIVS.digest)
    words = tiny_words(tmp_path / "tokenizer", kept=kept)
    first = words.embed_names(["dog", "cat"])
    again = tiny_words(tmp_path / "tokenizer", kept=KeptEmbeddings("a" * 64, UNIVS.digest))
    told = []
    assert torch.equal(again.embed_names(["cat", "dog"], on_names=lambda *done: told.append(done)), first[[1, 0]])
    assert not told, "what is kept needs no tower"
    for file in kept.folder.iterdir():
        file.write_bytes(file.read_bytes()[:-8])
    assert torch.allclose(again.embed_names(["dog"]), first[:1]), "a damaged file is made again"
    other = tiny_words(tmp_path / "tokenizer", kept=KeptEmbeddings("b" * 64, UNIVS.digest), seed=1)
    assert not torch.allclose(other.embed_names(["dog"]), first[:1])


def test_other_templates_are_kept_apart():
    ways = [UNIVS, OVSEG, replace(UNIVS, templates=UNIVS.templates[:5]), replace(UNIVS, clean=None)]
    assert len({way.digest for way in ways}) == len(ways)


@pytest.mark.parametrize("prefix", ["", "lang_encoder.", "clip_adapter.clip_model."])
def test_a_tower_is_found_wherever_it_stands(prefix):
    state = official_tower(prefix=prefix) | {f"{prefix}visual.proj": torch.zeros(2, 2), "backbone.x": torch.zeros(1)}
    found = find_tower({name: tuple(tensor.shape) for name, tensor in state.items()})
    assert found is not None
    assert (found[0], found[1].width, found[1].num_layers) == (prefix, 64, 2)
    converted = convert_names(state, prefix)
    assert f"{prefix}visual.proj" in converted.ignored
    if prefix:
        assert "backbone.x" in converted.ignored


def test_published_lists_have_their_names():
    assert len(packaged_names("coco")) == 80
    assert packaged_names("coco")[-1] == packaged_names("coco_panoptic")[79]
    with pytest.raises(InputError, match="imagenet are in no list"):
        packaged_names("imagenet")


def test_a_damaged_table_of_byte_pairs_is_refused(tmp_path):
    table = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    table.write_bytes(b"\x1f\x8bnothing")
    with pytest.raises(InputError, match="cannot be read as CLIP's table"):
        copy_tokenizer(table, tmp_path / "tokenizer")
    table.write_bytes(gzip.compress(b"#version: 0.2\na b\n"))
    with pytest.raises(InputError, match="is not CLIP's table"):
        copy_tokenizer(table, tmp_path / "tokenizer")
    assert not (tmp_path / "tokenizer").exists()


def test_clips_own_table_becomes_a_tokenizer(tmp_path):
    table = find_table()
    if table is None:
        pytest.skip(MISSING)
    copy_tokenizer(table, tmp_path / "tokenizer")
    tokenizer = ClipTokenizer.find(tmp_path / "tokenizer")
    assert tokenizer is not None
    # The ids of "a photo of a dog." are printed all over CLIP's own documentation.
    assert tokenizer(["a photo of a dog."]) == [[49406, 320, 1125, 539, 320, 1929, 269, 49407]]
    assert tokenizer(["Tom &amp; Jerry\u2019s"]) == tokenizer(["tom & jerry's"])
