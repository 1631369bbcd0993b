"""The blocks of DeAOT: what is seen and whose it is go through gated propagation side by side.

After "Decoupling Features in Hierarchical Propagation for Video Object Segmentation" (Yang and Yang 2022) as its
authors' code has it. There is one head, and no feed-forward part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.windows import DropPath
from singleout.nn.memory_attention import attend
from singleout.systems.aot.blocks import ShortTerm, as_map, as_tokens, joined, own_memory, project
from singleout.systems.aot.config import AOTConfig
from singleout.systems.aot.values import Entry, Recall, Record, Size, Streams

_DROPPED = 0.1  # share of channels left out in training


class Gate(nn.Module):
    """What was read, weighted by a gate, mixed with neighbours, and projected to both streams."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.projection = nn.Linear(channels, width)

    def forward(self, read: Tensor, gate: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """read, gate: (groups, tokens, channels). Returns one half for each stream, (groups, tokens, width)."""
        mixed = self.mix(as_map(read * gate, size))
        mixed = F.dropout2d(mixed, _DROPPED, self.training)
        picture, identity = project(as_tokens(mixed), self.projection).chunk(2, dim=-1)
        return picture, identity


class GatedSelfAttention(nn.Module):
    """Propagation within a frame."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.query = nn.Linear(2 * width, depth)
        self.picture_value, self.identity_value = (nn.Linear(width, 2 * width) for _ in range(2))
        self.picture_gate, self.identity_gate = (nn.Linear(width, 2 * width) for _ in range(2))
        self.gate = Gate(4 * width, 2 * width)

    def forward(self, picture: Tensor, identity: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """picture, identity: (groups, tokens, width), normed."""
        picture, identity = joined(picture, identity)
        query = project(torch.cat([picture, identity], dim=-1), self.query)
        values = project(picture, self.picture_value), project(identity, self.identity_value)
        gates = project(picture, self.picture_gate), project(identity, self.identity_gate)
        value, gate = (F.silu(torch.cat(parts, dim=-1)) for parts in (values, gates))
        read = attend(query[:, None], query[:, None], value[:, None])[:, 0]
        return self.gate(read, gate, size)  # type: ignore[no-any-return]


class GatedLongTerm(Gate):
    """Propagation from the long-term memory."""


class GatedShortTerm(ShortTerm):
    """Propagation from near places of the frame before."""

    def __init__(self, channels: int, width: int, depth: int, radius: int) -> None:
        super().__init__(1, depth, radius)
        self.gate = Gate(channels, width)


class GatedBlock(nn.Module):
    """One layer of gated propagation. first: nothing is known of identities before it."""

    def __init__(self, config: AOTConfig, *, first: bool) -> None:
        super().__init__()
        width = config.width
        self.depth = width // 2
        self.norm1, self.norm2, self.identity_norm2 = (nn.LayerNorm(width) for _ in range(3))
        self.query_value = nn.Linear(width, self.depth + 2 * width)
        self.picture_gate = nn.Linear(width, 2 * width)
        self.identity_value = nn.Linear(width if first else 2 * width, 2 * width)
        self.identity_norm1 = None if first else nn.LayerNorm(width)
        self.identity_gate = None if first else nn.Linear(width, 2 * width)
        self.long_term = GatedLongTerm(4 * width, 2 * width)
        self.short_term = GatedShortTerm(4 * width, 2 * width, self.depth, config.radius)
        self.self_attention = GatedSelfAttention(width, self.depth)
        self.drop_path = DropPath(config.drop_path)

    def forward(
        self, streams: Streams, size: Size, position: Tensor, recall: Recall | None, identity: Tensor | None = None
    ) -> tuple[Streams, Record]:
        """One step; see `AOTBlock.forward`. position is not used, as in the published code."""
        x, z = streams.picture, streams.identity
        seen = self.norm1(x)
        query, value = project(seen, self.query_value).split([self.depth, 2 * x.shape[-1]], dim=-1)
        gate = F.silu(project(seen, self.picture_gate))
        known = None
        if z is None:
            # A gate of ones for identities of which nothing is known yet.
            gate = torch.cat([gate, torch.ones_like(gate)], dim=-1)
        else:
            assert self.identity_norm1 is not None
            assert self.identity_gate is not None
            known = self.identity_norm1(z)
            gate = torch.cat(joined(gate, F.silu(project(known, self.identity_gate))), dim=-1)
        query = query[:, None]
        record = Record(query, F.silu(value), known)
        if recall is None:
            assert identity is not None
            recall = own_memory(self.remember(record, identity))
        far = self.long_term(recall.long(query)[:, 0], gate, size)
        near = self.short_term.gate(self.short_term.read(query, recall.short, size)[:, 0], gate, size)
        x = x + far[0] + near[0]
        z = far[1] + near[1] if z is None else z + far[1] + near[1]
        own = self.self_attention(self.norm2(x), self.identity_norm2(z), size)
        return Streams(x + self.drop_path(own[0]), z + self.drop_path(own[1])), record

    def remember(self, record: Record, identity: Tensor) -> Entry:
        """A frame as it is kept: the picture's value as it is, and beside it that of the identities."""
        told = identity if record.stream is None else torch.cat(joined(record.stream, identity), dim=-1)
        whose = F.silu(project(told, self.identity_value))
        return Entry(record.key, torch.cat(joined(record.value, whose), dim=-1)[:, None])
