"""``singleout classifier`` and towers on the command line: tables made, checked, compared, and what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tests.text_towers import official_tower, tiny_words, write_letters
from tests.zoo.tiny_system import TinySegmenter, TinySystem, official_state

from singleout.cli.main import main
from singleout.errors import InputError
from singleout.nn.text.words import UNIVS
from singleout.vocabularies.combined import UNIVS_PARTS
from singleout.zoo import load
from singleout.zoo.embeddings import read_table
from singleout.zoo.words import FoundWords, open_words

ROWS = max(part.offset + part.count for part in UNIVS_PARTS.values())


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SINGLEOUT_OFFLINE", "1")


@pytest.fixture
def tower(tmp_path):
    """A tower as UniVS's authors publish theirs, with a tokenizer beside it."""
    file = tmp_path / "official" / "lang_encoder.pth"
    file.parent.mkdir()
    torch.save({"model": official_tower()}, file)
    write_letters(file.parent / "tokenizer")
    return file


@pytest.fixture
def names(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("dog\nhot_dog\ncat\ndog\n", encoding="utf-8")
    return file


def refused(capsys, *words):
    assert main(["classifier", *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    return error


def test_names_become_a_table_in_every_form(tower, names, tmp_path, capsys):
    for ending in (".npy", ".pth", ".safetensors"):
        out = tmp_path / f"names{ending}"
        assert main(["classifier", "make", str(names), "--out", str(out), "--tower", str(tower), "--quiet"]) == 0
        assert capsys.readouterr().out.strip() == str(out)
        table = read_table(out)
        expected = tiny_words(tmp_path / "tokenizer").embed_names(["dog", "hot_dog", "cat", "dog"])
        np.testing.assert_allclose(table, expected.numpy(), rtol=1e-5, atol=1e-5)
    assert main(["classifier", "compare", str(tmp_path / "names.npy"), str(tmp_path / "names.pth")]) == 0
    assert "all of them equal" in capsys.readouterr().out


def test_a_converted_tower_gives_the_same_table(tower, names, tmp_path, capsys):
    folder = tmp_path / "text"
    assert main(["convert", str(tower), "--to", str(folder)]) == 0
    assert "CLIP's text tower" in capsys.readouterr().err
    assert (folder / "tokenizer" / "vocab.json").is_file()
    tables = []
    for source in (tower, folder):
        tables.append(open_words(source, UNIVS, keep=False).embed_names(["dog", "cat"]))
    assert torch.equal(*tables)
    with pytest.raises(InputError, match="segments nothing by itself"):
        load(folder)


def test_a_model_finds_the_tower_in_its_folder_or_says_how_to_get_it(tower, tmp_path):
    words = FoundWords("univs/regionclip-text-encoder", "univs/category-embeddings", tmp_path / "model")
    with pytest.raises(InputError, match="singleout get univs/regionclip-text-encoder fetches it"):
        words.embed_names(["dog"])
    with pytest.raises(InputError, match="singleout get univs/regionclip-text-encoder fetches it"):
        words.embed_vocabulary("vipseg")
    assert main(["convert", str(tower), "--to", str(tmp_path / "model" / "text")]) == 0
    expected = tiny_words(tmp_path / "tokenizer")
    assert torch.allclose(words.embed_names(["dog"]), expected.embed_names(["dog"]), atol=1e-5)
    assert words.embed_sentences(["a dog"]).words.shape == (1, 77, 16)
    table = np.random.default_rng(0).normal(size=(ROWS, 16)).astype(np.float32)
    np.save(tmp_path / "model" / "text" / "category_embeddings.npy", table)
    part = UNIVS_PARTS["vipseg"]
    np.testing.assert_array_equal(words.embed_vocabulary("vipseg").numpy(), table[part.offset :][:124])


def test_a_tower_without_a_tokenizer_says_how_to_add_one(tower, names, tmp_path, capsys):
    for file in (tower.parent / "tokenizer").iterdir():
        file.unlink()
    error = refused(capsys, "make", names, "--out", tmp_path / "names.npy", "--tower", tower)
    assert "bpe_simple_vocab_16e6.txt.gz" in error
    assert not (tmp_path / "names.npy").exists()
    letters = write_letters(tmp_path / "letters")
    assert main(["get", "clip", "--tokenizer-only", "--tokenizer", str(letters)]) == 0
    make = ["classifier", "make", str(names), "--out", str(tmp_path / "names.npy"), "--tower", str(tower), "--quiet"]
    assert main(make) == 0


def test_tables_are_compared_row_by_row(names, tmp_path, capsys):
    dice = np.random.default_rng(0)
    one = dice.normal(size=(4, 8)).astype(np.float32)
    other = one.copy()
    other[2] = -one[2]
    np.save(tmp_path / "one.npy", one)
    torch.save(torch.from_numpy(other), tmp_path / "other.pth")
    arguments = ["classifier", "compare", str(tmp_path / "one.npy"), str(tmp_path / "other.pth")]
    assert main([*arguments, "--names", str(names), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["least_cosine"] == pytest.approx(-1)
    assert next(iter(facts["least_alike"])) == "cat"
    assert facts["share_nearest_to_its_own"] == 0.75
    assert not facts["equal"]


def test_what_is_no_table_is_refused(names, tmp_path, capsys):
    np.save(tmp_path / "good.npy", np.ones((4, 8), np.float32))
    np.save(tmp_path / "narrow.npy", np.ones((4, 7), np.float32))
    np.save(tmp_path / "whole.npy", np.ones((4, 8), np.int64))
    np.save(tmp_path / "holes.npy", np.full((4, 8), np.nan, np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-9])
    torch.save({"a": torch.ones(4, 8)}, tmp_path / "weights.pth")
    good = tmp_path / "good.npy"
    cases = {
        "narrow.npy": "only tables of the same names in the same space",
        "whole.npy": "expected a table with one row of decimals a name",
        "holes.npy": "holds what is no number in row 0",
        "objects.npy": "cannot be read as a table of numpy",
        "cut.npy": "cannot be read as a table of numpy",
        "weights.pth": "expected one tensor and nothing else",
        "nowhere.npy": "is not there",
    }
    for name, why in cases.items():
        assert why in refused(capsys, "compare", good, tmp_path / name)


def test_what_cannot_be_made_is_refused(tower, names, tmp_path, capsys):
    out = tmp_path / "names.npy"
    make = ("make", names, "--tower", tower, "--out")
    assert "give one of these endings" in refused(capsys, *make, tmp_path / "names.txt.gz")
    out.write_bytes(b"mine")
    assert "is there already" in refused(capsys, *make, out)
    assert out.read_bytes() == b"mine"
    assert "there is no checkpoint" in refused(
        capsys, "make", names, "--tower", "clip/none", "--out", tmp_path / "a.npy"
    )
    names.write_text("dog\n\ncat\n", encoding="utf-8")
    assert "line 2: there is no name" in refused(capsys, *make, tmp_path / "b.npy")
    names.write_text("dog\n12\n", encoding="utf-8")
    assert "'12' has no word in it" in refused(capsys, *make, tmp_path / "b.npy")


@pytest.mark.needs_shared
def test_the_combined_names_stand_where_the_table_says(shared, tmp_path, capsys):
    names = shared / "reference" / "univs" / "names.txt"
    np.save(tmp_path / "table.npy", np.ones((ROWS, 640), np.float32))
    arguments = ["classifier", "check", str(names), "--table", str(tmp_path / "table.npy")]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert f"{ROWS} rows of 640 numbers" in told
    assert all(key in told for key in UNIVS_PARTS)
    np.save(tmp_path / "table.npy", np.ones((ROWS - 1, 640), np.float32))
    assert f"{ROWS} are due" in refused(capsys, *arguments[1:])
    lines = names.read_text(encoding="utf-8").splitlines()
    (tmp_path / "names.txt").write_text("\n".join([*lines[1:], lines[0]]), encoding="utf-8")
    assert "the rows are shifted" in refused(capsys, "check", tmp_path / "names.txt")


@dataclass(frozen=True)
class WordySystem(TinySystem):
    """A system that reads words through a tower of its own."""

    name: str = "wordy"
    title: str = "Wordy"
    tokenizer: str | None = "openai/clip-vit-base-patch32"
    text_tower: str = "wordy/tower"
    name_table: str | None = "wordy/table"

    def segmenter(self, network, variant, *, name, tokenizer, words=None):
        made = TinySegmenter(network, name, tokenizer)
        made.words = words
        return made


WORDY = WordySystem()


def test_a_converted_model_carries_its_tower_and_table(tower, tmp_path, monkeypatch, capsys):
    publisher = {"title": "Wordy", "repository": "https://x", "paper": "https://x", "licence_code": None}
    publisher |= {"trained_on": ["x"], "licence_data": "x"}
    parts = ("tower", "table")
    entries = [{"name": f"wordy/{part}", "kind": "part", "trained": "x", "file": f"{part}.pth"} for part in parts]
    catalogue = tmp_path / "catalogue.json"
    catalogue.write_text(json.dumps({"systems": {"wordy": publisher}, "checkpoints": entries}), encoding="utf-8")
    monkeypatch.setenv("SINGLEOUT_CATALOGUE", str(catalogue))
    official, table = tmp_path / "official.pth", torch.randn(ROWS, 16)
    torch.save(official_state(), official)
    letters = str(tower.parent / "tokenizer")
    convert = ["convert", str(official), "--system", f"{__name__}:WORDY", "--tokenizer", letters]
    assert main([*convert, "--to", str(tmp_path / "bare")]) == 0
    assert "singleout get wordy/tower, then singleout convert wordy/tower" in capsys.readouterr().err
    words = load(tmp_path / "bare", system=WORDY).words
    with pytest.raises(InputError, match="wordy/tower is not here"):
        words.embed_names(["dog"])

    torch.save(table, tmp_path / "table.pth")
    for part, file in (("tower", tower), ("table", tmp_path / "table.pth")):
        assert main(["get", f"wordy/{part}", "--file", str(file)]) == 0
    assert main([*convert, "--to", str(tmp_path / "model")]) == 0
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "another"))
    words = load(tmp_path / "model", system=WORDY).words
    expected = tiny_words(tmp_path / "letters").embed_names(["dog"])
    assert torch.allclose(words.embed_names(["dog"]), expected, atol=1e-5)
    part = UNIVS_PARTS["ovis"]
    assert torch.equal(words.embed_vocabulary("ovis"), table[part.offset :][: part.count])
