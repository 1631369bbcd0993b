"""Reading masks of earlier frames by feature similarity: over the whole picture, and in a window of the last frame.

The memory holds the first frame of each object and the last few, as in space-time memory networks (Oh et al. 2019);
the window around each cell follows CFBI (Yang et al. 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F


def read_global(query: Tensor, keys: Tensor, values: Tensor, top_k: int | None) -> Tensor:
    """Attend from each cell to the memory cells that look most like it.

    query: (batch, channels, cells). keys: (batch, channels, memory). values: (batch, num_objects, width, memory).
    Returns (batch, num_objects, width, cells). `top_k` limits each cell to its most similar ones; None reads all.
    """
    similarity = query.transpose(1, 2) @ keys
    batch, count, width, memory = values.shape
    flat = values.reshape(batch, count * width, memory)
    if top_k is None or top_k >= similarity.shape[2]:
        read = flat @ similarity.softmax(dim=2).transpose(1, 2)
    else:
        best, where = similarity.topk(top_k, dim=2, sorted=False)
        weights = best.softmax(dim=2)
        # Fetching the few values of each cell is cheaper than a product with a matrix that is mostly zeros.
        pairs = zip(where, flat.transpose(1, 2).contiguous(), weights, strict=True)
        read = torch.stack([F.embedding_bag(w, table, per_sample_weights=p, mode="sum").T for w, table, p in pairs])
    return read.view(batch, count, width, -1)


def read_local(query: Tensor, key: Tensor, labels: Tensor, radius: int) -> Tensor:
    """Read the last frame's labels where its features, in a window around each cell, look alike.

    query, key: (batch, channels, height, width). labels: (batch, num_objects, height, width).
    Returns (batch, num_objects, height, width), the mean label under a softmax over the (2 radius + 1)^2 window;
    cells outside the picture do not take part.
    """
    batch, _, height, width = query.shape
    side = 2 * radius + 1
    similarity = _band_products(query, key, radius)  # what is too far to the side is hidden
    columns, rows = torch.arange(width, device=key.device), torch.arange(height, device=key.device)
    far = (columns[:, None] - columns).abs() > radius
    reached = rows[:, None] + torch.arange(-radius, radius + 1, device=key.device)
    outside = (reached < 0) | (reached >= height)
    hidden = far[None, :, None, :] | outside[:, None, :, None]
    weights = similarity.masked_fill(hidden, -torch.inf).flatten(3).float().softmax(dim=3).to(labels.dtype)
    near = (
        F.pad(labels, (0, 0, radius, radius))
        .unfold(2, side, 1)
        .permute(0, 2, 4, 3, 1)
        .reshape(batch, height, side * width, -1)
    )
    read: Tensor = weights @ near
    return read.permute(0, 3, 1, 2)


def _band_products(query: Tensor, key: Tensor, radius: int) -> Tensor:
    """Products of each cell with all cells of its row and of `radius` rows above and below.

    query: (batch, channels, height, width). key: (batch, channels, height, columns). Returns (batch, height, width,
    2 radius + 1, columns). More than a window needs, but by the one operation that every device is fastest at.
    """
    side = 2 * radius + 1
    bands = F.pad(key, (0, 0, radius, radius)).unfold(2, side, 1).permute(0, 2, 1, 4, 3).flatten(3)
    products: Tensor = (query.permute(0, 2, 3, 1) @ bands).unflatten(3, (side, key.shape[3]))
    return products


def window_products(query: Tensor, key: Tensor, radius: int) -> Tensor:
    """Products of each cell with those in a window around its place in another frame.

    query, key: (channels, height, width). Returns ((2 radius + 1)^2, height, width), row by row of the window; 0 for
    cells outside the picture.
    """
    height, width = query.shape[-2:]
    side = 2 * radius + 1
    products = _band_products(query[None], F.pad(key, (radius, radius))[None], radius)[0]
    # Of each band only the columns near the cell's own are asked for: a diagonal stripe.
    columns = torch.arange(width, device=query.device)[:, None] + torch.arange(side, device=query.device)
    near = products.gather(3, columns[None, :, None, :].expand(height, width, side, side))
    by_offset: Tensor = near.flatten(2).permute(2, 0, 1)
    return by_offset


def aggregate(logits: Tensor) -> Tensor:
    """Make independent logits of objects compete (soft aggregation, Oh et al. 2018).

    logits: (..., num_objects, height, width). Returns probabilities of the objects, of the same shape, whose sum with
    the background's is 1.
    """
    probabilities = logits.float().sigmoid().clamp(1e-6, 1 - 1e-6)
    background = torch.log1p(-probabilities).sum(dim=-3, keepdim=True).exp().clamp(1e-6, 1 - 1e-6)
    everything = torch.cat([background, probabilities], dim=-3)
    return torch.logit(everything).softmax(dim=-3)[..., 1:, :, :]


@dataclass
class Memory:
    """What a propagation remembers: some frames for matching, and the last one.

    keys: per remembered frame (key_channels, cells). values: per remembered frame (num_objects, value_width, cells).
    frames: the number of steps after which each was written; pinned: whether it is never forgotten.
    local_key: (local_channels, height/8, width/8) and last: (num_objects, height/4, width/4) of the latest frame.
    """

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    pinned: list[bool] = field(default_factory=list)
    local_key: Tensor | None = None
    last: Tensor | None = None
    steps: int = 0

    @property
    def num_objects(self) -> int:
        """How many objects are followed."""
        return 0 if self.last is None else int(self.last.shape[0])

    def keep(self, key: Tensor, value: Tensor, *, pinned: bool, recent_frames: int) -> None:
        """Remember one frame; of those that are not pinned the newest `recent_frames` stay."""
        self.keys.append(key)
        self.values.append(value)
        self.frames.append(self.steps)
        self.pinned.append(pinned)
        loose = [index for index, fixed in enumerate(self.pinned) if not fixed]
        gone = set(loose[: max(0, len(loose) - recent_frames)])
        stay = [index for index in range(len(self.keys)) if index not in gone]
        self.keys, self.values = [self.keys[i] for i in stay], [self.values[i] for i in stay]
        self.frames, self.pinned = [self.frames[i] for i in stay], [self.pinned[i] for i in stay]

    def tensors(self) -> dict[str, Tensor]:
        """Everything as named tensors, for saving; `Memory.restore` is the inverse."""
        if self.local_key is None or self.last is None:
            return {}
        named = {f"key.{i}": key for i, key in enumerate(self.keys)}
        named |= {f"value.{i}": value for i, value in enumerate(self.values)}
        named |= {
            "frames": torch.tensor(self.frames, dtype=torch.int64),
            "pinned": torch.tensor(self.pinned, dtype=torch.bool),
            "local_key": self.local_key,
            "last": self.last,
            "steps": torch.tensor(self.steps, dtype=torch.int64),
        }
        return {name: value.contiguous() for name, value in named.items()}

    @classmethod
    def restore(cls, named: Mapping[str, Tensor]) -> Memory:
        """The memory that `tensors` described."""
        if not named:
            return cls()
        frames = [int(value) for value in named["frames"]]
        return cls(
            keys=[named[f"key.{i}"] for i in range(len(frames))],
            values=[named[f"value.{i}"] for i in range(len(frames))],
            frames=frames,
            pinned=[bool(value) for value in named["pinned"]],
            local_key=named["local_key"],
            last=named["last"],
            steps=int(named["steps"]),
        )
