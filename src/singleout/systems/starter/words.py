"""The starter's text tower: a table of word vectors, and the honest answer to words that it was never shown.

The table is distilled from a sentence encoder by `tools/starter/build_words.py`, in the manner of Model2Vec (Tulkens
and van Dongen 2024). A phrase is a weighted mean of its words (after SIF, Arora et al. 2017) in which the noun that
is meant weighs most.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.systems.starter.lexicon import singular
from singleout.systems.starter.phrases import Asked, parse, tokens

Array = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"
MODIFIER = 0.25  #: weight of a word before the head noun, such as "mountain" in "mountain goat"
DETAIL = 0.1  #: weight of a colour, or of something that is worn or had


class Words:
    """Vectors of words, pieces of words, and phrases. `dim` numbers each, unit length."""

    def __init__(self, words: Sequence[str], vectors: npt.NDArray[Any], weights: npt.NDArray[Any]) -> None:
        if len(words) != len(vectors) or len(words) != len(weights):
            raise InputError(
                f"the word list has {len(words)} lines but the table {len(vectors)} rows: take both from one build"
            )
        self._rows = {word: row for row, word in enumerate(words)}
        self._vectors = vectors
        self._weights = weights
        self._pieces = {word[2:]: row for word, row in self._rows.items() if word.startswith("##")}
        self.dim = int(vectors.shape[1])

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Words:
        """The shipped table, or words.safetensors and words.txt of a folder. Raises InputError if one is missing."""
        from safetensors.numpy import load_file

        chosen = Path(folder) if folder is not None else WEIGHTS
        table, listed = chosen / "words.safetensors", chosen / "words.txt"
        for path in (table, listed):
            if not path.is_file():
                raise InputError(
                    f"{path} is missing: the starter's word table is words.safetensors and words.txt in one folder"
                )
        arrays = load_file(table)
        return cls(listed.read_text(encoding="utf-8").splitlines(), arrays["vectors"], arrays["weights"])

    def __contains__(self, word: object) -> bool:
        """Whether the table has a vector of its own for this word or fixed pair of words."""
        return word in self._rows and not str(word).startswith("##")

    def encode(self, texts: Sequence[str]) -> Array:
        """(len(texts), dim) unit vectors; a text without any readable letter gives zeros."""
        return (
            np.stack([self.encode_asked(parse(text)) for text in texts])
            if texts
            else np.zeros((0, self.dim), np.float32)
        )

    def encode_asked(self, asked: Asked) -> Array:
        """(dim,) unit vector of a parsed phrase: the head with its modifiers, and a little of what is said of it."""
        own = " ".join(tokens(asked.text))
        if own in self:
            return self._row(own)
        total = self.noun(asked.phrase)
        details = [*asked.colors, *(part.noun or "clothes" for part in asked.attributes)]
        for detail in details:
            total = total + DETAIL * self._weight(detail) * self.word(detail)
        return _unit(total)

    def noun(self, phrase: str) -> Array:
        """(dim,) unit vector of a noun phrase whose last word is the head, such as "mountain goat"."""
        words = phrase.split()
        for start in range(len(words)):
            # The longest end of the phrase that has a vector of its own is the head: "traffic light".
            head = " ".join(words[start:])
            if start == len(words) - 1 or head in self:
                total = self.word(head)
                for modifier in words[:start]:
                    total = total + MODIFIER * self._weight(modifier) * self.word(modifier)
                return _unit(total)
        return np.zeros(self.dim, np.float32)

    def word(self, word: str) -> Array:
        """(dim,) unit vector of one word: its own, that of its singular, of its parts, or of its pieces; else zeros."""
        for form in (word, singular(word), word.replace("-", ""), word.replace("-", " ")):
            if form in self:
                return self._row(form)
        if "-" in word:
            return self.noun(word.replace("-", " "))
        parts = split_word(word, self._rows, self._pieces)
        if parts is None:
            return np.zeros(self.dim, np.float32)
        rows = [self._rows[parts[0]], *(self._pieces[part] for part in parts[1:])]
        return _unit(self._vectors[rows].astype(np.float32).sum(0))

    def spelled_out(self, word: str) -> bool:
        """Whether the word's vector is put together from pieces, so that its meaning is only guessed."""
        return not any(form in self for form in (word, singular(word), word.replace("-", ""), word.replace("-", " ")))

    def _row(self, word: str) -> Array:
        return _unit(self._vectors[self._rows[word]].astype(np.float32))

    def _weight(self, word: str) -> float:
        row = self._rows.get(word, self._rows.get(singular(word)))
        return float(self._weights[row]) if row is not None else 1.0


def split_word(word: str, starts: Container[str], pieces: Container[str], whole: bool = True) -> list[str] | None:
    """Cut a word into the longest known start and the longest known pieces after it (WordPiece, Wu et al. 2016).

    whole False leaves out the word itself. Returns None where the pieces do not cover the word.
    """
    for end in range(len(word) - (not whole), 1, -1):
        if word[:end] not in starts:
            continue
        parts, at = [word[:end]], end
        while at < len(word):
            stop = next((stop for stop in range(len(word), at, -1) if word[at:stop] in pieces), None)
            if stop is None:
                break
            parts.append(word[at:stop])
            at = stop
        if at == len(word):
            return parts
    return None


def _unit(vector: npt.NDArray[Any]) -> Array:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)
