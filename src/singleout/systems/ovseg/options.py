"""What a caller can set on a run of OVSeg, checked in one place, and the settings of the published evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from singleout.errors import InputError
from singleout.segmenter import check_option_names
from singleout.systems.ovseg.config import OVSegConfig
from singleout.systems.ovseg.pictures import Rules
from singleout.systems.ovseg.regions import Cutting, Fill

RULES = ("demo", "ensemble")
PRECISIONS = ("float32", "bfloat16")
#: Options that count where masks are given and only their names are asked for.
NAMING = ("mask_prompts", "fill", "expand", "regions_at_once", "precision", "device")
_DEMO_THRESHOLD = 0.35
_WEIGHT = 0.7
#: CLIP's weight in the published evaluations.
PUBLISHED_WEIGHTS = {
    "ade20k-150": 0.7,
    "ade20k-847": 0.7,
    "pascal-context-59": 0.6,
    "pascal-context-459": 0.6,
    "voc-20": 0.45,
}
_WHOLE = {"short": 1, "longest": 1, "regions_at_once": 1}
_SHARES = ("weight", "mask_threshold")


@dataclass(frozen=True)
class Options:
    """Settings of one run; every field may be given to `segment` and `stream` by its name."""

    rule: str = "demo"  #: of each name the best region alone ("demo"), or all proposals vote ("ensemble")
    ensemble: bool = True  #: False leaves CLIP out and goes by the proposals alone
    weight: float | None = None  #: of CLIP against the proposals, 0 to 1; None is 0 for the demo, else 0.7
    mask_threshold: float | None = None  #: of a region's pixels; None is 0.35 for the demo, else that of the variant
    mask_prompts: bool = True  #: False lets regions go through CLIP without learned tokens for background
    fill: str = "mean"  #: what background of a region is filled with: "mean" or "zero"
    expand: float = 1.0  #: by how much the box of a region grows
    soft_edges: bool = False  #: background fades in by probability
    short: int | None = None  #: short side, in pixels, at which pictures are looked at; None is that of the variant
    longest: int | None = None  #: the most pixels of the longer side there; None is that of the variant
    regions_at_once: int = 16  #: that go through CLIP together; more need more memory
    precision: str = "float32"  #: or "bfloat16", for CLIP's products on regions; norms, softmax and scores stay float32
    device: str = "auto"  #: "auto", "cpu", "cuda", "cuda:1", "mps"

    @classmethod
    def read(cls, system: str, given: dict[str, Any]) -> Options:
        """Options from keyword arguments. Raises InputError for unknown names and values that cannot be."""
        check_option_names(system, cls, given)
        chosen = cls(**given)
        if chosen.rule not in RULES:
            raise InputError(f"rule {chosen.rule!r}: expected {' or '.join(RULES)}")
        if chosen.precision not in PRECISIONS:
            raise InputError(f"precision {chosen.precision!r}: expected {' or '.join(PRECISIONS)}")
        if chosen.fill not in ("mean", "zero"):
            raise InputError(f"fill {chosen.fill!r}: expected mean or zero")
        for name in ("ensemble", "mask_prompts", "soft_edges"):
            if not isinstance(getattr(chosen, name), bool):
                raise InputError(f"{name} {getattr(chosen, name)!r}: expected true or false")
        for name, least in _WHOLE.items():
            value = getattr(chosen, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise InputError(f"{name} {value!r}: expected a whole number from {least} on")
        for name in _SHARES:
            value = getattr(chosen, name)
            if value is not None and not (isinstance(value, (int, float)) and 0 <= value <= 1):
                raise InputError(f"{name} {value!r}: expected a number from 0 to 1")
        if not isinstance(chosen.expand, (int, float)) or not 0 < chosen.expand <= 100:
            raise InputError(f"expand {chosen.expand!r}: expected a number above 0, 1 to leave boxes as they are")
        if chosen.rule == "demo" and (chosen.weight or not chosen.ensemble):
            raise InputError("the rule demo goes by CLIP alone: leave weight and ensemble out, or take rule=ensemble")
        return chosen

    @classmethod
    def for_naming(cls, system: str, given: dict[str, Any]) -> Options:
        """Options where masks are given, of which nothing but `NAMING` counts. Raises InputError as `read`."""
        others = sorted(given.keys() - set(NAMING))
        if others:
            raise InputError(f"{system} has no option {others[0]!r} for given masks; it has: {', '.join(NAMING)}")
        return cls.read(system, given)

    def rules(self, config: OVSegConfig) -> Rules:
        """What they mean for a variant."""
        demo = self.rule == "demo"
        threshold = self.mask_threshold
        if threshold is None:
            threshold = _DEMO_THRESHOLD if demo else config.mask_threshold
        weight = self.weight if self.weight is not None else 0.0 if demo else _WEIGHT
        fill: Fill = "zero" if self.fill == "zero" else "mean"
        return Rules(
            Cutting(float(threshold), fill, float(self.expand), self.soft_edges),
            float(weight) if self.ensemble else None,
            prompts=self.mask_prompts,
            demo=demo,
            batch=self.regions_at_once,
            rough=self.precision == "bfloat16",
        )
