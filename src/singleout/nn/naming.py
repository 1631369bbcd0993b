"""Names of published weights and ours: rules that turn the ones into the others. Loads no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from singleout.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

Rule = tuple[str, str]
"""Pattern of the beginning of an official name, and what replaces it (as in `re.sub`)."""


@dataclass(frozen=True)
class Conversion:
    """A state of official names turned into ours.

    state: our names; official names that no rule knows stay as they are, so that the report shows them as unexpected.
    ignored: official names that are known and not needed (copies of tied tensors, what can be recomputed, left-overs
    of a profiler).
    """

    state: dict[str, Tensor]
    ignored: tuple[str, ...] = ()


def rename(
    state: Mapping[str, Tensor], rules: Sequence[Rule], *, spare: Sequence[str] = (), tied: Sequence[Rule] = ()
) -> Conversion:
    """Apply the first rule that fits each name.

    spare: patterns of names that are not needed. tied: official names that repeat the tensor of another one, as rules
    from the copy to the original; the copy is dropped. Raises InputError where a copy differs from its original.
    """
    patterns = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    copies = [(re.compile(pattern), replacement) for pattern, replacement in tied]
    unneeded = [re.compile(pattern) for pattern in spare]
    converted: dict[str, Tensor] = {}
    ignored = []
    for name, tensor in state.items():
        original = _replaced(name, copies)
        if original is not None and original in state:
            # Tensors without memory have only their shape to compare.
            if tensor.shape != state[original].shape or not (tensor.is_meta or bool((tensor == state[original]).all())):
                raise InputError(f"{name} and {original} must be the same tensor, but differ: the file is damaged")
            ignored.append(name)
        elif any(pattern.match(name) for pattern in unneeded):
            ignored.append(name)
        else:
            converted[_replaced(original or name, patterns) or name] = tensor
    return Conversion(converted, tuple(ignored))


def _replaced(name: str, rules: Sequence[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, replacement in rules:
        if pattern.match(name):
            return pattern.sub(replacement, name, count=1)
    return None
