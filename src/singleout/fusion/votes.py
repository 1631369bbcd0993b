"""Votes: from the masks of several members in one frame to one mask. Each is a small function with a name.

A vote gets ballots and its settings, and gives a mask. To try one of your own, write such a function and name it as
``package.module:function`` in the pipeline.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

import numpy as np

from singleout.errors import InputError
from singleout.fusion.bits import Bool, Floats
from singleout.fusion.settings import amount, shown

Amount = int | Fraction
Vote = Callable[..., Bool]
# Sums of weights in single precision that should be equal differ by less than this share of all.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Ballot:
    """What one member says of one sentence in one frame.

    weight: of the member, and of its score in this frame where the pipeline asks for it. mask, probabilities: read it
    when they are called, (height, width) bool or float32, so that one is in memory at a time.
    """

    weight: float
    mask: Callable[[], Bool]
    probabilities: Callable[[], Floats]


def count(ballots: Sequence[Ballot], *, at_least: Amount = Fraction(1, 2), more_than: Amount | None = None) -> Bool:
    """Pixels that enough votes are for: a number of them, or a share of all; by weight where weights differ from 1."""
    total = sum(ballot.weight for ballot in ballots)
    bar = at_least if more_than is None else more_than
    need = float(bar * Fraction(total)) if isinstance(bar, Fraction) else float(bar)
    plain = all(ballot.weight == 1 for ballot in ballots)
    kind = np.float32 if not plain else np.uint8 if len(ballots) < 256 else np.uint32
    votes: Any = None
    for ballot in ballots:
        mask = ballot.mask()
        if votes is None:
            votes = np.zeros(mask.shape, kind)
        votes += mask if plain else np.float32(ballot.weight) * mask
    # Sums of weights are rounded, which must not decide where votes are even.
    slack = 0.0 if plain else _ROUNDING * max(total, 1.0)
    enough: Bool = votes >= need - slack if more_than is None else votes > need + slack
    return enough


def mean(ballots: Sequence[Ballot], *, threshold: float = 0.5) -> Bool:
    """Pixels whose mean probability, by weight, lies above a threshold."""
    total = sum(ballot.weight for ballot in ballots)
    if not total:
        return np.zeros_like(ballots[0].mask())
    collected = np.float32(ballots[0].weight / total) * ballots[0].probabilities()
    for ballot in ballots[1:]:
        collected += np.float32(ballot.weight / total) * ballot.probabilities()
    above: Bool = collected > np.float32(threshold)
    return above


def best(ballots: Sequence[Ballot]) -> Bool:
    """The mask of the largest weight, the first of equal ones: with weights by score, the surest member's."""
    return max(ballots, key=lambda ballot: ballot.weight).mask()


VOTES: dict[str, Vote] = {"count": count, "mean": mean, "best": best}
SOFT = frozenset({"mean"})
"""Votes that look at probabilities; the others at bits."""


def find_vote(name: str, where: str = "") -> Vote:
    """A vote by its name, or ``package.module:function``.

    where: the part of the file that names it. Raises InputError where there is none.
    """
    start = f"{where}: " if where else ""
    if name in VOTES:
        return VOTES[name]
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(f"{start}vote {name!r} cannot be loaded: {error}") from error
        if callable(found):
            return found  # type: ignore[no-any-return]
    known = ", ".join(VOTES)
    raise InputError(f"{start}there is no vote {name!r}, expected {known}, or package.module:function of your own")


def read_vote_settings(where: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a vote as its function takes them. Raises InputError for what it does not take."""
    vote = find_vote(name)
    known = [each.name for each in inspect.signature(vote).parameters.values() if each.kind == each.KEYWORD_ONLY]
    read: dict[str, Any] = {}
    for setting, value in given.items():
        if setting not in known:
            takes = ", ".join(each.replace("_", "-") for each in known) or "no settings"
            raise InputError(f"{where}: {setting.replace('_', '-')} is not known here; the vote {name} takes {takes}")
        read[setting] = value
        if vote is count:
            try:
                read[setting] = amount(value)
            except (ValueError, ZeroDivisionError) as error:
                wanted = "a number of votes from 1 on, or a share such as 1/2"
                raise InputError(f"{where}: {setting.replace('_', '-')}: {shown(value)}, expected {wanted}") from error
    return read
