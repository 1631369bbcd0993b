"""One run of the network over a video: what it remembers, and its scores frame by frame.

Objects are numbered from 1 without gaps. Ten of them share a pass; the groups are the batch. A group that begins later
has clocks of its own, as if an engine of its own had begun then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from singleout.nn.states import prefixed, under
from singleout.systems.aot.memory import MemoryRule, Store, read_long
from singleout.systems.aot.network import STRIDE, AOTNetwork
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
        passed, records = self.network.refer(sight, self._at(sight.size), identity)
        entries = self.network.remember(records, identity)
        self._records = []
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

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The memory before the frame that was followed last, as tensors and plain values that `load` takes."""
        tensors: dict[str, Tensor] = {}
        stores = []
        for group, store in enumerate(self.stores):
            kept, header = store.save()
            # What was followed and is not decided yet will be followed again.
            stores.append({**header, "step": header["step"] - bool(self._records)})
            tensors |= prefixed(f"store.{group}", kept)
        for age, entries in enumerate(self.short):
            for block, entry in enumerate(entries):
                tensors |= {f"short.{age}.{block}.key": entry.key, f"short.{age}.{block}.value": entry.value}
        return tensors, {"stores": stores, "short": len(self.short)}

    def load(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
        """Take over what `save` gave."""
        device = self.network.projector.weight.device
        for group, plain in enumerate(header["stores"]):
            self.stores.append(Store(self.rule))
            self.stores[-1].load(under(f"store.{group}", tensors), plain, device)
        for age in range(int(header["short"])):
            kept = under(f"short.{age}", tensors)
            blocks = range(len(kept) // 2)
            parts = [(kept[f"{block}.key"].to(device), kept[f"{block}.value"].to(device)) for block in blocks]
            self.short.append([Entry(key, value) for key, value in parts])

    def most_bytes(self, size: Size, num_objects: int, budget: int) -> int:
        """The most that `save` gives for so many objects at a size of frames in the network."""
        config = self.network.config
        tokens = -(-size[0] // STRIDE) * -(-size[1] // STRIDE)
        channels = config.width // 2 + 4 * config.width if config.gated else 2 * config.width
        frames = (budget + self.rule.skip) * num_groups(num_objects, config.num_ids)
        return frames * config.num_blocks * tokens * channels * 4

    def _identity(self, labels: Tensor) -> Tensor:
        return self.network.identify(self.labels_of_groups(labels))

    def _recall(self, block: int) -> Recall:
        return Recall(lambda query: read_long(self.stores, block, query), self.short[0][block])

    def _at(self, size: Size) -> Tensor:
        if self._position is None or self._position[0] != size:
            self._position = size, self.network.positions(size)
        return self._position[1]
