"""Token ids from the files of a folder, as they lie beside a checkpoint."""

from __future__ import annotations

import json

import pytest

from singleout.errors import InputError
from singleout.nn.text.tokens import FolderTokenizer, pad_tokens

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = ["t", "h", "e", "\u0120", "d", "o", "g", "th", "the", "\u0120d"]


@pytest.fixture
def folder(tmp_path):
    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *WORDS])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\nt h\nth e\n\u0120 d\n", encoding="utf-8")
    return tmp_path


def test_a_folder_of_the_usual_files_reads_sentences(folder):
    tokenizer = FolderTokenizer.find(folder)
    assert tokenizer is not None
    numbers = {word: place for place, word in enumerate([*SPECIAL, *WORDS])}
    assert tokenizer(["the dog", "the"]) == [
        [numbers[word] for word in ("<s>", "the", "\u0120d", "o", "g", "</s>")],
        [numbers[word] for word in ("<s>", "the", "</s>")],
    ]


def test_no_files_are_no_tokenizer_and_damaged_ones_are_said_to_be(folder, tmp_path_factory):
    assert FolderTokenizer.find(tmp_path_factory.mktemp("empty")) is None
    (folder / "vocab.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read") as refused:
        FolderTokenizer.find(folder)
    assert "\n" not in str(refused.value)


def test_short_sentences_are_filled_up():
    ids, padding = pad_tokens([[0, 5, 2], [0, 2]], pad_id=1)
    assert ids.tolist() == [[0, 5, 2], [0, 2, 1]]
    assert padding.tolist() == [[False, False, False], [False, False, True]]
