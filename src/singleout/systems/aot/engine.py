"""One run of the network over a video: what it remembers, and its scores frame by frame.

Objects are numbered from 1 without gaps. Ten of them share a pass; the groups are the batch. A group that begins later
has clocks of its own, as if an engine of its own had begun then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from singleout.systems.aot.memory import MemoryRule, Store, read_long
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.values import Entry, Recall, Record, Sight, Size, Streams


def num_groups(num_objects: int, num_ids: int) -> int:
    """Groups that so many objects need, at least one."""
    return max(-(-num_objects // num_ids), 1)


def group_sizes(num_objects: int, num_ids: int) -> list[int]:
    """Objects in each group."""
    return [min(num_ids, num_objects - first) for first in range(0, max(num_objects, 1), num_ids)]


class Engine:
    """See the module. Labels are (height, width) int64 at the network's size."""

    def __init__(self, network: AOTNetwork, rule: MemoryRule) -> None:
        self.network, self.rule = network, rule
        self.stores: list[Store] = []
        self.short: deque[list[Entry]] = deque(maxlen=rule.skip)
        self._records: list[Record] = []
        self._position: tuple[Size, Tensor] | None = None

    def refer(self, sight: Sight, labels: Tensor, num_objects: int, *, restart_gap: bool = False) -> list[Streams]:
        """Remember a frame whose objects are given; returns what the blocks say of it, for `AOTNetwork.decode`.

        Groups that it needs begin with it. For the others it is a frame more in the memory, whatever their gap.
        restart_gap: count the gap to the next kept frame from the very beginning, as the challenge code does when it
        turns round.
        """
        for _ in range(len(self.stores), num_groups(num_objects, self.network.config.num_ids)):
            self.stores.append(Store(self.rule))
        identity = self._identity(labels)
        passed, self._records = self.network.refer(sight, self._at(sight.size), identity)
        entries = self.network.remember(self._records, identity)
        for group, store in enumerate(self.stores):
            store.add(entries, group, given=True)
            store.stored = 0 if restart_gap else store.stored
        self.short.clear()
        self.short.append(entries)
        return passed

    def follow(self, sight: Sight) -> list[Streams]:
        """Look for the objects in the next frame; returns what the blocks say of it."""
        for store in self.stores:
            store.step += 1
        recalls = [self._recall(block) for block in range(len(self.network.blocks))]
        passed, self._records = self.network.follow(sight, self._at(sight.size), recalls)
        return passed

    def update(self, labels: Tensor) -> None:
        """Remember the frame that was followed last as it was decided. To be called once for a frame."""
        entries = self.network.remember(self._records, self._identity(labels))
        self._records = []
        for group, store in enumerate(self.stores):
            if store.is_due:
                store.add(entries, group, given=False)
        self.short.append(entries)

    def labels_of_groups(self, labels: Tensor) -> Tensor:
        """Each group's own numbers, (groups, height, width): the objects of others are background to it."""
        num_ids = self.network.config.num_ids
        first = num_ids * torch.arange(len(self.stores), device=labels.device)[:, None, None]
        own = labels[None] - first
        return own * ((own > 0) & (own <= num_ids))

    def _identity(self, labels: Tensor) -> Tensor:
        return self.network.identify(self.labels_of_groups(labels))

    def _recall(self, block: int) -> Recall:
        return Recall(lambda query: read_long(self.stores, block, query), self.short[0][block])

    def _at(self, size: Size) -> Tensor:
        if self._position is None or self._position[0] != size:
            self._position = size, self.network.positions(size)
        return self._position[1]


def memory_log(engines: Sequence[Engine]) -> list[list[tuple[int, int, int]]]:
    """Of each group of each engine: frames since it began, when it last kept one, frames that it has kept."""
    return [[(store.step, store.stored, len(store)) for store in engine.stores] for engine in engines]
