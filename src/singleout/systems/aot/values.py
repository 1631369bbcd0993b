"""What the parts of the network hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Sight:
    """A frame as the encoder sees it, whatever objects are followed.

    maps: at strides 4, 8 and 16, (1, channels, h, w). tokens: (1, h * w at stride 16, width). size: of the tokens' map.
    """

    maps: tuple[Tensor, Tensor, Tensor]
    tokens: Tensor
    size: Size


@dataclass(frozen=True)
class Record:
    """What a block keeps of a frame until it is decided whose each place is.

    The first axis is a group of objects, or one for all. key: (groups, heads, tokens, depth). value: (groups, tokens,
    channels). stream: (groups, tokens, width), what DeAOT knows of identities before its block, None in the first.
    """

    key: Tensor
    value: Tensor
    stream: Tensor | None = None


@dataclass(frozen=True)
class Entry:
    """A frame in the memory of a block: key (groups, heads, tokens, depth), value (groups, heads, tokens, depth)."""

    key: Tensor
    value: Tensor


@dataclass(frozen=True)
class Recall:
    """What a block can remember.

    long: from queries (groups, heads, tokens, depth) to what is read, (groups, heads, tokens, value depth). short: the
    frame before.
    """

    long: Callable[[Tensor], Tensor]
    short: Entry


@dataclass(frozen=True)
class Streams:
    """What goes through the blocks: the picture and, in DeAOT, the identities; each (groups, tokens, width)."""

    picture: Tensor
    identity: Tensor | None = None
