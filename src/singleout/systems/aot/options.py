"""What a caller can set on a run, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from singleout.errors import InputError
from singleout.segmenter import check_option_names
from singleout.systems.aot.config import AOTConfig
from singleout.systems.aot.memory import MemoryRule

_SHORTEST_OF_SEVERAL = 624  # limit of the shorter side that the published evaluation sets with several scales
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Options:
    """Settings of one run; every field may be given to `segment`, `stream` and `session` by its name."""

    budget: int | None = None  #: frames that the long-term memory holds at the most; None keeps all, as published
    gap: int | None = None  #: frames between two that it keeps; None is that of the variant
    skip: int = 1  #: how many frames ago the short-term memory is
    flip: bool = False  #: also look at the mirrored frame, and average
    scales: tuple[float, ...] = (1.0,)  #: sizes at which each frame is looked at, and averaged
    longest: int = 1040  #: pixels that the longer side has in the network at the most, before `scales`
    shortest: int | None = None  #: the same of the shorter side, 0 for no limit; None is 624 with several scales
    joint: bool = False  #: with several looks, each remembers what they decided together and not its own decision
    backwards: bool = True  #: also carry objects towards the frames before the one in which they are given
    keep_memory: bool = False  #: of one object: carry it back with the memory of the way forward, see `challenge`
    open_ids: bool = False  #: let identities without an object take part in each decision, as the challenge did
    davis: bool = False  #: decide at 480 rows, as the DAVIS evaluation does whatever the frames have
    soft: bool = False  #: give probabilities at the size of the video in place of decided masks
    max_objects: int = 255  #: that are followed at the most
    precision: str = "float32"  #: or "bfloat16"; softmax, norms and scores stay in float32
    device: str = "auto"  #: "auto", "cpu", "cuda", "cuda:1", "mps"

    @classmethod
    def read(cls, system: str, given: dict[str, Any]) -> Options:
        """Options from keyword arguments. Raises InputError for unknown names and values that cannot be."""
        check_option_names(system, cls, given)
        options = dict(given)
        if "scales" in options:
            options["scales"] = _scales(options["scales"])
        chosen = cls(**options)
        least = {"budget": 1, "gap": 1, "skip": 1, "longest": 16, "shortest": 0, "max_objects": 1}
        for name, smallest in least.items():
            value = getattr(chosen, name)
            free = value is None and name in {"budget", "gap", "shortest"}
            if not free and (not isinstance(value, int) or isinstance(value, bool) or value < smallest):
                raise InputError(f"{name} {value!r}: expected a whole number from {smallest} on")
        for name in ("flip", "joint", "backwards", "keep_memory", "open_ids", "davis", "soft"):
            if not isinstance(getattr(chosen, name), bool):
                raise InputError(f"{name} {getattr(chosen, name)!r}: expected true or false")
        if chosen.precision not in PRECISIONS:
            raise InputError(f"precision {chosen.precision!r}: expected {' or '.join(PRECISIONS)}")
        return chosen

    def rule(self, config: AOTConfig) -> MemoryRule:
        """What is remembered."""
        return MemoryRule(config.gap if self.gap is None else self.gap, self.budget, self.skip)

    @property
    def shortest_side(self) -> int | None:
        """The limit of the shorter side, None where there is none."""
        if self.shortest is None:
            return None if self.scales == (1.0,) else _SHORTEST_OF_SEVERAL
        return self.shortest or None


def _scales(given: Any) -> tuple[float, ...]:
    try:
        scales = (float(given),) if isinstance(given, (int, float)) else tuple(float(one) for one in given)
    except (TypeError, ValueError) as error:
        raise InputError(f"scales {given!r}: expected a list of numbers such as [0.8, 1.0, 1.2]") from error
    if not scales or not all(0.1 <= one <= 4 for one in scales):
        raise InputError(f"scales {given!r}: expected numbers from 0.1 to 4")
    return scales
