"""Reads the noun part of WordNet 3.0 (Fellbaum 1998), as Debian's `wordnet-base` carries it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

# Lexicographer files 03 to 28 of wnlex(5): those whose nouns are things that a camera can see.
VISIBLE = frozenset({"05", "06", "08", "13", "17", "18", "20"})  # animal, artifact, body, food, object, person, plant


@dataclass(frozen=True)
class Synset:
    """One meaning: its lexicographer file, its words (spaces between, proper case), and the meanings above it."""

    lexfile: str
    lemmas: tuple[str, ...]
    parents: tuple[str, ...]
    gloss: str

    @property
    def visible(self) -> bool:
        """Whether it is a thing that a camera can see."""
        return self.lexfile in VISIBLE


class WordNet:
    """`synsets` by offset, and `senses` of a lower-case word with spaces, most frequent first."""

    def __init__(self, folder: Path) -> None:
        self.synsets: dict[str, Synset] = {}
        for line in _lines(folder / "data.noun"):
            fields, _, gloss = line.partition(" | ")
            parts = fields.split()
            count = int(parts[3], 16)
            lemmas = tuple(parts[4 + 2 * i].replace("_", " ") for i in range(count))
            pointers = parts[5 + 2 * count :]
            parents = tuple(pointers[4 * i + 1] for i in range(len(pointers) // 4) if pointers[4 * i] in ("@", "@i"))
            definition = gloss.split(";")[0].strip()
            self.synsets[parts[0]] = Synset(parts[1], lemmas, parents, definition)
        self.senses: dict[str, tuple[str, ...]] = {}
        self.counted: dict[str, int] = {}
        for line in _lines(folder / "index.noun"):
            parts = line.split()
            lemma, num_senses = parts[0].replace("_", " "), int(parts[2])
            self.senses[lemma] = tuple(parts[-num_senses:])
            self.counted[lemma] = int(parts[-num_senses - 1])
        self.irregular: dict[str, str] = {}
        for line in _lines(folder / "noun.exc"):
            plural, singular = line.split()[:2]
            self.irregular[plural] = singular

    def ancestors(self, offset: str) -> Iterator[tuple[str, int]]:
        """The meanings above one, with their distance in steps, nearest first; the first parent only."""
        distance = 0
        while self.synsets[offset].parents:
            offset = self.synsets[offset].parents[0]
            distance += 1
            yield offset, distance

    def singular(self, word: str) -> str | None:
        """The noun whose plural the word is, or None."""
        if word in self.irregular:
            return self.irregular[word]
        for ending, instead in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
            if word.endswith(ending) and word.removesuffix(ending) + instead in self.senses:
                return word.removesuffix(ending) + instead
        return None

    def concepts(
        self, vectors: Array, place: Mapping[str, int], decay: float, anchor: str
    ) -> Callable[[str], Array | None]:
        """A function from a meaning to its unit vector, or None where no word of it has one.

        It is the mean of the meaning's words and of those up to six steps above it, `decay` times less for each step,
        as far as meanings with more than 1500 below them ("entity", "device"), which would draw everything together.
        The first meaning of the word `anchor` counts at least 0.8 and ends the way up.
        """
        below = Counter(offset for start in self.synsets for offset, _ in self.ancestors(start))
        anchored = self.senses[anchor][0]

        @functools.cache
        def own(offset: str) -> Array | None:
            rows = [place[lemma.lower()] for lemma in self.synsets[offset].lemmas if lemma.lower() in place]
            return _unit(vectors[rows].mean(0)) if rows else None

        @functools.cache
        def concept(offset: str) -> Array | None:
            total = np.zeros(vectors.shape[1], np.float32)
            for above, distance in [(offset, 0), *self.ancestors(offset)]:
                if distance > 6 or (distance and above != anchored and below[above] > 1500):
                    break
                vector = own(above)
                if vector is not None:
                    total += (max(decay**distance, 0.8) if above == anchored else decay**distance) * vector
                if above == anchored:
                    break
            return _unit(total) if total.any() else None

        return concept


def _unit(vector: Array) -> Array:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.startswith("  "):
                yield line.rstrip("\n")
