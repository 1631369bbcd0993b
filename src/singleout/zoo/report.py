"""What became of every name when weights were loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LoadReport:
    """Names of tensors, each in exactly one list.

    used: ours that got a tensor. ignored: of the file, known and not needed. missing: ours that the file has nothing
    for. unexpected: of the file, known to no rule. misshapen: ours with the shape found and the shape expected.
    """

    used: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[tuple[str, Shape, Shape], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every tensor of the network was filled."""
        return not self.missing and not self.misshapen

    def problem(self, *, strict: bool) -> str | None:
        """Why this must not be used, in one line; None where it may. strict: whether unexpected names are a reason."""
        for name, found, expected in self.misshapen[:1]:
            more = f" (and {len(self.misshapen) - 1} more)" if len(self.misshapen) > 1 else ""
            return f"{name} is {list(found)}, expected {list(expected)}{more}"
        if self.missing:
            return f"{_listed(self.missing)} missing"
        if self.unexpected and strict:
            return f"{_listed(self.unexpected)} unexpected (strict=False, or --allow-unexpected, leaves them out)"
        return None

    def summary(self) -> str:
        """The counts, in one line."""
        counts = [f"{len(self.used)} names used"]
        for label, names in (("ignored", self.ignored), ("missing", self.missing), ("unexpected", self.unexpected)):
            counts.append(f"{len(names)} {label}")
        return ", ".join(counts)

    def as_json(self) -> dict[str, Any]:
        """Every name, for programs."""
        return {
            "used": list(self.used),
            "ignored": list(self.ignored),
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "misshapen": [
                {"name": name, "found": list(found), "expected": list(expected)}
                for name, found, expected in self.misshapen
            ],
        }


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the name {names[0]} is"
    return f"{len(names)} names such as {', '.join(names[:3])} are"
