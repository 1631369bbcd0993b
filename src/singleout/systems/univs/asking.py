"""From prompts to what the network is asked: one task, its names or sentences, or its marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt, ids_of
from singleout.systems.univs.asked import Asked
from singleout.systems.univs.geometry import Geometry
from singleout.vocabularies import bare_words, packaged_names
from singleout.vocabularies.categories import categories
from singleout.vocabularies.combined import UNIVS_PARTS

# Lists that say of a name whether it is a thing, the first that knows it counting.
_KNOWING = ("coco_panoptic", "vipseg")


@dataclass(frozen=True)
class Named:
    """names: as they were typed, without repetitions. rows: of each in the vocabulary, where there is one."""

    names: tuple[str, ...]
    rows: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Marked:
    """One object that is asked for by a mark or a sentence. prompt: as the user would type it."""

    id: int
    prompt: str
    label: str
    asked: Asked


def task_of(system: str, prompts: Sequence[Prompt], task: str | None) -> str:
    """The task that these prompts ask for. Raises InputError where they ask for several, or cannot ask for `task`."""
    kinds: dict[str, tuple[type, ...]] = {"names": (Categories,), "sentences": (Phrase,), "marks": (Mask, Box, Points)}
    asked = [name for name, kind in kinds.items() if any(isinstance(prompt, kind) for prompt in prompts)]
    if len(asked) > 1:
        raise InputError(f"{system} is asked for {' and '.join(asked)} at once: ask for one of them at a time")
    if asked == ["names"]:
        return task or "instances"
    if task is not None:
        raise InputError(f"task {task} is asked for by names (--names), and not by {asked[0]}: leave the task out")
    return "referring" if asked == ["sentences"] else "objects"


def named(prompts: Sequence[Prompt], vocabulary: str | None) -> Named:
    """The names of all prompts. Raises InputError for one that the vocabulary does not have."""
    names = Categories([name for prompt in prompts if isinstance(prompt, Categories) for name in prompt.names]).names
    if vocabulary is None:
        return Named(names)
    places: dict[str, int] = {}
    for row, name in enumerate(packaged_names(vocabulary)):
        places.setdefault(bare_words(name), row)
    strange = [name for name in names if bare_words(name) not in places]
    if strange:
        raise InputError(
            f"vocabulary {vocabulary} has no name {strange[0]!r}: with the option vocabulary=none, names are embedded "
            "as they are typed"
        )
    return Named(names, tuple(places[bare_words(name)] for name in names))


def are_things(names: Sequence[str], stuff: Sequence[str] | None, vocabulary: str | None) -> list[bool]:
    """Whether each name is countable: those given as stuff are not, else by the data sets that know a name."""
    if stuff is not None:
        given = {bare_words(name) for name in stuff}
        unknown = given - {bare_words(name) for name in names}
        if unknown:
            raise InputError(f"stuff: {min(unknown)!r} is not among the names that are asked for")
        return [bare_words(name) not in given for name in names]
    known: dict[str, bool] = {}
    own = None if vocabulary is None else UNIVS_PARTS[vocabulary].vocabulary
    for listed in dict.fromkeys(filter(None, (own, *_KNOWING))):
        for category in categories(listed):
            if category.thing is not None:
                known.setdefault(bare_words(category.name), category.thing)
    return [known.get(bare_words(name), True) for name in names]


def marked(
    system: str, prompts: Sequence[Prompt], geometry: Geometry, stuff_of: Callable[[str], int | None]
) -> list[Marked]:
    """The objects of marks by id, or those of sentences in their order.

    stuff_of: the class of a label, where it is stuff. Raises InputError for an object that is marked twice.
    """
    taken = {number for prompt in prompts for number in ids_of(prompt)}
    found: list[Marked] = []
    for prompt in prompts:
        if isinstance(prompt, Mask):
            for number in prompt.object_ids:
                label = prompt.labels.get(number, "")
                stuff = stuff_of(label) if label else None
                asked = Asked(prompt.frame, mask=np.asarray(prompt.ids == number), stuff=stuff)
                found.append(Marked(number, f"mask {prompt.frame}:{prompt.source}", label, asked))
        elif not isinstance(prompt, Categories):
            number = prompt.object_id or next(free for free in range(1, 2**31) if free not in taken)
            taken.add(number)
            found.append(_drawn(system, prompt, number, geometry))
    seen: set[int] = set()
    for one in found:
        if one.id in seen:
            raise InputError(f"{one.prompt}: object {one.id} is marked already, and {system} takes one mark an object")
        seen.add(one.id)
    return found if any(isinstance(prompt, Phrase) for prompt in prompts) else sorted(found, key=lambda one: one.id)


def _drawn(system: str, prompt: Phrase | Box | Points, number: int, geometry: Geometry) -> Marked:
    if isinstance(prompt, Phrase):
        return Marked(number, prompt.text, prompt.text, Asked())
    # From pixels of the video, whose centres are whole numbers, to shares of the padded frame.
    sizes = zip(geometry.seen, geometry.original, geometry.padded, strict=True)
    scale = [seen / whole / padded for seen, whole, padded in sizes]
    if isinstance(prompt, Box):
        left, top, right, bottom = prompt.xyxy
        box = ((left + 0.5) * scale[1], (top + 0.5) * scale[0], (right + 0.5) * scale[1], (bottom + 0.5) * scale[0])
        clipped = tuple(min(max(value, 0.0), 1.0) for value in box)
        asked = Asked(prompt.frame, box=(clipped[0], clipped[1], clipped[2], clipped[3]))
        return Marked(number, f"box {prompt.frame}:{','.join(f'{value:g}' for value in prompt.xyxy)}", "", asked)
    if not all(prompt.positive):
        raise InputError(f'points: {system} takes no "not here"; give points on the object, or a mask')
    points = tuple(((x + 0.5) * scale[1], (y + 0.5) * scale[0]) for x, y in prompt.xy)
    typed = " ".join(f"{x:g},{y:g}" for x, y in prompt.xy[:4])
    return Marked(number, f"point {prompt.frame}:{typed}", "", Asked(prompt.frame, points=points))
