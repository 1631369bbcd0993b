"""What is asked by words, ready for the network: one request per sentence or name, and the texts to score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from singleout.prompts import Categories, Phrase
from singleout.systems.starter.known import Known
from singleout.systems.starter.marks import describe
from singleout.systems.starter.phrases import Asked, parse

THRESHOLD = 0.6  # of a word's mean score inside an object, where no other is calibrated


@dataclass(frozen=True)
class Request:
    """One sentence, or one name of a list of categories.

    prompt: as typed. label: of its objects. head: row of its noun among the texts. worn: rows of the nouns of its
    attributes, None where there is none ("in blue"). every: each object of that name is wanted, one id each.
    threshold: of the noun's score; 0 takes whatever fits best. unknown: what to tell the user if the noun is far from
    all that was learned.
    """

    prompt: str
    label: str
    asked: Asked
    head: int
    worn: tuple[int | None, ...]
    every: bool
    object_id: int | None
    threshold: float
    unknown: str = ""

    @property
    def colors(self) -> frozenset[str]:
        """All colours that it speaks of."""
        return frozenset(self.asked.colors).union(*(part.colors for part in self.asked.attributes))


@dataclass(frozen=True)
class Requests:
    """Everything asked by words in one run. vectors: (num_texts, text_width), one row per text."""

    each: tuple[Request, ...]
    texts: tuple[str, ...]
    vectors: Tensor

    @property
    def colors(self) -> tuple[str, ...]:
        """All colours of all requests, in a fixed order."""
        return tuple(sorted(frozenset().union(*(request.colors for request in self.each))))


def read_requests(
    prompts: Sequence[Phrase | Categories], known: Known, threshold: float | None, guess: bool
) -> Requests:
    """Parse the prompts and encode each distinct text once.

    threshold: in place of the usual one. guess: words that the starter does not know are looked for all the same.
    """
    texts: list[str] = []

    def row_of(text: str) -> int:
        if text not in texts:
            texts.append(text)
        return texts.index(text)

    each: list[Request] = []
    for prompt in prompts:
        every = isinstance(prompt, Categories)
        for name in prompt.names if isinstance(prompt, Categories) else (prompt.text,):
            asked = parse(name)
            each.append(
                Request(
                    prompt=name if every else describe(prompt),
                    label=name,
                    asked=asked,
                    head=row_of(asked.phrase),
                    worn=tuple(row_of(part.phrase) if part.noun else None for part in asked.attributes),
                    every=every,
                    object_id=None if isinstance(prompt, Categories) else prompt.object_id,
                    threshold=_threshold(known, asked, threshold, guess),
                    unknown="" if guess else _unknown(known, asked),
                )
            )
    vectors = np.stack([known.vector(text) for text in texts]) if texts else np.zeros((0, known.words.dim), np.float32)
    return Requests(tuple(each), tuple(texts), torch.from_numpy(vectors))


def _threshold(known: Known, asked: Asked, given: float | None, guess: bool) -> float:
    if given is not None:
        return given
    # A guess at an unknown word cannot be measured by what the words that were learned reach.
    return 0.0 if guess and not known.lookup(asked).known else THRESHOLD


def _unknown(known: Known, asked: Asked) -> str:
    """What to tell the user about a noun that is far from all that was learned; "" for one that is near enough."""
    found = known.lookup(asked)
    if found.known:
        return ""
    nearest = ", ".join(name for name, _ in found.nearest)
    return (
        f'the starter does not know "{asked.phrase}"; nearest: {nearest}; ask for one of these, or for its best guess '
        'with the option guess; larger models: see "singleout models"'
    )
