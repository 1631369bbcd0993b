"""Which of the followed objects a phrase means: evidence from several frames, and a choice by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from singleout.systems.starter.phrases import Asked

# Exponents of the evidence. Told by what the sentences of people are like: a noun and a colour are said of the thing,
# while size, place and motion only make it likely to be talked about.
COLOR, WORN, SIZE, CENTRAL, MOTION, PLACE = 0.7, 0.7, 0.1, 0.5, 1.0, 1.5
ENOUGH = 0.15  # share of an object that has to have a garment's colour to be said to wear it


@dataclass(frozen=True)
class Sight:
    """One object seen in one frame.

    words: (num_texts,) mean score of each text inside of it. colors: share of it that has each colour asked for.
    worn: share of it with the garment and its colour, per attribute text. area: share of the picture. x, y: of its
    middle, 0 to 1. bottom: its lowest place, 0 to 1. motion: mean of the motion map inside.
    """

    words: npt.NDArray[np.float32]
    colors: Mapping[str, float]
    area: float
    x: float
    y: float
    bottom: float
    motion: float


@dataclass
class Evidence:
    """All sights of one object by frame."""

    sights: dict[int, Sight] = field(default_factory=dict)

    def mean(self, name: str) -> float:
        """The mean of one value over all sights; 0 without any."""
        return float(np.mean([getattr(sight, name) for sight in self.sights.values()])) if self.sights else 0.0

    def color(self, name: str) -> float:
        """The mean share that has a colour."""
        return float(np.mean([sight.colors.get(name, 0.0) for sight in self.sights.values()])) if self.sights else 0.0

    def word(self, row: int) -> float:
        """The score of a text over the object's life: mean of the better half of its sights, weighted by their area.

        Turned sides and blur make a known thing unknown for a while, so the worse half does not count; what is left of
        it at the edge of the picture, or when it has not yet come up, says little.
        """
        if not self.sights:
            return 0.0
        sights = sorted(self.sights.values(), key=lambda sight: -sight.words[row])
        better = sights[: (len(sights) + 1) // 2]
        return float(np.average([sight.words[row] for sight in better], weights=[sight.area for sight in better]))


@torch.inference_mode()
def see(mask: Tensor, scores: Tensor, colors: Mapping[str, Tensor], motion: Tensor) -> Sight | None:
    """Measure an object in a frame; None where it is not seen.

    mask, motion and each of colors: (height, width). scores: (num_texts, height, width), of the same size.
    """
    weight = mask * (mask > 0.5)
    total = float(weight.sum())
    if total < 4:
        return None
    height, width = mask.shape
    rows, columns = weight.sum(dim=1), weight.sum(dim=0)
    places_y = torch.arange(height, device=mask.device) + 0.5
    places_x = torch.arange(width, device=mask.device) + 0.5
    return Sight(
        words=((scores * weight).sum(dim=(1, 2)) / total).float().cpu().numpy(),
        colors={name: float((fit * weight).sum() / total) for name, fit in colors.items()},
        area=total / mask.numel(),
        x=float((columns * places_x).sum() / total) / width,
        y=float((rows * places_y).sum() / total) / height,
        bottom=float(places_y[rows > 0].max()) / height,
        motion=float((motion * weight).sum() / total),
    )


def fit_of(asked: Asked, head: float, evidence: Evidence, worn: Sequence[float]) -> float:
    """How well an object fits a phrase, for comparing objects of one phrase only.

    head: the score of the noun. worn: for each attribute, the share of the object that its noun scores high on.
    """
    fit = head
    for color in asked.colors:
        fit *= max(0.02, evidence.color(color)) ** COLOR
    for attribute, share in zip(asked.attributes, worn, strict=True):
        colored = [min(1.0, evidence.color(color) / ENOUGH) for color in attribute.colors]
        fit *= max(0.05, max(colored, default=min(1.0, share / ENOUGH))) ** WORN
    fit *= max(1e-4, evidence.mean("area")) ** SIZE
    off = np.hypot(evidence.mean("x") - 0.5, evidence.mean("y") - 0.5)
    fit *= float(np.exp(-2 * off**2)) ** (CENTRAL * 4)
    fit *= (0.05 + evidence.mean("motion")) ** MOTION
    return float(fit)


def place_of(position: str, evidence: Evidence) -> float:
    """How far an object lies towards a position, to order objects by: larger is nearer to it."""
    return {
        "left": 1 - evidence.mean("x"),
        "right": evidence.mean("x"),
        "top": 1 - evidence.mean("y"),
        "bottom": evidence.mean("y"),
        "middle": 1 - 2 * abs(evidence.mean("x") - 0.5),
        "front": evidence.mean("bottom") + evidence.mean("area"),
        "back": 1 - evidence.mean("bottom") - evidence.mean("area"),
        "largest": evidence.mean("area"),
        "smallest": 1 - evidence.mean("area"),
    }.get(position, 0.5)


def choose(
    asked: Asked, heads: Mapping[int, float], seen: Mapping[int, Evidence], worn: Mapping[int, Sequence[float]]
) -> list[int]:
    """The objects that a phrase means, best first: one, or for a plural all that fit about as well as the best.

    heads: object -> score of the noun, of the objects that are such a thing at all.
    """
    if not heads:
        return []
    fits = {number: fit_of(asked, heads[number], seen[number], worn[number]) for number in heads}
    if asked.positions:
        for position in asked.positions:
            places = {number: place_of(position, seen[number]) for number in heads}
            low, high = min(places.values()), max(places.values())
            for number in fits:
                fits[number] *= (0.05 + (places[number] - low) / max(1e-6, high - low)) ** PLACE
    ranked = sorted(fits, key=lambda number: -fits[number])
    if asked.ordinal is not None:
        side = asked.positions[0] if asked.positions else "left"
        likely = [number for number in ranked if heads[number] > 0.5 * max(heads.values())]
        in_order = sorted(likely, key=lambda number: -place_of(side, seen[number]))
        wanted = asked.ordinal - 1 if asked.ordinal > 0 else asked.ordinal
        return [in_order[wanted]] if -len(in_order) <= wanted < len(in_order) else []
    if asked.plural:
        return [number for number in ranked if heads[number] > 0.6 * max(heads.values())]
    return ranked[:1]
