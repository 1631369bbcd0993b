"""What OV2Seg is trained on (Wang et al. 2023): single pictures whose queries are matched with the true objects.

Every head of the decoder gets the same losses. Names are learnt from a part of all names at a time (Zhou et al. 2021),
and rare ones never. Section 6 of the facts beside the goldens, haochenheheda/LVVIS at cc3cdf4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.losses.matching import assign
from singleout.nn.losses.points import point_costs, point_losses, sample, uncertain_points
from singleout.systems.ov2seg.tracking import pair_scores
from singleout.systems.ov2seg.values import OBJECT, Head, Seen, name_logits

WEIGHTS = {"loss_ce": 2.0, "loss_object_ce": 2.0, "loss_mask": 5.0, "loss_dice": 5.0}
_COSTS = {"pair": 2.0, "mask": 5.0, "dice": 5.0}
_NOTHING = 0.4  # weight of queries without an object
_NAMES = 1.7  # factor of the loss of names inside of it, as published


@dataclass(frozen=True)
class Target:
    """What is true in a picture.

    labels: (num_objects,) int64, rows of the names. masks: (num_objects, height, width) bool.
    """

    labels: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Layer:
    """What a head says of a picture.

    logits: (num_queries, num_names). objects: (num_queries, 2). masks: (num_queries, h, w) logits.
    """

    logits: Tensor
    objects: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Settings:
    """num_points: of a mask that are looked at. uncertain: share of them that are where a mask cannot tell.

    num_names: that a step learns from, the true ones among them; one of them stands for nothing.
    """

    num_points: int = 12544
    oversample: float = 3.0
    uncertain: float = 0.75
    num_names: int = 50


class Draws:
    """What chance decides; its own class, so that a test can decide instead. weights: (num_names,), of names."""

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights

    def uniform(self, *sizes: int, device: torch.device) -> Tensor:
        """Numbers from 0 to 1."""
        return torch.rand(sizes, device=device)

    def names(self, labels: Tensor, count: int) -> Tensor:
        """The names that a step learns from: all true ones, and others up to `count`, (num,) int64, ascending."""
        true: Tensor = labels.unique()
        weights = self.weights.to(labels.device).clone()
        weights[true] = 0
        more = min(max(count - len(true), 0), int((weights > 0).sum()))
        if not more:
            return true
        names: Tensor = torch.cat([true, torch.multinomial(weights, more)]).sort().values
        return names


def name_weights(image_counts: Sequence[int], rare: Sequence[bool]) -> Tensor:
    """How likely names are drawn: the root of the number of pictures that show them, never where they are rare.

    image_counts: as LVIS's annotations state it for each category. Returns (num_names,) float32.
    """
    counts = torch.tensor(image_counts, dtype=torch.float32).sqrt()
    return counts.masked_fill(torch.tensor(rare), 0.0)


def layers_of(seen: Seen, classifier: Tensor, sharpness: float) -> list[Layer]:
    """All heads of a picture that was seen with every head, the last one first. classifier: (num_names, width)."""
    heads: list[Head] = [seen, *seen.earlier]
    return [
        Layer(name_logits(head.spoken, classifier, sharpness), head.objects, seen.masks(head=head)) for head in heads
    ]


def total(losses: Mapping[str, Tensor], weights: Mapping[str, float] = WEIGHTS) -> Tensor:
    """The weighted sum of losses of all heads."""
    return torch.stack([weights[name.rstrip("0123456789").rstrip("_")] * one for name, one in losses.items()]).sum()


def losses_of(
    pictures: Sequence[Sequence[Layer]],
    targets: Sequence[Target],
    draws: Draws,
    *,
    settings: Settings = Settings(),
    num_masks: float | None = None,
) -> tuple[dict[str, Tensor], list[list[Tensor]]]:
    """The losses of a batch and who was matched.

    pictures: for each its heads, the last one first (`layers_of`). num_masks: that mask losses are averaged over, where
    several processes share a batch; by default the true ones here. Returns losses before weights, those of the last
    head by plain names and those of others ending in _0, _1 …, and for each head and picture the query of each object.
    """
    losses: dict[str, Tensor] = {}
    matched = []
    count = max(float(sum(len(target.labels) for target in targets)) if num_masks is None else num_masks, 1.0)
    for number, heads in enumerate(zip(*pictures, strict=True)):
        queries = [match(head, target, settings, draws) for head, target in zip(heads, targets, strict=True)]
        matched.append(queries)
        suffix = f"_{number - 1}" if number else ""
        for name, value in _head_losses(heads, targets, queries, count, (settings, draws)).items():
            losses[name + suffix] = value
    return losses, matched


@torch.no_grad()
def match(layer: Layer, target: Target, settings: Settings, draws: Draws) -> Tensor:
    """The query of each object, (num_objects,), of least cost; masks are compared at points."""
    points = draws.uniform(1, settings.num_points, 2, device=layer.masks.device)
    if not len(target.labels):
        return torch.empty(0, dtype=torch.int64, device=layer.masks.device)
    found = sample(layer.masks[None], points)[0].float()
    truth = sample(target.masks[None].float(), points)[0]
    entropy, dice = point_costs(found, truth)
    likely = pair_scores(layer.logits[:, target.labels], layer.objects[:, None])
    return assign(_COSTS["mask"] * entropy + _COSTS["dice"] * dice - _COSTS["pair"] * likely)


def _head_losses(
    heads: Sequence[Layer],
    targets: Sequence[Target],
    queries: Sequence[Tensor],
    num_masks: float,
    how: tuple[Settings, Draws],
) -> dict[str, Tensor]:
    settings, draws = how
    # Matched queries in their order, which decides about what is drawn for each.
    orders = [query.argsort() for query in queries]
    rows = [query[order] for query, order in zip(queries, orders, strict=True)]
    logits = torch.cat([head.logits[row] for head, row in zip(heads, rows, strict=True)])
    labels = torch.cat([target.labels[order] for target, order in zip(targets, orders, strict=True)])
    masks = torch.cat([head.masks[row] for head, row in zip(heads, rows, strict=True)])
    truth = torch.cat([target.masks[order] for target, order in zip(targets, orders, strict=True)]).float()
    num_queries = sum(len(head.objects) for head in heads)
    losses = {
        "loss_ce": _name_loss(logits, labels, num_queries, settings, draws),
        "loss_object_ce": _object_loss(heads, rows),
    }
    if not len(labels):
        nothing = sum((head.masks.sum() * 0 for head in heads), heads[0].masks.new_zeros(()))
        return losses | {"loss_mask": nothing, "loss_dice": nothing}
    points = uncertain_points(
        masks,
        settings.num_points,
        oversample=settings.oversample,
        uncertain=settings.uncertain,
        uniform=draws.uniform,
    )
    entropy, dice = point_losses(masks, truth, points)
    return losses | {"loss_mask": entropy.sum() / num_masks, "loss_dice": dice.sum() / num_masks}


def _name_loss(logits: Tensor, labels: Tensor, num_queries: int, settings: Settings, draws: Draws) -> Tensor:
    """Yes or no for some names, of matched queries only; divided by all queries. logits: (num_matched, num_names)."""
    # One of the names that are drawn stands for queries without an object, which have no part in this loss.
    names = draws.names(labels, settings.num_names - 1)
    wanted = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits[:, names], wanted[:, names], reduction="sum")
    return _NAMES * loss / num_queries


def _object_loss(heads: Sequence[Layer], rows: Sequence[Tensor]) -> Tensor:
    """Whether a query shows an object, over all queries of all pictures."""
    logits = torch.cat([head.objects for head in heads])
    wanted = []
    for head, row in zip(heads, rows, strict=True):
        answer = torch.full((len(head.objects),), 1 - OBJECT, device=logits.device)
        answer[row] = OBJECT
        wanted.append(answer)
    return F.cross_entropy(logits, torch.cat(wanted), object_weights(logits))


def object_weights(like: Tensor) -> Tensor:
    """How much queries with and without an object count, in the order of their logits, (2,)."""
    return like.new_tensor([1.0, _NOTHING])
