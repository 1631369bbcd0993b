"""What an engine remembers: given frames, every few frames after them, and the frame before.

Published is to keep every stored frame for ever, so that memory and time grow with the video. With a budget, frames are
forgotten by the rule of `singleout.nn.forgetting`; until it is reached nothing differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from singleout.nn.forgetting import Stamp, to_forget
from singleout.nn.memory_attention import attend
from singleout.systems.aot.values import Entry

_GROWTH = 4  # frames that room is made for at once


@dataclass(frozen=True)
class MemoryRule:
    """gap: frames between two that are kept. budget: frames that are kept at the most, None without end. skip: how many
    frames ago the short-term memory is (VOT challenges used 4)."""

    gap: int
    budget: int | None = None
    skip: int = 1


class Store:
    """The long-term memory of one group of objects, all blocks together. step, stored: frames since the group began,
    and when the last frame was kept."""

    def __init__(self, rule: MemoryRule) -> None:
        self.rule = rule
        self.step = self.stored = 0
        self.stamps: list[Stamp] = []
        self._keys: list[Tensor] = []  # (heads, room, tokens, depth) of each block
        self._values: list[Tensor] = []

    def __len__(self) -> int:
        return len(self.stamps)

    @property
    def is_due(self) -> bool:
        """Whether the present frame is one that is kept."""
        return self.step - self.stored >= self.rule.gap

    def add(self, entries: Sequence[Entry], group: int, *, given: bool) -> None:
        """Keep the present frame. entries: of each block, of which row `group` is ours."""
        stamp = Stamp(self.step, given)
        self.stored = self.step
        if self.rule.budget is not None and len(self) >= self.rule.budget:
            place = to_forget(self.stamps)
            # The frame takes the place of the forgotten one: the order in the memory does not matter to attention.
            self.stamps[place] = stamp
        else:
            place = len(self)
            self.stamps.append(stamp)
        for block, entry in enumerate(entries):
            key, value = (part[group if len(part) > 1 else 0] for part in (entry.key, entry.value))
            if block == len(self._keys):
                self._keys.append(key.new_empty(key.shape[0], 0, *key.shape[1:]))
                self._values.append(value.new_empty(value.shape[0], 0, *value.shape[1:]))
            for buffers, part in ((self._keys, key), (self._values, value)):
                if buffers[block].shape[1] == place:
                    room = _GROWTH if self.rule.budget is None else min(_GROWTH, self.rule.budget - place)
                    more = part.new_empty(part.shape[0], room if place else 1, *part.shape[1:])
                    buffers[block] = torch.cat([buffers[block], more], dim=1)
                buffers[block][:, place] = part

    def parts(self, block: int) -> tuple[Tensor, Tensor]:
        """Keys (heads, frames, tokens, depth) and values of a block."""
        return self._keys[block][:, : len(self)], self._values[block][:, : len(self)]

    def entry(self, block: int) -> tuple[Tensor, Tensor]:
        """Keys (heads, frames * tokens, depth) and values of a block."""
        key, value = self.parts(block)
        return key.flatten(1, 2), value.flatten(1, 2)

    def save(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values that `load` takes."""
        tensors = {}
        for block in range(len(self._keys)):
            tensors[f"key.{block}"], tensors[f"value.{block}"] = self.parts(block)
        stamps = [[stamp.step, stamp.given] for stamp in self.stamps]
        return tensors, {"step": self.step, "stored": self.stored, "stamps": stamps}

    def load(self, tensors: Mapping[str, Tensor], header: Mapping[str, Any], device: torch.device) -> None:
        """Take over what `save` gave."""
        self.step, self.stored = int(header["step"]), int(header["stored"])
        self.stamps = [Stamp(int(step), bool(given)) for step, given in header["stamps"]]
        blocks = range(len(tensors) // 2)
        self._keys = [tensors[f"key.{block}"].to(device) for block in blocks]
        self._values = [tensors[f"value.{block}"].to(device) for block in blocks]

    @property
    def num_bytes(self) -> int:
        """Bytes of what is kept, room for more included."""
        return sum(part.numel() * part.element_size() for part in (*self._keys, *self._values))


def read_long(stores: Sequence[Store], block: int, query: Tensor) -> Tensor:
    """What a block reads from the long-term memories, group by group, as their lengths differ.

    query: (groups, heads, tokens, depth), or one for all groups. Returns (groups, heads, tokens, value depth).
    """
    read = []
    for group, store in enumerate(stores):
        key, value = store.entry(block)
        own = query[group if len(query) > 1 else 0]
        read.append(attend(own[None], key[None].to(own.dtype), value[None].to(own.dtype)))
    return torch.cat(read)
