"""What UniVS is trained on (Li et al. 2024): objects found by learnable queries, and those that prompts ask for.

Every head of the decoder gets the same losses. Learnable queries are matched with the objects of their video; prompts
know theirs. What both have is averaged. Section 6 of the facts beside the goldens, MinghanLI/UniVS at 7415d31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.losses.binary import sigmoid_focal
from singleout.nn.losses.matching import assign
from singleout.nn.losses.points import point_costs, point_losses, sample, uncertain_points
from singleout.systems.univs.contrast import Draws, Tokens, contrast, contrast_clips
from singleout.systems.univs.values import Decoded, Head, read_masks

_SHARPER = 5.0  # of class scores before matching
_COSTS = {"class": 3.0, "mask": 5.0, "dice": 5.0}


@dataclass(frozen=True)
class Target:
    """What is true in a clip of one video.

    masks: (num_objects, time, height, width) float or bool, of the padded frames. ids: (num_objects, time), the number
    of the object, -1 in frames where it is not. labels: (num_objects,) int64, the row of its name among those that are
    scored; None where nothing has a name, or sentences are the prompts. prompted: (num_prompts,) int64, which of the
    objects a prompt asks for, -1 for none. prompt_labels: (num_prompts,) int64, of category prompts.
    """

    masks: Tensor
    ids: Tensor
    labels: Tensor | None
    prompted: Tensor
    prompt_labels: Tensor | None = None


class Masks(Protocol):
    """Predicted masks of which only some are looked at."""

    def at(self, points: Tensor, count: int) -> Tensor:
        """Logits of the first `count` masks at points (num_points, 2): (count, time, num_points)."""

    def of(self, which: Tensor) -> Tensor:
        """Logits of some masks, (num_masks, time, h, w)."""


@dataclass(frozen=True)
class ReadMasks:
    """Masks as products of their embeddings with the frames' maps, which are sampled first and multiplied then."""

    embeds: Tensor
    finest: tuple[Tensor, ...]

    def at(self, points: Tensor, count: int) -> Tensor:
        """See `Masks`."""
        maps = torch.stack([frame.permute(2, 0, 1) for frame in self.finest])
        return torch.einsum("qtc,tcp->qtp", self.embeds[:count], sample(maps, points[None]))

    def of(self, which: Tensor) -> Tensor:
        """See `Masks`."""
        return read_masks(self.embeds[which], self.finest)


@dataclass(frozen=True)
class Layer:
    """What is read off one head, of one video: learnable queries first, then prompts.

    logits: (num_queries, num_names), None where there are none. embeds: (num_queries, time, width).
    """

    logits: Tensor | None
    embeds: Tensor
    masks: Masks
    num_learnable: int


@dataclass(frozen=True)
class Settings:
    """num_points: of a mask that are looked at. uncertain: share of them that are where a mask cannot tell."""

    num_points: int = 12544
    oversample: float = 3.0
    uncertain: float = 0.5


@dataclass(frozen=True)
class Found:
    """losses: by name; those of the last head have plain names, those of the others end in _0, _1 …

    matched: of the last head, for each video the query of each object. tokens: for each head, the last one first, the
    embeddings that all clips of a video are compared by.
    """

    losses: dict[str, Tensor]
    matched: tuple[Tensor, ...]
    tokens: tuple[tuple[Tensor, Tensor], ...]


def layers_of(decoded: Decoded) -> list[Layer]:
    """All heads of a clip that was decoded with every head, the last one first."""
    heads: list[Head] = [decoded, *decoded.earlier]
    return [
        Layer(head.logits, head.embeds, ReadMasks(head.mask_embeds, decoded.finest), decoded.num_learnable)
        for head in heads
    ]


def weights(reid: float = 0.5, *, long: bool = False) -> dict[str, float]:
    """The weight of each loss in the sum, by its name without number.

    reid: 0.5 for R50, 0.25 for Swin. long: of stage 3, long videos, where losses of embeddings weigh half as much.
    """
    share = reid / 2 if long else reid
    near = ("reid", "reid_aux", "reid_l2p", "reid_l2p_aux", "reid_interclip", "reid_interclip_aux")
    return {"loss_ce": 5.0, "loss_mask": 5.0, "loss_dice": 5.0, **{f"loss_{name}": share for name in near}}


def total(losses: Mapping[str, Tensor], weight: Mapping[str, float]) -> Tensor:
    """The weighted sum of losses of all heads."""
    return torch.stack([weight[name.rstrip("0123456789").rstrip("_")] * value for name, value in losses.items()]).sum()


def losses_of(
    videos: Sequence[Sequence[Layer]],
    targets: Sequence[Target],
    *,
    settings: Settings = Settings(),
    draws: Draws | None = None,
) -> Found:
    """The losses of a batch: for each video its heads, the last one first (`layers_of`), and what is true in it.

    Losses are not weighted, see `total`. Videos of a batch have the same number of frames and kind of prompts.
    """
    dice = draws or Draws()
    losses: dict[str, Tensor] = {}
    tokens = []
    matched: tuple[Tensor, ...] = ()
    for number, heads in enumerate(zip(*videos, strict=True)):
        suffix = f"_{number - 1}" if number else ""
        queries = [match(head, target, settings, dice) for head, target in zip(heads, targets, strict=True)]
        matched = tuple(queries) if number == 0 else matched
        pairs = _matched(heads, targets, queries)
        for name, value in _head_losses(heads, targets, pairs, settings, dice).items():
            losses[name + suffix] = value
        tokens.append(_all_tokens(heads, targets, pairs))
    return Found(losses, matched, tuple(tokens))


def clip_losses(clips: Sequence[Found], draws: Draws | None = None) -> dict[str, Tensor]:
    """The losses over all clips of one video (stage 3), which compare embeddings in all heads but the first."""
    dice = draws or Draws()
    losses = {}
    for number in range(len(clips[0].tokens)):
        # The head before any layer is the second in the list: the last head stands first.
        if number == 1:
            continue
        parts = [clip.tokens[number] for clip in clips]
        embeds, owners = (torch.cat(values) for values in zip(*parts, strict=True))
        suffix = f"_{number - 1}" if number else ""
        for name, value in zip(("", "_aux"), contrast_clips(embeds, owners, dice), strict=True):
            losses[f"loss_reid_interclip{name}{suffix}"] = value
    return losses


@torch.no_grad()
def match(layer: Layer, target: Target, settings: Settings, draws: Draws) -> Tensor:
    """The learnable query of each object, (num_objects,), of least cost; masks are compared at points of all frames."""
    count = layer.num_learnable
    if not len(target.masks):
        return torch.empty(0, dtype=torch.int64, device=layer.embeds.device)
    (points,) = draws.uniform(1, settings.num_points, 2, device=layer.embeds.device)
    found = layer.masks.at(points, count).flatten(1)
    truth = sample(target.masks.float(), points[None]).flatten(1)
    entropy, dice = point_costs(found.float(), truth)
    cost = _COSTS["mask"] * entropy + _COSTS["dice"] * dice
    if layer.logits is not None and target.labels is not None:
        shares = (_SHARPER * layer.logits[:count].sigmoid()).softmax(-1)
        cost = cost - _COSTS["class"] * shares[:, target.labels]
    return assign(cost)


@dataclass(frozen=True)
class _Answers:
    """Which queries answer for which objects, of each video.

    kind: the place of all queries of their kind. count: objects that masks are averaged over.
    """

    queries: list[Tensor]
    objects: list[Tensor]
    kind: list[slice]
    count: int


def _matched(heads: Sequence[Layer], targets: Sequence[Target], queries: Sequence[Tensor]) -> _Answers:
    """Learnable queries in their order, which decides about what is drawn for each."""
    orders = [query.argsort() for query in queries]
    return _Answers(
        [query[order] for query, order in zip(queries, orders, strict=True)],
        orders,
        [slice(0, head.num_learnable) for head in heads],
        sum(len(target.masks) for target in targets),
    )


def _prompted(heads: Sequence[Layer], targets: Sequence[Target]) -> _Answers:
    """Prompts that ask for an object; masks are averaged over those that ask for none as well, as published."""
    places = [(target.prompted >= 0).nonzero()[:, 0] for target in targets]
    return _Answers(
        [head.num_learnable + place for head, place in zip(heads, places, strict=True)],
        [target.prompted[place] for target, place in zip(targets, places, strict=True)],
        [slice(head.num_learnable, None) for head in heads],
        sum(len(target.prompted) for target in targets),
    )


def _head_losses(
    heads: Sequence[Layer], targets: Sequence[Target], pairs: _Answers, settings: Settings, draws: Draws
) -> dict[str, Tensor]:
    """The losses of one head: of learnable queries and of prompts, what both have averaged."""
    found = _shared_losses(heads, targets, pairs, settings, draws)
    tokens = _learnable_tokens(heads, targets, pairs)
    found["loss_reid"], found["loss_reid_aux"] = contrast(tokens, tokens, draws)
    if not any(len(target.prompted) for target in targets):
        return found
    prompts = _shared_losses(heads, targets, _prompted(heads, targets), settings, draws)
    tokens = _prompt_tokens(heads, targets, by="object")
    prompts["loss_reid"], prompts["loss_reid_aux"] = contrast(tokens, tokens, draws)
    by_label = targets[0].prompt_labels is not None
    if by_label:
        prompts["loss_mask"] = prompts["loss_mask"] + _pixel_loss(heads, targets, settings, draws)
    found = {name: 0.5 * (value + prompts[name]) for name, value in found.items()}
    near, cosines = contrast(
        _learnable_tokens(heads, targets, pairs, by_label=by_label),
        _prompt_tokens(heads, targets, by="label" if by_label else "id"),
        draws,
    )
    # As published, categories are not held to cosines: two things of one name need not look alike.
    found |= {"loss_reid_l2p": near, "loss_reid_l2p_aux": cosines * 0 if by_label else cosines}
    return found


def _shared_losses(
    heads: Sequence[Layer], targets: Sequence[Target], answers: _Answers, settings: Settings, draws: Draws
) -> dict[str, Tensor]:
    """The losses of classes and masks, of learnable queries or of prompts."""
    classes, counts = [], []
    for head, target, query, wanted, kind in zip(
        heads, targets, answers.queries, answers.objects, answers.kind, strict=True
    ):
        if head.logits is not None and target.labels is not None:
            classes.append(_class_loss(head.logits[kind], query - kind.start, target.labels[wanted]))
            counts.append(len(query))
    zero = sum((head.embeds.sum() * 0 for head in heads), heads[0].embeds.new_zeros(()))
    found = {"loss_ce": zero, "loss_mask": zero, "loss_dice": zero}
    if classes:
        share = torch.as_tensor(counts, device=zero.device) / max(sum(counts), 1)
        found["loss_ce"] = zero + (share * torch.stack(classes)).sum()
    if sum(map(len, answers.queries)):
        logits = torch.cat([head.masks.of(query) for head, query in zip(heads, answers.queries, strict=True)])
        truth = torch.cat([target.masks[wanted] for target, wanted in zip(targets, answers.objects, strict=True)])
        time = logits.shape[1]
        logits, truth = logits.flatten(0, 1), truth.flatten(0, 1).float()
        points = uncertain_points(
            logits,
            settings.num_points,
            oversample=settings.oversample,
            uncertain=settings.uncertain,
            uniform=draws.uniform,
        )
        entropy, dice = point_losses(logits, truth, points)
        found["loss_mask"] = entropy.sum() / (answers.count * time)
        found["loss_dice"] = dice.sum() / (answers.count * time)
    return found


def _pixel_loss(heads: Sequence[Layer], targets: Sequence[Target], settings: Settings, draws: Draws) -> Tensor:
    """Which of the category prompts each pixel belongs to: cross entropy at points of objects, the others left out."""
    maps, labels = [], []
    for head, target in zip(heads, targets, strict=True):
        places = torch.arange(head.num_learnable, len(head.embeds), device=head.embeds.device)
        maps.append(head.masks.of(places).transpose(0, 1))
        if len(target.masks):
            owned = target.masks[target.prompted.clamp(min=0)] > 0
            owned &= (target.prompted >= 0)[:, None, None, None]
            labels.append(torch.where(owned.any(0), owned.int().argmax(0), -1))
        else:
            labels.append(torch.full(target.masks.shape[1:], -1, device=head.embeds.device))
    logits, wanted = torch.cat(maps), torch.cat(labels)
    points = uncertain_points(
        logits.amax(1),
        settings.num_points,
        oversample=settings.oversample,
        uncertain=settings.uncertain,
        uniform=draws.uniform,
    )
    chosen = sample(wanted[:, None].float(), points, nearest=True).flatten().long()
    found = sample(logits, points).transpose(1, 2).flatten(0, 1)
    kept = chosen >= 0
    return F.cross_entropy(found[kept], chosen[kept], reduction="sum") / max(int(kept.sum()), 1)


def _class_loss(logits: Tensor, queries: Tensor, labels: Tensor) -> Tensor:
    """Focal loss of all queries, over the matched ones, and cross entropy of those."""
    wanted = torch.zeros_like(logits)
    wanted[queries, labels] = 1
    loss = sigmoid_focal(logits, wanted, alpha=0.5, gamma=2).sum() / max(len(queries), 1)
    return loss + F.cross_entropy(logits[queries], labels) if len(queries) else loss


def _learnable_tokens(
    heads: Sequence[Layer], targets: Sequence[Target], pairs: _Answers, *, by_label: bool = False
) -> Tokens:
    """Tokens of the matched queries, by the object in each frame, or by its label in all frames."""
    embeds, owners = [], []
    for head, target, query, wanted in zip(heads, targets, pairs.queries, pairs.objects, strict=True):
        embeds.append(head.embeds[query])
        ids = target.ids[wanted]
        labels = target.labels if by_label else None
        owners.append(ids if labels is None else labels[wanted][:, None].expand_as(ids))
    return _tokens(embeds, owners)


def _prompt_tokens(heads: Sequence[Layer], targets: Sequence[Target], *, by: str) -> Tokens:
    """Tokens of prompts, by the object that is asked for ("object": in all frames, "id": where it is) or its label."""
    embeds, owners = [], []
    for head, target in zip(heads, targets, strict=True):
        embeds.append(head.embeds[head.num_learnable :])
        asks = target.prompted[:, None] >= 0
        owner = target.prompted[:, None]
        if by == "id" and len(target.ids):
            owner = target.ids[target.prompted.clamp(min=0)]
        elif by == "label" and target.prompt_labels is not None:
            owner = target.prompt_labels[:, None]
        owners.append(torch.where(asks, owner, -1).expand(-1, head.embeds.shape[1]))
    return _tokens(embeds, owners)


def _tokens(embeds: Sequence[Tensor], owners: Sequence[Tensor]) -> Tokens:
    videos = [torch.full_like(owner.flatten(), video) for video, owner in enumerate(owners)]
    flat = torch.cat([part.flatten(0, 1) for part in embeds])
    return Tokens(flat, torch.cat([owner.flatten() for owner in owners]), torch.cat(videos))


def _all_tokens(heads: Sequence[Layer], targets: Sequence[Target], pairs: _Answers) -> tuple[Tensor, Tensor]:
    """What the clips of one video are compared by: matched queries, and prompts other than of categories."""
    parts = [_learnable_tokens(heads, targets, pairs).owned()]
    if len(targets[0].prompted) and targets[0].prompt_labels is None:
        parts.append(_prompt_tokens(heads, targets, by="id").owned())
    return torch.cat([part.embeds for part in parts]), torch.cat([part.owners for part in parts])
