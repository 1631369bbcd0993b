"""Carries objects from frame to frame; objects that begin together share one memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from singleout.systems.starter.matching import Memory, aggregate
from singleout.systems.starter.network import Features, StarterNetwork

MAX_GROUPS = 8  # more births than this share memories, so that cost and memory stay bounded
MAX_PINNED = 3  # marks that a memory never forgets: the first and the latest corrections


@dataclass
class Group:
    """Objects that began on the same frame. ids: of its objects, in the order of the memory's rows."""

    ids: list[int]
    memory: Memory = field(default_factory=Memory)


class Follower:
    """Propagation of any number of objects in one direction within one shot.

    Rows of its results are in the order of `ids`; the probabilities of all objects compete (soft aggregation).
    """

    def __init__(self, network: StarterNetwork) -> None:
        self.network = network
        self.groups: list[Group] = []

    @property
    def ids(self) -> list[int]:
        """The objects followed."""
        return [number for group in self.groups for number in group.ids]

    def advance(self, features: Features) -> Tensor:
        """Masks in the next frame: (num_objects, height/4, width/4) probabilities. Does not yet remember them."""
        logits = [_read(self.network, group.memory, features) for group in self.groups]
        if not logits:
            return features.x4.new_zeros(0, *features.x4.shape[-2:])
        return aggregate(torch.cat(logits))

    def settle(self, features: Features, masks: Tensor, marked: Mapping[int, Tensor] | None = None) -> Tensor:
        """Remember a frame. masks: what `advance` gave for it. marked: masks given for objects of this frame.

        Marked objects that are followed are corrected, others join in a new group. Returns the masks in the order
        of the new `ids`, marked objects winning where they overlap others.
        """
        marked = dict(marked or {})
        taken = torch.stack(list(marked.values())).amax(dim=0) if marked else None
        row = 0
        for group in self.groups:
            own = masks[row : row + len(group.ids)]
            row += len(group.ids)
            if taken is not None:
                own = torch.stack(
                    [marked[i] if i in marked else mask * (1 - taken) for i, mask in zip(group.ids, own, strict=True)]
                )
            corrected = any(number in marked for number in group.ids)
            self.network.write(group.memory, features, own, pinned=corrected)
            _limit_pinned(group.memory)
        born = {number: mask for number, mask in marked.items() if number not in self.ids}
        if born:
            if len(self.groups) >= MAX_GROUPS:
                self._merge(features)
            group = Group(list(born))
            self.network.write(group.memory, features, torch.stack(list(born.values())), pinned=True)
            self.groups.append(group)
        lasts = [group.memory.last for group in self.groups if group.memory.last is not None]
        return torch.cat(lasts) if lasts else masks

    def drop(self, ids: Iterable[int]) -> None:
        """Stop following some objects."""
        gone = set(ids)
        for group in self.groups:
            keep = [row for row, number in enumerate(group.ids) if number not in gone]
            if len(keep) == len(group.ids):
                continue
            memory = group.memory
            memory.values = [value[keep] for value in memory.values]
            memory.last = None if memory.last is None else memory.last[keep]
            group.ids = [group.ids[row] for row in keep]
        self.groups = [group for group in self.groups if group.ids]

    def copy(self) -> Follower:
        """Another follower that goes on from here; tensors are shared, as they are never written to."""
        other = Follower(self.network)
        for group in self.groups:
            kept = group.memory
            memory = replace(
                kept,
                keys=list(kept.keys),
                values=list(kept.values),
                frames=list(kept.frames),
                pinned=list(kept.pinned),
            )
            other.groups.append(Group(list(group.ids), memory))
        return other

    def num_bytes(self) -> int:
        """Bytes of the tensors remembered at present."""
        return sum(
            tensor.numel() * tensor.element_size()
            for group in self.groups
            for tensor in group.memory.tensors().values()
        )

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values from which `load` goes on with equal results."""
        tensors = {
            f"{index}.{name}": value
            for index, group in enumerate(self.groups)
            for name, value in group.memory.tensors().items()
        }
        return tensors, {"groups": [group.ids for group in self.groups]}

    @classmethod
    def load(cls, network: StarterNetwork, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> Follower:
        """The follower that `save` described."""
        follower = cls(network)
        for index, ids in enumerate(header["groups"]):
            prefix = f"{index}."
            named = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            follower.groups.append(Group([int(number) for number in ids], Memory.restore(named)))
        return follower

    def _merge(self, features: Features) -> None:
        """Join the two oldest groups, which then remember from this frame on."""
        first, second = self.groups[:2]
        assert first.memory.last is not None and second.memory.last is not None
        joined = Group(first.ids + second.ids)
        self.network.write(joined.memory, features, torch.cat([first.memory.last, second.memory.last]), pinned=True)
        self.groups[:2] = [joined]


def _read(network: StarterNetwork, memory: Memory, features: Features) -> Tensor:
    """Logits of a group's objects, (num_objects, height/4, width/4), before those of other groups compete with them."""
    assert memory.local_key is not None and memory.last is not None
    keys, values = torch.cat(memory.keys, dim=1), torch.cat(memory.values, dim=2)
    return network.read(features, keys[None], values[None], memory.local_key[None], memory.last[None])[0]


def _limit_pinned(memory: Memory) -> None:
    pinned = [index for index, fixed in enumerate(memory.pinned) if fixed]
    for index in pinned[1 : max(1, len(pinned) - MAX_PINNED + 1)]:
        memory.pinned[index] = False


def memory_bytes(network: StarterNetwork, mask_shape: tuple[int, int], num_objects: int, num_groups: int) -> int:
    """The most bytes that a follower of so many objects in so many groups remembers."""
    config = network.config
    rows, columns = mask_shape
    coarse, fine, finest = rows * columns // 16, rows * columns // 4, rows * columns
    frames = config.recent_frames + MAX_PINNED
    per_group = frames * config.key_channels * coarse + config.local_channels * fine
    per_object = frames * (config.value_width + 1) * coarse + finest
    return 4 * (num_groups * per_group + num_objects * per_object) + 1024 * num_groups
