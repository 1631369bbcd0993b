"""From masks that overlap to segments that do not: each pixel belongs to one thing or one kind of stuff, or to nobody.

Frames are decided window by window, with the classes that objects have when the window is closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from pycocotools import mask as coco
from torch import Tensor

from singleout.exports.flat import coded
from singleout.nn.mask2former.geometry import Enlarger
from singleout.systems.univs.entities import Left
from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.patches import Patch
from singleout.systems.univs.similarity import CONFIDENT
from singleout.tracks import FrameCodes
from singleout.tracks import codes as run_length

_STUFF_SHARE = 0.75  # of its score, with which a kind of stuff comes in that is new
_KNOWN_SHARE = 0.5  # of the overlap limit, for a thing that was there in an earlier window


@dataclass(frozen=True)
class _Waiting:
    """An object in a frame. sure, maybe: pixels that surely are in, and that may be; see `similarity.quality`."""

    patch: Patch
    sure: int
    maybe: int


@dataclass
class Segments:
    """Numbers of segments, the same in all windows.

    things: place of an object in the list of objects to its segment. stuff: class to its segment.
    """

    things: dict[int, int] = field(default_factory=dict)
    stuff: dict[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Segments so far; their numbers are 1 to this."""
        return len(self.things) + len(self.stuff)


class PanopticWindows:
    """Collects frames and decides them.

    things: (num_names,) bool. overlap: share of its pixels that a thing must win. corrected: an object that was not
    seen in a frame takes no pixel there; in the published code its mask is 0 everywhere, which counts as inside.
    """

    def __init__(
        self,
        geometry: Geometry,
        things: Tensor,
        overlap: float,
        device: torch.device,
        *,
        corrected: bool = False,
    ) -> None:
        self.geometry, self.things, self.overlap, self.corrected = geometry, things, overlap, corrected
        self.segments = Segments()
        self._enlarger = Enlarger(geometry, device)
        self._waiting: dict[int, list[_Waiting]] = {}

    def add(self, left: Left) -> None:
        """Take a frame that has left all clips."""
        self._waiting[left.number] = [self._wait(mask) for mask in left.logits]

    def _wait(self, mask: Tensor) -> _Waiting:
        patch = Patch.of(mask)
        if not patch.touched:
            height, width = self.geometry.original
            return _Waiting(patch, 0, 0 if self.corrected else height * width)
        _, values = self._enlarger(mask, -CONFIDENT)
        return _Waiting(patch, int((values > CONFIDENT).sum()), int((values > -CONFIDENT).sum()))

    def close(self, frames: Sequence[int], scores: Tensor) -> list[FrameCodes]:
        """Decide frames that were added. scores: (num_objects, num_names), of classes, averaged over time."""
        if not frames:
            return []
        weights, labels = self._weights(frames, scores)
        won: list[dict[int, bytes]] = []
        own = np.zeros(len(weights), np.int64)
        for frame in frames:
            codes, areas = self._winners([one.patch for one in self._waiting.pop(frame)], weights)
            won.append(codes)
            own[: len(areas)] += np.array(areas, np.int64)
        numbers = self._numbers(won, own, labels)
        return [self._coded(frame, codes, numbers, weights) for frame, codes in zip(frames, won, strict=True)]

    def _weights(self, frames: Sequence[int], scores: Tensor) -> tuple[list[float], list[int]]:
        """How much each object counts where several lie, by its class and the sharpness of its masks; its class."""
        if not len(scores):
            return [], []
        best, labels = scores.max(1)
        sure, maybe = np.zeros((2, len(scores)))
        for frame in frames:
            waiting = self._waiting[frame]
            sure[: len(waiting)] += [one.sure for one in waiting]
            maybe[: len(waiting)] += [one.maybe for one in waiting]
        weights = (best.cpu().numpy() * sure / np.maximum(maybe, 1)).tolist()
        classes = labels.tolist()
        for place, label in enumerate(classes):
            # Whether it is known goes by its place and not by its class, as published.
            if not self.things[label] and place not in self.segments.things:
                weights[place] *= _STUFF_SHARE
        return weights, classes

    def _winners(self, patches: Sequence[Patch], weights: Sequence[float]) -> tuple[dict[int, bytes], list[int]]:
        """Whose each pixel of a frame is, as the code of each object that has any, and how many each lies on."""
        size = self.geometry.original
        device = self.things.device
        best = torch.zeros(size, device=device)
        owner = torch.full(size, -1, dtype=torch.int32, device=device)
        areas = []
        blank: int | None = None
        for place, patch in enumerate(patches):
            if not patch.touched:
                areas.append(0 if self.corrected else size[0] * size[1])
                blank = place if blank is None else blank
                continue
            crop, values = self._enlarger(patch.whole(self.geometry.coarse))
            areas.append(int((values > 0).sum()))
            values = values * weights[place]
            wins = values > best[crop]
            best[crop] = torch.where(wins, values, best[crop])
            owner[crop] = torch.where(wins, place, owner[crop])
        if blank is not None and not self.corrected:
            owner = torch.where(owner < 0, blank, owner)
        drawn = owner.cpu().numpy()
        numbers, codes = coded(drawn + 1)
        return dict(zip((number - 1 for number in numbers), codes, strict=True)), areas

    def _numbers(self, won: Sequence[dict[int, bytes]], own: np.ndarray, labels: Sequence[int]) -> dict[int, int]:
        """The segment of each object that keeps its pixels."""
        size = self.geometry.original
        areas: dict[int, int] = defaultdict(int)
        for codes in won:
            for place, area in zip(codes, run_length.areas(list(codes.values()), *size).tolist(), strict=True):
                areas[place] += area
        numbers: dict[int, int] = {}
        for place in sorted(areas):
            label = labels[place]
            if self.things[label]:
                known = self.segments.things.get(place)
                least = self.overlap * (_KNOWN_SHARE if known is not None else 1.0)
                if areas[place] < least * own[place]:
                    continue
                numbers[place] = self.segments.things.setdefault(place, self.segments.count + 1)
            else:
                numbers[place] = self.segments.stuff.setdefault(label, self.segments.count + 1)
        return numbers

    def _coded(
        self, frame: int, won: dict[int, bytes], numbers: dict[int, int], weights: Sequence[float]
    ) -> FrameCodes:
        height, width = self.geometry.original
        together: dict[int, list[int]] = defaultdict(list)
        for place in won:
            if place in numbers:
                together[numbers[place]].append(place)
        codes, scores = [], []
        for places in together.values():
            parts = [{"size": [height, width], "counts": won[place]} for place in places]
            codes.append(won[places[0]] if len(parts) == 1 else coco.merge(parts)["counts"])
            scores.append(min(max(weights[place] for place in places), 1.0))
        return FrameCodes.pack(frame, list(together), scores, codes, height=height, width=width, exclusive=True)
