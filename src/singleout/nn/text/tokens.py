"""Sentences to token ids, by the tokenizer files that lie beside a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from singleout.errors import InputError

_ENOUGH = (("tokenizer.json",), ("vocab.json", "merges.txt"))


class Tokenizer(Protocol):
    """Turns sentences into token ids."""

    def __call__(self, sentences: Sequence[str]) -> list[list[int]]:
        """The ids of each sentence with the tokens that begin and end it."""


@dataclass(frozen=True)
class FolderTokenizer:
    """The byte-pair tokenizer of RoBERTa from ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``, of a folder."""

    tokenizer: Any

    @classmethod
    def find(cls, folder: Path) -> FolderTokenizer | None:
        """The tokenizer of a folder, None where its files are not there. Raises InputError for damaged ones."""
        if not any(all((folder / name).is_file() for name in names) for names in _ENOUGH):
            return None
        from transformers import RobertaTokenizerFast

        try:
            return cls(RobertaTokenizerFast.from_pretrained(str(folder), local_files_only=True))
        except Exception as error:  # the reader of these files raises anything
            why = " ".join(str(error).split())[:200]
            raise InputError(
                f"{folder}: the tokenizer files cannot be read ({why}); put those of roberta-base there"
            ) from error

    def __call__(self, sentences: Sequence[str]) -> list[list[int]]:
        """See `Tokenizer`. Sentences are taken as they are: no lower-casing, no cutting."""
        return [list(map(int, ids)) for ids in self.tokenizer(list(sentences))["input_ids"]]


def pad_tokens(sentences: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids filled up to the longest, (num_sentences, length) int64, and where they are filled up, bool.

    Raises InputError for a sentence without ids.
    """
    if not all(len(ids) for ids in sentences):
        raise InputError("a sentence without token ids: give at least one")
    length = max(len(ids) for ids in sentences)
    padded = torch.full((len(sentences), length), pad_id)
    for row, ids in enumerate(sentences):
        padded[row, : len(ids)] = torch.as_tensor(ids)
    return padded, padded == pad_id
