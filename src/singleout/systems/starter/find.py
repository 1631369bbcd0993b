"""Candidates in one frame: regions where words score, turned into masks of single objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from singleout.systems.starter.clicks import bumps
from singleout.systems.starter.network import GUIDANCE_CHANNELS, Features, StarterNetwork

SMALLEST = 0.008  # share of the picture below which a region is noise
LARGE = 0.08  # share of the picture from which on the prompt decoder finds only pieces of what is likely
MOST_SEEDS = 12  # regions per frame that are looked at closely
AGREED = 0.4  # overlap of a mask with its seed below which the seed itself is the better mask
LEFT = 0.3  # share of a seed that must be left of it when objects are parted from it
CLOSED = 2  # cells: gaps up to twice as wide are closed within a region
SAME = 0.6  # overlap above which two masks are one object


@dataclass(frozen=True)
class SeedMap:
    """Where to look for objects. scores: (height/4, width/4), 0 to 1; high from `level` on.

    noun: the score map of the noun alone, where `scores` is more than that; None where it is that. first: its regions
    part objects from larger regions of other maps, as what moves does. part: its regions may be parts of objects only,
    as what is red is. reach: the score down to which a region goes on from where it is high (hysteresis, Canny 1986).
    """

    scores: Tensor
    level: float
    noun: Tensor | None = None
    first: bool = False
    part: bool = False
    reach: float | None = None


@dataclass(frozen=True)
class Candidate:
    """One object that may be meant. mask: (height/4, width/4) probabilities. score: of its best word inside it.

    first: it may be parted from a larger object that is followed already. whole: it is large and reaches as far as the
    thing is likely, so pieces of it that are followed already are no other objects.
    """

    mask: Tensor
    score: float
    first: bool = False
    whole: bool = False


def find_candidates(network: StarterNetwork, features: Features, maps: Sequence[SeedMap]) -> list[Candidate]:
    """Objects where any of the maps is high, those that part others first, then the best, without doubles."""
    every = [(region, weight, seed_map) for seed_map in maps for region, weight in _seeds(seed_map)]
    seeds = sorted(every, key=lambda seed: (not seed[2].first, -seed[1]))[:MOST_SEEDS]
    if not seeds:
        return []
    guidance = torch.stack([_guidance(region, seed_map) for region, _, seed_map in seeds])
    masks = network.select(features.repeat(len(seeds)), guidance).float().sigmoid()
    found: list[Candidate] = []
    for selected, (region, _, seed_map) in zip(masks, seeds, strict=True):
        mask = _part_of(selected, region)
        whole = seed_map.reach is not None and int(region.sum()) > LARGE * region.numel()
        scores = seed_map.scores if seed_map.noun is None else seed_map.noun
        chosen = mask > 0.5
        held = float((chosen & region).sum() / region.sum()) if seed_map.part else overlap(chosen, region)
        if held < AGREED:
            mask = torch.where(region, 0.5 + 0.5 * scores, torch.zeros_like(scores))
        elif whole:
            mask = torch.where(region, torch.maximum(mask, 0.5 + 0.5 * scores), mask)
        if not seed_map.first:
            for other in found:
                if other.first:
                    mask = mask * (other.mask <= 0.5)
        inside = mask > 0.5
        area = int(inside.sum())
        if area < SMALLEST * mask.numel() or area < LEFT * int(region.sum()):
            continue
        score = float(scores[inside].mean())
        if all(overlap(inside, other.mask > 0.5) < SAME for other in found):
            found.append(Candidate(mask, score, seed_map.first, whole))
    return sorted(found, key=lambda candidate: (not candidate.first, -candidate.score))


def overlap(one: Tensor, other: Tensor) -> float:
    """Intersection over union of two bool masks of equal shape, 0 if both are empty."""
    union = int((one | other).sum())
    return 0.0 if union == 0 else int((one & other).sum()) / union


def _seeds(seed_map: SeedMap) -> list[tuple[Tensor, float]]:
    """Connected regions above the level: (region bool, weight) each."""
    scores = seed_map.scores
    high = (scores > seed_map.level).cpu().numpy()
    if not seed_map.first:
        # Windows and reflections break what is one thing; what moves is torn apart from others on purpose.
        high = ndimage.binary_closing(np.pad(high, CLOSED), iterations=CLOSED)[CLOSED:-CLOSED, CLOSED:-CLOSED]
    if seed_map.reach is not None:
        high = ndimage.binary_propagation(high, mask=high | (scores > seed_map.reach).cpu().numpy())
    labels, count = ndimage.label(high, np.ones((3, 3)))
    if count == 0:
        return []
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    sums = np.bincount(labels.ravel(), scores.cpu().numpy().ravel(), minlength=count + 1)
    seeds = []
    for number in range(1, count + 1):
        if areas[number] >= SMALLEST * high.size:
            region = torch.from_numpy(ndimage.binary_fill_holes(labels == number)).to(scores.device)
            seeds.append((region, float(sums[number]) / float(areas[number]) ** 0.75))
    return seeds


def _guidance(region: Tensor, seed_map: SeedMap) -> Tensor:
    """What the prompt decoder is told of a seed: a click in its middle and the words' scores."""
    scores = seed_map.scores
    inside = region.cpu().numpy()
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    hints = torch.zeros(GUIDANCE_CHANNELS, *scores.shape, device=scores.device)
    hints[0] = bumps(torch.tensor([[float(x), float(y)]], device=scores.device), *scores.shape)
    hints[3] = seed_map.noun if seed_map.part and seed_map.noun is not None else scores * region
    return hints


def _part_of(mask: Tensor, region: Tensor) -> Tensor:
    """Only the parts of a mask that touch its seed."""
    labels, count = ndimage.label((mask > 0.5).cpu().numpy(), np.ones((3, 3)))
    if count <= 1:
        return mask
    touched = np.unique(labels[region.cpu().numpy()])
    keep = np.isin(labels, touched[touched > 0]) | (labels == 0)
    return mask * torch.from_numpy(keep).to(mask.device)
