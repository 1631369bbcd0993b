"""Follows everything that may be meant through a span of frames, outwards from the frame where the words fit best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from singleout.systems.starter.engine import Engine
from singleout.systems.starter.find import overlap
from singleout.systems.starter.follow import Follower
from singleout.systems.starter.network import Features
from singleout.systems.starter.spot import Look

KNOWN = 0.35  # overlap with a followed object above which a candidate is that object
STILL = 0.2  # mean motion of an object below which something that moves inside of it is another one
COVERED = 0.7  # share of a candidate inside followed objects above which it is nothing new
PIECE = 0.7  # share of a followed object inside a whole candidate above which it is a piece of it
SECOND = 0.3  # share of a whole candidate that a second followed object fills where the two are two things


@dataclass
class Found:
    """Masks of all followed objects by frame, in steps of 1/255.

    next_id: for the next new object. num_objects: so far, in this span.
    """

    masks: dict[int, tuple[list[int], Tensor]] = field(default_factory=dict)
    next_id: int = 1
    num_objects: int = 0

    def put(self, frame: int, ids: Sequence[int], masks: Tensor) -> None:
        """Add objects to a frame; those that it has already stay as they are."""
        steps = (masks.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        if frame in self.masks:
            known, before = self.masks[frame]
            new = [row for row, number in enumerate(ids) if number not in known]
            self.masks[frame] = known + [ids[row] for row in new], torch.cat([before, steps[new]])
        else:
            self.masks[frame] = list(ids), steps

    def get(self, frame: int) -> tuple[list[int], Tensor]:
        """Ids and masks of a frame, (num_objects, height/4, width/4) probabilities."""
        ids, steps = self.masks.get(frame, ([], torch.zeros(0, 1, 1, dtype=torch.uint8)))
        return ids, steps.float() / 255


class Sweep:
    """Walks over the frames of a span in one direction or the other; objects are numbered over both."""

    def __init__(self, engine: Engine, looks: Sequence[Look], found: Found, most: int) -> None:
        self.engine = engine
        self.looks = {look.frame: look for look in looks}
        self.found = found
        self.most = most

    def begin(self, follower: Follower, look: Look) -> None:
        """Start following the candidates of a look."""
        shape = look.features.x4.shape[-2:]
        masks = follower.advance(look.features) if follower.groups else look.features.x4.new_zeros(0, *shape)
        marked = self.new_objects(look, follower.ids, masks)
        settled = follower.settle(look.features, masks, marked)
        self.found.put(look.frame, follower.ids, settled)

    def run(self, follower: Follower, pictures: Iterable[tuple[int, Tensor]]) -> None:
        """Follow through frames, given with their numbers in order; new candidates join at looks."""
        passed: list[tuple[int, Features]] = []
        for frame, picture in pictures:
            look = self.looks.get(frame)
            if not follower.groups and look is None:
                continue
            features = look.features if look is not None else self.engine.encode(picture)
            masks, before = follower.advance(features), follower.ids
            marked = self.new_objects(look, before, masks) if look is not None else {}
            settled = follower.settle(features, masks, marked)
            self.found.put(frame, follower.ids, settled)
            if look is None:
                passed.append((frame, features))
            else:
                self._catch_up(look, {key: mask for key, mask in marked.items() if key not in before}, passed)
                passed.clear()

    def new_objects(self, look: Look, ids: Sequence[int], masks: Tensor) -> dict[int, Tensor]:
        """The candidates of a look that are not followed yet, with new ids, and those that make followed ones whole.

        masks: (len(ids), height/4, width/4) probabilities of what is followed.
        """
        marked: dict[int, Tensor] = {}
        taken = [mask > 0.5 for mask in masks]
        for candidate in look.candidates:
            if self.found.num_objects >= self.most:
                break
            inside = candidate.mask > 0.5
            if candidate.whole and (row := _largest_piece(inside, taken[: len(ids)])) is not None:
                marked[ids[row]] = candidate.mask
                taken[row] = inside
                continue
            if any(overlap(inside, other) > KNOWN for other in taken):
                continue
            standing = [other for other in taken if not (candidate.first and _stands(other & ~inside, look.motion))]
            covered = torch.stack(standing).any(dim=0) if standing else torch.zeros_like(inside)
            if float((inside & covered).sum()) > COVERED * float(inside.sum()):
                continue
            marked[self.found.next_id] = candidate.mask
            self.found.next_id += 1
            self.found.num_objects += 1
            taken.append(inside)
        return marked

    def _catch_up(self, look: Look, marked: dict[int, Tensor], passed: list[tuple[int, Features]]) -> None:
        """Follow new objects back to the look before, over features that are still at hand."""
        if not marked:
            return
        follower = Follower(self.engine.network)
        empty = look.features.x4.new_zeros(0, *look.features.x4.shape[-2:])
        follower.settle(look.features, empty, marked)
        for frame, features in reversed(passed):
            masks = follower.advance(features)
            if not (masks > 0.5).any():
                return
            follower.settle(features, masks)
            self.found.put(frame, follower.ids, masks)


def _largest_piece(whole: Tensor, followed: Sequence[Tensor]) -> int | None:
    """Which of the followed objects is to become the whole that it is a piece of; None where there are two or none.

    whole and each of followed: (height, width) bool.
    """
    shared = [int((whole & other).sum()) for other in followed]
    pieces = [row for row, other in enumerate(followed) if shared[row] > PIECE * max(1, int(other.sum()))]
    pieces.sort(key=lambda row: -shared[row])
    if not pieces or (len(pieces) > 1 and shared[pieces[1]] > SECOND * int(whole.sum())):
        return None
    return pieces[0]


def _stands(region: Tensor, motion: Tensor) -> bool:
    """Whether a bool region of a frame stands still while something else in it moves."""
    return bool(region.any()) and float(motion[region].mean()) < STILL
