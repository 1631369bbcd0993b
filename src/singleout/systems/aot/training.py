"""A step of training: a short clip followed from its first frame, and the loss of every frame.

Batch items are clips; each has its own objects, whose identities are shuffled, so that no identity means anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.memory_attention import attend
from singleout.systems.aot.losses import frame_loss
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.schedule import Stage
from singleout.systems.aot.values import Entry, Recall, Sight, Streams

Ids = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Clips:
    """A batch.

    frames: (time, batch, 3, height, width), normalised. labels: (time, batch, height, width), 0 to the number of
    objects, 255 for what does not count. counts: objects of each item. permutations: (batch, num_ids + 1), the identity
    of each object, 0 first.
    """

    frames: Tensor
    labels: Tensor
    counts: Sequence[int]
    permutations: Tensor


@dataclass(frozen=True)
class Losses:
    """Of one step. total: what is minimised. frames: (time, batch). masks: (time, batch, height, width), decided.
    remembered: frames that the long-term memory has in the end."""

    total: Tensor
    frames: Tensor
    masks: Tensor
    remembered: int


class _Clip:
    """The memory of a clip, all batch items together."""

    def __init__(self, network: AOTNetwork) -> None:
        self.network = network
        self.long: list[list[Entry]] = []  # frames, and of each the blocks' entries
        self.short: list[Entry] = []

    def recall(self, block: int) -> Recall:
        key, value = (
            torch.cat([getattr(entries[block], part) for entries in self.long], dim=2) for part in ("key", "value")
        )
        return Recall(lambda query: attend(query, key, value), self.short[block])


def clip_losses(network: AOTNetwork, clips: Clips, stage: Stage, step: int) -> Losses:
    """Follow the clips and compare; step: of the stage, which decides what is remembered and what counts."""
    frames, labels, counts, permutations = clips.frames, clips.labels, clips.counts, clips.permutations
    progress = step / (stage.hardening_steps + 1e-5)
    clip = _Clip(network)
    rows: list[Tensor] = []
    masks: list[Tensor] = []
    position: Tensor | None = None
    stored = 0
    for time in range(len(frames)):
        sight = network.look(frames[time])
        position = network.positions(sight.size) if position is None else position
        if time == 0:
            identity = _identity(network, labels[0], permutations)
            passed, records = network.refer(sight, position, identity)
            clip.short = network.remember(records, identity)
            clip.long.append(clip.short)
        else:
            recalls = [clip.recall(block) for block in range(len(network.blocks))]
            passed, records = network.follow(sight, position, recalls)
        logits = _logits(network, sight, passed, permutations, labels.shape[-2:])
        own = [each[: count + 1] for each, count in zip(logits, counts, strict=True)]
        rows.append(torch.stack([frame_loss(*pair, progress) for pair in zip(own, labels[time], strict=True)]))
        masks.append(torch.stack([each.argmax(0) for each in own]))
        if 0 < time < len(frames) - 1:
            if step >= stage.sequential_from:
                identity = _identity(network, masks[-1], permutations)
                # Only while the network is in training mode, as published: the bank's own rate is 0 by then.
                identity = identity.detach() if network.training else identity
            else:
                identity = _identity(network, labels[time], permutations)
            clip.short = network.remember(records, identity)
            if time - stored >= network.config.training_gap:
                clip.long.append(clip.short)
                stored = time
    losses = torch.stack(rows)
    total = stage.first_frame_weight(step) * losses[0].mean() + losses[1:].mean()
    return Losses(total, losses, torch.stack(masks), len(clip.long))


def _identity(network: AOTNetwork, labels: Tensor, permutations: Tensor) -> Tensor:
    numbers = torch.arange(permutations.shape[1], device=labels.device)
    shares = (labels[:, None] == numbers[:, None, None]).float()
    shuffled = torch.zeros_like(shares)
    for item, order in enumerate(permutations):
        shuffled[item, order] = shares[item]
    return network.identify_shares(shuffled)


def _logits(
    network: AOTNetwork, sight: Sight, passed: Sequence[Streams], permutations: Tensor, size: Sequence[int]
) -> Tensor:
    scores = network.decode(sight, passed)
    scores = torch.stack([each[order] for each, order in zip(scores, permutations, strict=True)])
    return F.interpolate(scores, tuple(size), mode="bilinear", align_corners=network.config.align_corners)


def merge_labels(
    first: Ids, second: Ids, *, most: int = 10, least: int = 100, dice: np.random.Generator | None = None
) -> tuple[Ids, int]:
    """Two samples in one, the objects of the second over those of the first; returns the labels and how many objects.

    first, second: (time, height, width). Objects of `least` pixels or fewer in the first frame become background; of
    more than `most` some are drawn that stay. Numbers have no gaps in the end. Pixels of pictures come from the second
    sample where its labels do.
    """
    merged = np.where(second > 0, second.astype(np.int64) + int(first.max()), first.astype(np.int64))
    numbers, areas = np.unique(merged[0], return_counts=True)
    kept = [int(one) for one, area in zip(numbers, areas, strict=True) if one and area > least]
    if len(kept) > most:
        chosen = (dice or np.random.default_rng()).choice(len(kept), most, replace=False)
        kept = [kept[place] for place in sorted(chosen)]
    renumbered = np.zeros(int(merged.max()) + 1, np.int64)
    renumbered[kept] = np.arange(1, len(kept) + 1)
    return renumbered[merged].astype(first.dtype), len(kept)
