"""What a pipeline file says, taken piece by piece: whatever is missing, of the wrong kind or unknown is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

from singleout.errors import InputError

Found = TypeVar("Found")


class Settings:
    """Names and values of one part of the file. where: what messages call the part. given: as YAML reads it."""

    def __init__(self, where: str, given: Any) -> None:
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise InputError(f"{where}: expected names with values, got {shown(given)}")
        self.where = where
        self._given: Mapping[str, Any] = given
        self._taken: set[str] = set()
        self._known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def take(self, name: str, read: Callable[[Any], Found], wanted: str) -> Found:
        """A value that must be there. read: makes it what is wanted, or raises ValueError or TypeError."""
        self._known.add(name)
        if name not in self._given:
            raise InputError(f"{self.where}: {name} is missing, expected {wanted}")
        self._taken.add(name)
        value = self._given[name]
        try:
            return read(value)
        except InputError:
            raise
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.where}: {name}: {shown(value)}, expected {wanted}") from error

    def maybe(self, name: str, read: Callable[[Any], Found], wanted: str, default: Found) -> Found:
        """A value that may be left out."""
        self._known.add(name)
        return self.take(name, read, wanted) if name in self._given else default

    def mapping(self, name: str, wanted: str) -> dict[str, Any]:
        """Names with values; none where they are left out."""
        return self.maybe(name, mapping, wanted, dict[str, Any]())

    def names(self, name: str, wanted: str) -> tuple[str, ...]:
        """A list of names, or one name; none where they are left out."""
        return self.maybe(name, names, wanted, tuple[str, ...]())

    def one_of(self, name: str, known: tuple[str, ...], default: str) -> str:
        """One of some words."""

        def read(value: Any) -> str:
            if value not in known:
                raise ValueError
            return str(value)

        return self.maybe(name, read, " or ".join(known), default)

    def rest(self) -> dict[str, Any]:
        """Everything that was not taken, with dashes in names as underscores: what goes on to somebody else."""
        left = {name.replace("-", "_"): value for name, value in self._given.items() if name not in self._taken}
        self._taken.update(self._given)
        return left

    def done(self) -> None:
        """Raise InputError where something was not taken."""
        left = [name for name in self._given if name not in self._taken]
        if left:
            known = ", ".join(sorted(self._known)) or "nothing"
            raise InputError(f"{self.where}: {left[0]} is not known here; it may have: {known}")


def text(value: Any) -> str:
    """A word or a path; a number is what people write without quotes."""
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value):
        raise ValueError
    return str(value)


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError
    return value


def names(value: Any) -> tuple[str, ...]:
    """A list of names, or one name."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise ValueError
    return tuple(text(each) for each in listed)


def number(least: float, most: float) -> Callable[[Any], float]:
    """A number in a range."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise ValueError
        return float(value)

    return read


def mapping(value: Any) -> dict[str, Any]:
    """Names with values."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError
    return dict(value)


def amount(value: Any) -> int | Fraction:
    """A number of votes from 1 on, or a share of them such as 1/2 or 0.5."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, (str, float)):
        share = Fraction(str(value))
        if 0 < share < 1:
            return share
    raise ValueError


def shown(value: Any) -> str:
    """A value on one short line."""
    if value is None:
        return "nothing"
    return f"{value!r:.60}".replace("\n", " ")
