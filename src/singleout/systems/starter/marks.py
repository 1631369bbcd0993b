"""Marks in order: which object each mask, box and click belongs to, and on which frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt, ids_of
from singleout.tracks import ObjectInfo

Mark: TypeAlias = Mask | Box | Points


@dataclass
class Ids:
    """The one id space of a run: ids that users gave are kept, others are the next free numbers."""

    used: set[int] = field(default_factory=set)

    def reserve(self, prompts: Iterable[Prompt]) -> None:
        """Take every id that the prompts name, so that none of them is given to something else."""
        for prompt in prompts:
            self.used.update(ids_of(prompt))

    def new(self) -> int:
        """The smallest number that is not used yet."""
        number = 1
        while number in self.used:
            number += 1
        self.used.add(number)
        return number


@dataclass
class Marks:
    """All marks of a run. on: frame -> object id -> its marks on that frame. first: object id -> its first frame."""

    on: dict[int, dict[int, list[Mark]]] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    objects: dict[int, ObjectInfo] = field(default_factory=dict)

    def add(self, mark: Mark, ids: Ids) -> list[int]:
        """Sort in one mark, and return the ids of its objects."""
        if isinstance(mark, Mask):
            numbers = list(mark.object_ids)
        else:
            numbers = [ids.new() if mark.object_id is None else mark.object_id]
        for number in numbers:
            ids.used.add(number)
            self.on.setdefault(mark.frame, {}).setdefault(number, []).append(mark)
            self.first[number] = min(mark.frame, self.first.get(number, mark.frame))
            if number not in self.objects:
                self.describe(number, describe(mark))
        return numbers

    def describe(self, number: int, prompt: str) -> None:
        """Keep what was asked for an object, as the user would type it."""
        self.objects[number] = ObjectInfo(id=number, prompt=prompt)

    def within(self, start: int, stop: int) -> dict[int, dict[int, list[Mark]]]:
        """The marks on frames start to stop - 1."""
        return {frame: given for frame, given in self.on.items() if start <= frame < stop}


def split(prompts: Sequence[Prompt]) -> tuple[list[Mark], list[Phrase | Categories]]:
    """Marks and words apart, each in the order given."""
    marks: list[Mark] = [prompt for prompt in prompts if isinstance(prompt, (Mask, Box, Points))]
    words: list[Phrase | Categories] = [prompt for prompt in prompts if isinstance(prompt, (Phrase, Categories))]
    return marks, words


def check_words(marks: Sequence[Mark], words: Sequence[Phrase | Categories]) -> None:
    """Refuse a sentence whose id is that of a mark or of another sentence: they would be one object."""
    ids = [number for mark in marks for number in (mark.object_ids if isinstance(mark, Mask) else [mark.object_id])]
    seen = {number for number in ids if number is not None}
    for prompt in words:
        if isinstance(prompt, Phrase) and prompt.object_id is not None:
            if prompt.object_id in seen:
                raise InputError(f'phrase "{prompt.text}": object id {prompt.object_id} is taken by another prompt')
            seen.add(prompt.object_id)


def describe(prompt: Prompt) -> str:
    """A prompt as the user would type it, such as ``box 0:120,40,260,250``."""
    if isinstance(prompt, Phrase):
        return prompt.text
    if isinstance(prompt, Categories):
        return ",".join(prompt.names)
    if isinstance(prompt, Mask):
        return f"mask {prompt.frame}:{prompt.source}"
    own = "" if prompt.object_id is None else f"{prompt.object_id}@"
    if isinstance(prompt, Box):
        return f"box {own}{prompt.frame}:" + ",".join(f"{value:g}" for value in prompt.xyxy)
    places = " ".join(
        f"{own}{prompt.frame}:{x:g},{y:g}" + ("" if positive else ",-")
        for (x, y), positive in zip(prompt.xy, prompt.positive, strict=True)
    )
    return f"point {places}"
