"""Sentences to token ids, by the tokenizer files that lie beside a checkpoint."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from singleout.errors import InputError

_ENOUGH = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_PLAIN_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


class Tokenizer(Protocol):
    """Turns sentences into token ids."""

    def __call__(self, sentences: Sequence[str]) -> list[list[int]]:
        """The ids of each sentence with the tokens that begin and end it."""


@dataclass(frozen=True)
class FolderTokenizer:
    """The byte-pair tokenizer of RoBERTa from ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``, of a folder."""

    tokenizer: Any

    #: Class of transformers that reads the files, and whose files they are.
    reader: ClassVar[str] = "RobertaTokenizerFast"
    owner: ClassVar[str] = "roberta-base"

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The tokenizer of a folder, None where its files are not there. Raises InputError for damaged ones."""
        if not any(all((folder / name).is_file() for name in names) for names in _ENOUGH):
            return None
        import transformers

        try:
            return cls(getattr(transformers, cls.reader).from_pretrained(str(folder), local_files_only=True))
        except Exception as error:  # the reader of these files raises anything
            why = " ".join(str(error).split())[:200]
            raise InputError(
                f"{folder}: the tokenizer files cannot be read ({why}); put those of {cls.owner} there"
            ) from error

    def __call__(self, sentences: Sequence[str]) -> list[list[int]]:
        """See `Tokenizer`. Sentences are taken as they are: no lower-casing, no cutting."""
        return [list(map(int, ids)) for ids in self.tokenizer(list(sentences))["input_ids"]]


@dataclass(frozen=True)
class ClipTokenizer(FolderTokenizer):
    """CLIP's byte-pair tokenizer from the same files, with lower-casing and the tokens that begin and end a text."""

    reader: ClassVar[str] = "CLIPTokenizerFast"
    owner: ClassVar[str] = "openai/clip-vit-base-patch32"

    def __call__(self, sentences: Sequence[str]) -> list[list[int]]:
        """See `Tokenizer`. Nothing is cut.

        CLIP mends texts before it reads them. Of that, escapes of web pages and curly quotes are mended here; letters
        that were garbled by a wrong encoding are not.
        """
        return super().__call__([html.unescape(html.unescape(text)).translate(_PLAIN_QUOTES) for text in sentences])


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
