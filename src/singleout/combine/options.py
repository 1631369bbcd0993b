"""Settings of a Segmenter that is made of two, and those that it hands on to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from singleout.errors import InputError

_SHARED = ("device",)  # what both halves take, said once


def split_options(
    name: str, given: Mapping[str, Any], own: Sequence[str], halves: Sequence[str]
) -> tuple[dict[str, Any], tuple[dict[str, Any], ...]]:
    """Our own settings, and those of the halves, which are named as in ``find.threshold``; ``device`` is for both.

    Raises InputError for a name that is nobody's.
    """
    mine: dict[str, Any] = {}
    theirs: tuple[dict[str, Any], ...] = tuple({} for _ in halves)
    for option, value in given.items():
        half, dot, rest = option.partition(".")
        if option in own:
            mine[option] = value
        elif option in _SHARED:
            for settings in theirs:
                settings[option] = value
        elif dot and half in halves:
            theirs[halves.index(half)][rest] = value
        else:
            known = ", ".join([*own, *_SHARED, *(f"{half}.NAME" for half in halves)])
            raise InputError(f"{name} has no option {option!r}; it has: {known}")
    return mine, theirs
