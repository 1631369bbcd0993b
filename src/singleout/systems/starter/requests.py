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
from singleout.systems.starter.namer import Namer
from singleout.systems.starter.phrases import Asked, parse

# Of a word's mean score inside an object: a sentence says that it is there, a list of names asks whether any is.
THRESHOLD, LISTED_THRESHOLD = 0.45, 0.55
NAMED_THRESHOLD = 0.3  # of the classifier's probability that an object is what a noun names
# Added to the logits of the words for a thing. What is seen in most training frames scores high on too much: with the
# classifier's part (`spot.SECONDED`) the cars of camvid/val are outlined best at a logit of 4.5 (IoU 0.65, against 0.45
# at 2.2 and 0.18 at 0). About half of that is taken back here.
OFFSETS = {"car": -2.2}
GROWN = 0.06  # less is asked of a region that reaches as far as is likely
SUPPORTED_BY = {"car": ("car", "van", "bus", "truck", "cab")}
NUM_NEAREST, NEAREST_CLASSES = 3, 40  # names that an unknown word's message offers, and how many are looked through
# Words whose pixels score on most things that stand out; where they do, there is something to be named.
STANDING_OUT = ("person", "car", "dog", "bird", "horse", "bicycle")


@dataclass(frozen=True)
class Request:
    """One sentence, or one name of a list of categories.

    prompt: as typed. label: of its objects. head: row of its noun among the texts. worn: rows of the nouns of its
    attributes, None where there is none ("in blue"). every: each object of that name is wanted, one id each.
    threshold: of the noun's score; 0 takes whatever fits best. named: the noun is judged by the classifier, not by its
    pixels. unknown: what to tell the user if the noun is far from all that was learned.
    """

    prompt: str
    label: str
    asked: Asked
    head: int
    worn: tuple[int | None, ...]
    every: bool
    object_id: int | None
    threshold: float
    named: bool = False
    unknown: str = ""

    @property
    def single(self) -> bool:
        """Whether it means one object that is told by what it is and looks like, not by its place among others."""
        several = self.every or self.asked.plural or self.asked.positions or self.asked.ordinal is not None
        return not several and not self.unknown

    @property
    def colors(self) -> frozenset[str]:
        """All colours that it speaks of."""
        return frozenset(self.asked.colors).union(*(part.colors for part in self.asked.attributes))


@dataclass(frozen=True)
class Requests:
    """Everything asked by words in one run.

    vectors: (num_texts, text_width), one row per text. offsets: (num_texts,), added to their logits. standing_out: rows
    of STANDING_OUT. meant and contrary, by row of a noun: the classifier's classes, (num_classes,) bool, that it names,
    and those that it cannot be. A noun in both is judged by its pixels, which the classifier has to support. clothes:
    the classes of what is worn; where they are seen it is no animal.
    """

    each: tuple[Request, ...]
    texts: tuple[str, ...]
    vectors: Tensor
    offsets: Tensor
    standing_out: tuple[int, ...]
    meant: dict[int, Tensor]
    contrary: dict[int, Tensor]
    clothes: Tensor

    @property
    def colors(self) -> tuple[str, ...]:
        """All colours of all requests, in a fixed order."""
        return tuple(sorted(frozenset().union(*(request.colors for request in self.each))))


def read_requests(
    prompts: Sequence[Phrase | Categories], known: Known, namer: Namer, threshold: float | None, guess: bool
) -> Requests:
    """Parse the prompts and encode each distinct text once.

    threshold: in place of the usual ones. guess: words that the starter does not know are looked for all the same.
    """
    texts: list[str] = []

    def row_of(text: str) -> int:
        if text not in texts:
            texts.append(text)
        return texts.index(text)

    each: list[Request] = []
    meant: dict[int, Tensor] = {}
    contrary: dict[int, Tensor] = {}
    for prompt in prompts:
        every = isinstance(prompt, Categories)
        for name in prompt.names if isinstance(prompt, Categories) else (prompt.text,):
            asked = parse(name)
            head = row_of(asked.phrase)
            found = known.lookup(asked)
            seen = found.known and found.source == "photo"
            noun = next((text for text in (asked.phrase, asked.head) if namer.knows(text)), None)
            named = noun is not None and not seen
            if named and noun is not None:
                meant[head] = namer.classes(noun)
            elif seen:
                # What was learned from photographs are people, their clothes and streets, none of which is an animal.
                contrary[head] = namer.classes("animal")
                if found.thing in SUPPORTED_BY:
                    meant[head] = torch.stack([namer.classes(word) for word in SUPPORTED_BY[found.thing]]).any(dim=0)
            usual = NAMED_THRESHOLD if named else LISTED_THRESHOLD if every else THRESHOLD
            if every and seen and found.thing in OFFSETS:
                usual -= GROWN
            if guess and not seen and not named:
                usual = 0.0  # a guess cannot be measured by what the words that were learned reach
            each.append(
                Request(
                    prompt=name if every else describe(prompt),
                    label=name,
                    asked=asked,
                    head=head,
                    worn=tuple(row_of(part.phrase) if part.noun else None for part in asked.attributes),
                    every=every,
                    object_id=None if isinstance(prompt, Categories) else prompt.object_id,
                    threshold=usual if threshold is None else threshold,
                    named=named,
                    unknown="" if guess or seen or named else _unknown(asked, known, namer),
                )
            )
    standing_out = tuple(row_of(text) for text in STANDING_OUT) if each else ()
    vectors = np.stack([known.vector(text) for text in texts]) if texts else np.zeros((0, known.words.dim), np.float32)
    offsets = torch.tensor([OFFSETS.get(known.lookup(text).thing, 0.0) for text in texts])
    clothes = namer.classes("article of clothing")
    return Requests(
        tuple(each), tuple(texts), torch.from_numpy(vectors), offsets, standing_out, meant, contrary, clothes
    )


def _unknown(asked: Asked, known: Known, namer: Namer) -> str:
    """What to tell the user about a noun that is far from all that was seen in photographs."""
    found = known.lookup(asked, count=NEAREST_CLASSES)
    # What was only drawn helps nobody who asks instead, unless the classifier has seen photographs of it.
    photographed = {thing.name for thing in known.names if thing.source == "photo"}
    useful = [name for name, _ in found.nearest if name in photographed or namer.knows(name)][:NUM_NEAREST]
    met = f'has seen "{asked.phrase}" only in drawings' if found.known else f'does not know "{asked.phrase}"'
    return (
        f"the starter {met}; nearest: {', '.join(useful)}; ask for one of these, or for its best guess with the option "
        'guess; larger models: see "singleout models"'
    )
