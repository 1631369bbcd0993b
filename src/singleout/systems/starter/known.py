"""What the starter has learned to see, by name: the honest answer to a word, and the vector to score pixels with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.systems.starter.phrases import Asked, parse
from singleout.systems.starter.words import WEIGHTS, Words

Array = npt.NDArray[np.float32]
Source = Literal["photo", "sprite"]

# Chosen on words that nothing was trained with; tests/starter_words holds them to it.
KNOWN = 0.5  #: similarity to a trained name from which a word counts as known
SHARPNESS = 12.0  #: of the choice among trained names when a word is drawn towards them
PHOTO_BONUS = 0.2  #: head start of names learned from photographs, which the starter sees far better than drawn ones


@dataclass(frozen=True)
class Name:
    """A trained name: the class that it means, and whether that was seen in photographs or only as drawn sprites."""

    name: str
    thing: str
    source: Source


@dataclass(frozen=True)
class Lookup:
    """How well a word is known.

    name: the nearest trained name; thing: its class; source: "photo" where the class was seen in any photograph.
    similarity: cosine, -1 to 1. known: whether that is near enough; never for a word whose meaning is only guessed from
    its spelling. nearest: names of the nearest classes with their similarity, best first.
    """

    name: str
    thing: str
    source: Source
    similarity: float
    known: bool
    nearest: tuple[tuple[str, float], ...]


class Known:
    """The trained names with their vectors. names: in any order; vectors: (len(names), dim) unit length."""

    def __init__(self, names: Sequence[Name], words: Words, threshold: float = KNOWN) -> None:
        self.names = tuple(names)
        self.words = words
        self.threshold = threshold
        self.vectors = words.encode([name.name for name in names])
        self._photo = np.array([name.source == "photo" for name in names])
        self._row = {name.name: row for row, name in reversed(list(enumerate(names)))}
        for row, name in enumerate(names):
            self._row.setdefault(parse(name.name).phrase, row)  # "boot" where "boots" was trained

    @classmethod
    def load(cls, words: Words, folder: Path | str | None = None) -> Known:
        """The names that the shipped weights were trained with, or words-known.json of another folder."""
        path = (Path(folder) if folder is not None else WEIGHTS) / "words-known.json"
        if not path.is_file():
            raise InputError(f"{path} is missing: it lists the names that the starter was trained with")
        listed = json.loads(path.read_text(encoding="utf-8"))
        return cls([Name(*entry) for entry in listed], words)

    def lookup(self, text: str | Asked, *, count: int = 3, photos_only: bool = False) -> Lookup:
        """The nearest trained name of what a text asks for.

        count: how many classes `nearest` lists. photos_only: leave out what was learned from sprites.
        """
        asked = parse(text) if isinstance(text, str) else text
        similarity = self._similarity(asked, photos_only)
        order = np.argsort(-self._preference(similarity), kind="stable")
        nearest: dict[str, tuple[str, float]] = {}
        for row in order:
            name = self.names[int(row)]
            if len(nearest) == count or not np.isfinite(similarity[row]):
                break
            nearest.setdefault(name.thing, (name.name, float(similarity[row])))
        best, value = self.names[int(order[0])], float(similarity[order[0]])
        known = value >= self.threshold and not self._guessed(asked)
        seen = any(name.thing == best.thing and name.source == "photo" for name in self.names)
        source: Source = "photo" if seen else "sprite"
        return Lookup(best.name, best.thing, source, value, known, tuple(nearest.values()))

    def vector(self, text: str | Asked) -> Array:
        """(dim,) unit vector to score pixels with.

        Pixels were trained towards trained names, so a known word is drawn to the names of its nearest class, each by
        its similarity: a "nurse", who was only drawn, is looked for as the people of photographs. A name learned from
        photographs, or of a class without any, keeps its own vector; a word that is not known has that of its text.
        """
        asked = parse(text) if isinstance(text, str) else text
        similarity = self._similarity(asked, photos_only=False)
        best = int(self._preference(similarity).argmax())
        if not similarity[best] >= self.threshold or self._guessed(asked):
            return self.words.noun(asked.phrase)
        same = np.array([name.thing == self.names[best].thing for name in self.names])
        if (same & self._photo).any():
            same &= self._photo
        if same[best] and similarity[best] == 1.0:
            return np.asarray(self.vectors[best])
        weights = np.where(same, np.exp(SHARPNESS * (similarity - similarity[same].max())), 0.0)
        drawn = weights @ self.vectors
        return np.asarray(drawn / np.linalg.norm(drawn), np.float32)

    def _preference(self, similarity: Array) -> Array:
        """Similarity as it decides which name is nearest: an exact name wins, then photographs have a head start."""
        close = self._photo & (similarity >= self.threshold) & (similarity < 1.0)
        exact = similarity >= 1.0
        return np.asarray(np.where(exact, 2.0, similarity + PHOTO_BONUS * close), np.float32)

    def _guessed(self, asked: Asked) -> bool:
        own = asked.phrase in self._row or asked.phrase in self.words
        return not own and self.words.spelled_out(asked.head)

    def _similarity(self, asked: Asked, photos_only: bool) -> Array:
        similarity = np.minimum(self.vectors @ self.words.noun(asked.phrase), 0.9999)
        if asked.phrase in self._row:
            similarity[self._row[asked.phrase]] = 1.0
        if photos_only:
            similarity = np.where(self._photo, similarity, -np.inf)
        return np.asarray(similarity, np.float32)
