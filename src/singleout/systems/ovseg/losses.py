"""What the proposals of OVSeg are trained by: MaskFormer's losses (Cheng et al. 2021) on all pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.losses.binary import dice_score, sigmoid_focal
from singleout.nn.losses.matching import assign

#: By which each loss is multiplied before they are added; those of all layers count alike.
WEIGHTS = {"class": 1.0, "mask": 20.0, "dice": 1.0}
_NO_OBJECT = 0.1  # weight of the class "no object"
_ALPHA, _GAMMA = 0.25, 2.0


@dataclass(frozen=True)
class Target:
    """What is in a picture, one mask for each class in it. labels: (num,) int64. masks: (num, height, width) 0 or 1."""

    labels: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Output:
    """What a layer says of a batch: classes (batch, num_queries, num_names + 1), the last one no object, and masks
    (batch, num_queries, h, w), logits both."""

    classes: Tensor
    masks: Tensor


def match(classes: Tensor, masks: Tensor, target: Target) -> Tensor:
    """The query of each target of a picture, (num,) int64; classes, masks: its part of an `Output`."""
    with torch.no_grad():
        small = F.interpolate(target.masks[:, None].float(), masks.shape[-2:], mode="nearest")[:, 0].flatten(1)
        logits = masks.flatten(1)
        wanted = classes.softmax(-1)[:, target.labels]
        share = logits.sigmoid()
        yes = _ALPHA * (1 - share) ** _GAMMA * F.softplus(-logits)
        no = (1 - _ALPHA) * share**_GAMMA * F.softplus(logits)
        focal = (yes @ small.t() + no @ (1 - small).t()) / logits.shape[1]
        dice = 1 - (2 * share @ small.t() + 1) / (share.sum(1)[:, None] + small.sum(1) + 1)
        return assign(WEIGHTS["mask"] * focal + WEIGHTS["dice"] * dice - WEIGHTS["class"] * wanted)


def layer_losses(output: Output, targets: Sequence[Target], matched: Sequence[Tensor]) -> dict[str, Tensor]:
    """The losses of one layer, not weighted yet: "class", "mask" and "dice". matched: of `match`, for each picture.

    Masks and dice are divided by the number of targets of the batch.
    """
    num_classes = output.classes.shape[-1]
    labels = torch.full(output.classes.shape[:2], num_classes - 1, device=output.classes.device)
    for row, target, queries in zip(labels, targets, matched, strict=True):
        row[queries] = target.labels
    weight = torch.ones(num_classes, device=labels.device)
    weight[-1] = _NO_OBJECT
    entropy = F.cross_entropy(output.classes.transpose(1, 2), labels, weight)
    count = max(sum(len(target.labels) for target in targets), 1)
    focal, dice = output.masks.sum() * 0, output.masks.sum() * 0
    for masks, target, queries in zip(output.masks, targets, matched, strict=True):
        if not len(queries):
            continue
        size = target.masks.shape[-2:]
        logits = F.interpolate(masks[queries][:, None], size, mode="bilinear", align_corners=False)[:, 0].flatten(1)
        truth = target.masks.flatten(1).float()
        focal = focal + sigmoid_focal(logits, truth, _ALPHA, _GAMMA).mean(1).sum()
        dice = dice + (1 - dice_score(logits.sigmoid(), truth)).sum()
    return {"class": entropy, "mask": focal / count, "dice": dice / count}


def losses_of(outputs: Sequence[Output], targets: Sequence[Target]) -> list[dict[str, Tensor]]:
    """`layer_losses` of each layer, each with a match of its own."""
    found = []
    for output in outputs:
        pairs = zip(output.classes, output.masks, targets, strict=True)
        matched = [match(classes, masks, target) for classes, masks, target in pairs]
        found.append(layer_losses(output, targets, matched))
    return found


def total(losses: Sequence[dict[str, Tensor]]) -> Tensor:
    """The number that training makes small."""
    return torch.stack([WEIGHTS[name] * value for layer in losses for name, value in layer.items()]).sum()
