"""What is remembered of objects so that they can be asked for again: points of each in the frames before.

The published code has a slot for every frame since the beginning. A clip reads the slots of its own frames, the latest
ones, and of each object the one of the frame in which it came up. Only these are kept here, so that memory does not
grow with the video, and what is read is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from singleout.systems.univs.values import DensePrompts


class PromptPool:
    """Slots of all objects, numbered by frames from 0.

    num_points: of an object in a frame. width: of a point. kept: how many of the latest slots are read, at least the
    frames of a clip.
    """

    def __init__(self, num_points: int, width: int, kept: int, device: torch.device) -> None:
        self._shape, self._device = (num_points, width), device
        self.kept = kept
        self.num_slots = 0  # that there have been
        self._recent: list[DensePrompts] = []
        self._appeared: list[int] = []  # of each object, the frame in which it came up
        self._first = self._zeros(0)

    @property
    def num_objects(self) -> int:
        """Objects that have slots."""
        return len(self._appeared)

    def _zeros(self, num_objects: int) -> DensePrompts:
        features, positions = torch.zeros(2, num_objects, *self._shape, device=self._device)
        return DensePrompts(features, positions)

    def extend(self, count: int) -> None:
        """Add slots that are empty; those that no clip reads any more are let go."""
        # Of slots that would go at once there is no need to make any.
        skipped = max(count - self.kept, 0)
        if skipped:
            self._let_go(len(self._recent))
            self.num_slots += skipped
        for _ in range(count - skipped):
            self._recent.append(self._zeros(self.num_objects))
            self.num_slots += 1
        self._let_go(len(self._recent) - self.kept)

    def add(self, frames: Sequence[int]) -> None:
        """Add an object for each of these frames, in which it came up; all its slots are empty."""
        empty = self._zeros(len(frames))
        self._recent = [_stacked(slot, empty) for slot in self._recent]
        self._first = _stacked(self._first, empty)
        self._appeared += frames

    def write(self, frame: int, prompts: DensePrompts, which: Tensor | None = None) -> None:
        """Put points of a frame into its slot and into all later ones.

        prompts: of all objects. which: (num_objects,) bool, the objects that are told of; None for all.
        """
        oldest = self.num_slots - len(self._recent)
        for number in range(max(frame, oldest), self.num_slots):
            slot = self._recent[number - oldest]
            if which is None:
                self._recent[number - oldest] = prompts
            else:
                chosen = which[:, None, None]
                self._recent[number - oldest] = DensePrompts(
                    torch.where(chosen, prompts.features, slot.features),
                    torch.where(chosen, prompts.positions, slot.positions),
                )

    def read(self, frames: Sequence[int]) -> tuple[list[DensePrompts], DensePrompts]:
        """The slot of each of these frames, and all that the objects' queries may look at, for all of the frames.

        The latter is the slot of the frame in which an object came up, the newest one where that is not there yet,
        and behind it the latest slots.
        """
        oldest = self.num_slots - len(self._recent)
        newest = self.num_slots - 1
        places = [min(frame, newest) - oldest for frame in self._appeared]
        everything = [self._first, *self._recent]
        # A slot that was let go lies before the oldest one, at place 0 of the list.
        picked = [everything[max(place, -1) + 1] for place in places]
        rows = range(self.num_objects)
        first = DensePrompts(
            torch.stack([slot.features[row] for row, slot in zip(rows, picked, strict=True)]),
            torch.stack([slot.positions[row] for row, slot in zip(rows, picked, strict=True)]),
        )
        return [self._recent[frame - oldest] for frame in frames], DensePrompts.join([first, *self._recent])

    def keep(self, which: Tensor) -> None:
        """Forget all objects but these. which: (num_objects,) bool."""
        self._recent = [_chosen(slot, which) for slot in self._recent]
        self._first = _chosen(self._first, which)
        self._appeared = [frame for frame, kept in zip(self._appeared, which.tolist(), strict=True) if kept]

    def save(self) -> tuple[dict[str, Tensor], dict[str, list[int] | int]]:
        """Tensors and plain values that `load` takes."""
        slots = {"first": self._first} | {f"slot.{place}": slot for place, slot in enumerate(self._recent)}
        tensors = {f"{name}.features": slot.features for name, slot in slots.items()}
        tensors |= {f"{name}.positions": slot.positions for name, slot in slots.items()}
        return tensors, {"slots": self.num_slots, "recent": len(self._recent), "appeared": list(self._appeared)}

    def _let_go(self, count: int) -> None:
        for _ in range(max(count, 0)):
            number = self.num_slots - len(self._recent)
            slot = self._recent.pop(0)
            mine = torch.tensor([frame == number for frame in self._appeared], dtype=torch.bool, device=self._device)
            if mine.any():
                chosen = mine[:, None, None]
                self._first = DensePrompts(
                    torch.where(chosen, slot.features, self._first.features),
                    torch.where(chosen, slot.positions, self._first.positions),
                )


def _stacked(slot: DensePrompts, more: DensePrompts) -> DensePrompts:
    return DensePrompts(torch.cat([slot.features, more.features]), torch.cat([slot.positions, more.positions]))


def _chosen(slot: DensePrompts, which: Tensor) -> DensePrompts:
    return DensePrompts(slot.features[which], slot.positions[which])
