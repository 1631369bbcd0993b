"""One look at a frame for everything that is asked by words: candidates, and the maps by which they are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.starter.colors import color_map, to_lch
from singleout.systems.starter.engine import Engine
from singleout.systems.starter.find import Candidate, SeedMap, find_candidates
from singleout.systems.starter.judge import Evidence, see
from singleout.systems.starter.motion import motion_map
from singleout.systems.starter.network import Features
from singleout.systems.starter.requests import Requests
from singleout.systems.starter.view import View

SEED_LEVEL = 0.9  # share of the threshold from which on a region is looked at closely


@dataclass(frozen=True)
class Look:
    """What was seen in a frame that was looked at closely; its features are kept, so that it is encoded once.

    scores: (num_texts, height/4, width/4). colors and motion: (height/4, width/4), 0 to 1.
    """

    frame: int
    features: Features
    candidates: list[Candidate]
    scores: Tensor
    colors: Mapping[str, Tensor]
    motion: Tensor

    def judge(self, ids: list[int], masks: Tensor, seen: dict[int, Evidence]) -> None:
        """Add what this frame tells of objects. masks: (num_objects, height/4, width/4) probabilities."""
        for number, mask in zip(ids, masks, strict=True):
            sight = see(mask.to(self.scores.device), self.scores, self.colors, self.motion)
            if sight is not None:
                seen.setdefault(number, Evidence()).sights[self.frame] = sight


class Spotter:
    """Looks at frames for the requests of one run."""

    def __init__(self, engine: Engine, view: View, requests: Requests) -> None:
        self.engine, self.view, self.requests = engine, view, requests
        self.vectors = requests.vectors.to(engine.device)

    def look(self, frame: int, picture: Tensor, neighbour: Tensor) -> Look:
        """picture: of `View.shrink`. neighbour: one a few frames away, by which motion is told (or the same)."""
        features = self.engine.encode(picture)
        network = self.engine.network
        scores = network.word_scores(network.pixels(features), self.vectors)
        scores = F.interpolate(scores, self.view.mask_shape, mode="bilinear", align_corners=False)[0]
        here, there = self._lch(picture), self._lch(neighbour)
        motion = motion_map(here[0], there[0]) if neighbour is not picture else torch.zeros_like(here[0])
        colors = {name: color_map(here, name).to(scores.device) for name in self.requests.colors}
        motion = motion.to(scores.device)
        candidates = find_candidates(network, features, self._seed_maps(scores, colors, motion))
        return Look(frame, features, candidates, scores, colors, motion)

    def _lch(self, picture: Tensor) -> Tensor:
        return to_lch(F.interpolate(picture.float() / 255, self.view.mask_shape, mode="area")[0])

    def _seed_maps(self, scores: Tensor, colors: Mapping[str, Tensor], motion: Tensor) -> list[SeedMap]:
        """Score maps of all nouns, and of those of sentences also where their colours are seen or something moves."""
        listed = [request.head for request in self.requests.each if request.every]
        rivals = scores[listed].amax(dim=0) if listed else None
        seeds: dict[tuple[int, str], SeedMap] = {}
        for request in self.requests.each:
            if request.unknown:
                continue
            score = scores[request.head]
            level = SEED_LEVEL * (request.threshold or float(score.max()))
            if request.every and rivals is not None:
                # Of the names of a list, each place is given to the one that fits it best.
                seeds[request.head, "listed"] = SeedMap(score * (score >= rivals), level)
                continue
            seeds[request.head, ""] = SeedMap(score, level)
            if not request.asked.plural:
                # A crowd is one region of its noun; what is red in it, or moves, is one of the crowd.
                for name in sorted(request.colors):
                    seeds[request.head, name] = SeedMap(score * colors[name].sqrt(), level, score)
                seeds[request.head, "moving"] = SeedMap(score * motion.sqrt(), level, score)
        return list(seeds.values())
