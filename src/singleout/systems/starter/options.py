"""What a caller can set on a run of the starter, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from singleout.errors import InputError
from singleout.segmenter import check_option_names


@dataclass(frozen=True)
class Options:
    """Settings of one run; every field may be given to `segment`, `stream` and `session` by its name."""

    threshold: float | None = None  #: score that words must reach to be found, 0 to 1; None is the calibrated one
    guess: bool = False  #: give the best guess for words that the starter does not know
    size: int = 384  #: short side, in pixels, at which frames are looked at
    device: str = "auto"  #: "auto", "cpu", "cuda", "cuda:1", "mps"
    backwards: bool = True  #: also carry objects towards earlier frames of their shot (not in sessions)
    interval: int = 8  #: frames between two looks for objects that words mean
    span: int = 96  #: frames that words are judged over at a time; also bounds memory
    max_objects: int = 16  #: objects that words may find in one span

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"threshold {self.threshold}: expected a number from 0 to 1")
        if not 96 <= self.size <= 2160:
            raise InputError(f"size {self.size}: expected the short side in pixels, 96 to 2160")
        for name in ("interval", "span", "max_objects"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected 1 or more")

    @classmethod
    def read(cls, given: dict[str, Any]) -> Options:
        """Options from keyword arguments. Raises InputError for unknown names and for values of a wrong kind."""
        check_option_names("starter", cls, given)
        kinds = {entry.name: str(entry.type) for entry in fields(cls)}
        checked: dict[str, Any] = {}
        for name, value in given.items():
            kind = kinds[name]
            try:
                if kind == "int":
                    checked[name] = int(value)
                elif kind.startswith("float"):
                    checked[name] = None if value is None and "None" in kind else float(value)
                else:
                    checked[name] = bool(value) if kind == "bool" else str(value)
            except (TypeError, ValueError) as error:
                raise InputError(f"{name} {value!r}: expected {kind}") from error
        return cls(**checked)
