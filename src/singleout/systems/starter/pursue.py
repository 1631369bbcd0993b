"""The objects that single sentences mean, through a span: carried, and found anew wherever something fits better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from singleout.systems.starter.engine import Engine
from singleout.systems.starter.find import overlap
from singleout.systems.starter.follow import Follower
from singleout.systems.starter.judge import Evidence, fit_of
from singleout.systems.starter.network import Features
from singleout.systems.starter.requests import Request
from singleout.systems.starter.spot import Look, Spotter

STAYS = 0.25  # what a candidate elsewhere keeps of its fit against the object as it was carried
AGREES = 0.5  # overlap above which what was carried and what was found are one, and the carried one stays
SEEN = 0.001  # share of the picture below which a carried object is lost
ONLY = 1  # the number of a pursued object in its own follower


@dataclass
class Pursuit:
    """The object of one request within a shot. follower: holds it alone, going forwards.

    masks: by frame, (height/4, width/4) probabilities. evidence: of what was carried or found at looks.
    """

    request: Request
    follower: Follower
    masks: dict[int, Tensor] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def score(self) -> float:
        """How sure it is that the object is what the noun says."""
        return self.evidence.word(self.request.head)

    def fit(self, evidence: Evidence) -> float:
        """How well an object fits the request, for comparing objects."""
        worn = [0.0 if row is None else evidence.word(row) for row in self.request.worn]
        return fit_of(self.request.asked, evidence.word(self.request.head), evidence, worn)


@dataclass
class _Runner:
    """A pursuit in one direction. after: place among the frames, in the order of walking, from which on it goes."""

    pursuit: Pursuit
    follower: Follower
    after: int


class Pursuer:
    """Goes through the frames of one span, at most once in each direction, for all requests together."""

    def __init__(self, engine: Engine, spotter: Spotter, looks: Sequence[Look]) -> None:
        self.engine, self.spotter = engine, spotter
        self.looks = {look.frame: look for look in looks}
        self.candidates: dict[int, dict[int, Evidence]] = {}
        for look in looks:
            masks = [candidate.mask for candidate in look.candidates]
            self.candidates[look.frame] = {}
            if masks:
                spotter.judge(look, list(range(len(masks))), torch.stack(masks), self.candidates[look.frame])

    def run(self, pursuits: Sequence[Pursuit], pictures: Sequence[tuple[int, Tensor]]) -> None:
        """Fill in masks and evidence. pictures: of the span, with their numbers in order."""
        forwards, backwards = [], []
        for pursuit in pursuits:
            if pursuit.follower.groups:
                forwards.append(_Runner(pursuit, pursuit.follower, -1))
                continue
            anchor = self._begin(pursuit, pictures)
            if anchor is None:
                continue
            look = self.looks[pictures[anchor][0]]
            mask = pursuit.masks[look.frame]
            back = Follower(self.engine.network)
            for follower in (pursuit.follower, back):
                follower.settle(look.features, mask[None][:0], {ONLY: mask})
            forwards.append(_Runner(pursuit, pursuit.follower, anchor))
            backwards.append(_Runner(pursuit, back, len(pictures) - 1 - anchor))
        self._walk(pictures, forwards)
        self._walk(pictures[::-1], backwards)

    def _begin(self, pursuit: Pursuit, pictures: Sequence[tuple[int, Tensor]]) -> int | None:
        """Put in the candidate that fits best of all looks; its place among the pictures, None if there is none."""
        best, anchor = 0.0, None
        for index, (frame, _) in enumerate(pictures):
            if frame not in self.looks:
                continue
            for fit, row in self._options(pursuit, frame):
                if fit > best:
                    best, anchor = fit, index
                    pursuit.masks = {frame: self.looks[frame].candidates[row].mask}
                    pursuit.evidence = Evidence(dict(self.candidates[frame][row].sights))
        return anchor

    def _options(self, pursuit: Pursuit, frame: int) -> list[tuple[float, int]]:
        """The candidates of a look that are such a thing at all: fit and row."""
        head, least = pursuit.request.head, pursuit.request.threshold
        return [
            (pursuit.fit(evidence), row)
            for row, evidence in self.candidates[frame].items()
            if evidence.word(head) >= least
        ]

    def _walk(self, pictures: Sequence[tuple[int, Tensor]], runners: Sequence[_Runner]) -> None:
        passed: list[tuple[int, Features]] = []
        for place, (frame, picture) in enumerate(pictures):
            going = [runner for runner in runners if place > runner.after]
            look = self.looks.get(frame)
            if going:
                features = self.engine.encode(picture) if look is None else look.features
                for runner in going:
                    self._step(runner, frame, features, passed)
                passed.append((frame, features))
            if look is not None:
                passed.clear()

    def _step(self, runner: _Runner, frame: int, features: Features, passed: Sequence[tuple[int, Features]]) -> None:
        """Carry into one frame; at a look choose between what was carried and what is found there."""
        pursuit = runner.pursuit
        carried = runner.follower.advance(features)
        chosen = self._choose(pursuit, frame, carried[0]) if frame in self.looks else None
        pursuit.masks[frame] = carried[0] if chosen is None else chosen
        runner.follower.settle(features, carried, {} if chosen is None else {ONLY: chosen})
        if chosen is None:
            return
        # The half of the way that is nearer to here is taken from what was found here.
        back = Follower(self.engine.network)
        back.settle(features, carried[:0], {ONLY: chosen})
        for earlier, seen in list(reversed(passed))[: (len(passed) + 1) // 2]:
            mask = back.advance(seen)
            back.settle(seen, mask)
            pursuit.masks[earlier] = mask[0]

    def _choose(self, pursuit: Pursuit, frame: int, carried: Tensor) -> Tensor | None:
        """What is found at a look instead of what was carried there; None if the carried one stays."""
        look, inside = self.looks[frame], carried > 0.5
        own: dict[int, Evidence] = {}
        if float(inside.sum()) >= SEEN * inside.numel():
            self.spotter.judge(look, [ONLY], carried[None], own)
        best = pursuit.fit(own[ONLY]) if own else 0.0
        chosen, evidence = None, own.get(ONLY, Evidence())
        for fit, row in self._options(pursuit, frame):
            mask = look.candidates[row].mask
            shared = overlap(mask > 0.5, inside)
            if shared > AGREES:
                continue
            kept = fit * (STAYS + (1 - STAYS) * shared) if own else fit
            if kept > best:
                best, chosen, evidence = kept, mask, self.candidates[frame][row]
        pursuit.evidence.sights.update(evidence.sights)
        return chosen
