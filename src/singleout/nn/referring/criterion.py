"""What ReferFormer and its kin are trained on: one object in each video, which one query answers in all frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.losses.binary import dice_score, focal_class_cost, sigmoid_focal
from singleout.nn.losses.boxes import giou
from singleout.nn.losses.matching import assign, over_time
from singleout.nn.referring.values import MASK_STRIDE, Predictions

#: Weight of each loss in the sum; those of earlier layers weigh as much. Costs of matching have the same weights.
WEIGHTS = {"loss_ce": 2.0, "loss_bbox": 5.0, "loss_giou": 2.0, "loss_mask": 2.0, "loss_dice": 5.0}


@dataclass(frozen=True)
class Target:
    """The object of one video.

    masks: (time, height, width) bool, without padding. boxes: (time, 4), centre and size in 0..1, zeros where it is not
    seen. seen: (time,) bool. labels: (time,) int64, its category where categories are trained, else zeros.
    """

    masks: Tensor
    boxes: Tensor
    seen: Tensor
    labels: Tensor


def losses_of(predictions: Predictions, targets: Sequence[Target], num_seen: float) -> tuple[dict[str, Tensor], Tensor]:
    """The losses of all layers, unweighted, and the matched query of each video.

    predictions: of a batch of videos with its earlier layers. num_seen: frames in which objects are seen, in the batch
    and averaged over the processes of a training; at least 1. The last layer's losses have plain names, those of the
    earlier layers end in _0, _1 … The queries are (num_layers, num_videos), the last layer first.
    """
    num = max(float(num_seen), 1.0)

    def of_layer(layer: Predictions) -> tuple[dict[str, Tensor], Tensor]:
        matched = match(layer, targets)
        return _losses(layer, targets, matched, num), matched

    return of_layers(predictions, of_layer)


def of_layers(
    predictions: Predictions, of_layer: Callable[[Predictions], tuple[dict[str, Tensor], Tensor]]
) -> tuple[dict[str, Tensor], Tensor]:
    """The losses of all layers under the names that `losses_of` says, and the matched queries of all layers.

    of_layer: the losses of one layer and the matched query of each video.
    """
    found, queries = {}, []
    for number, layer in enumerate([predictions, *predictions.earlier]):
        losses, matched = of_layer(layer)
        queries.append(matched)
        suffix = f"_{number - 1}" if number else ""
        found.update({name + suffix: value for name, value in losses.items()})
    return found, torch.stack(queries)


def total(losses: Mapping[str, Tensor], weights: Mapping[str, float] = WEIGHTS) -> Tensor:
    """The weighted sum of what `losses_of` gives; losses of earlier layers weigh as much as those of the last."""
    parts = [weights[re.sub(r"_\d+$", "", name)] * value for name, value in losses.items()]
    return torch.stack(parts).sum()


@torch.no_grad()
def match(layer: Predictions, targets: Sequence[Target]) -> Tensor:
    """The query of least cost for each video, (num_videos,)."""
    masks = target_masks(targets, layer.masks.shape[-2:])
    queries = []
    for video, target in enumerate(targets):
        frames = range(len(target.labels))
        classes = focal_class_cost(layer.logits[video])[frames, :, classes_of(layer, target)]
        boxes, mine = layer.boxes[video], target.boxes[:, None]
        logits, truth = layer.masks[video].transpose(0, 1).flatten(1), masks[video].flatten()
        cost = (
            WEIGHTS["loss_ce"] * over_time(classes, target.seen.nonzero()[:, 0])
            + WEIGHTS["loss_bbox"] * over_time((boxes - mine).abs().sum(-1))
            - WEIGHTS["loss_giou"] * over_time(giou(boxes, mine))
            + WEIGHTS["loss_mask"] * sigmoid_focal(logits, truth.expand_as(logits)).mean(-1)
            - WEIGHTS["loss_dice"] * dice_score(logits.sigmoid(), truth)
        )
        queries.append(assign(cost[:, None])[0])
    return torch.stack(queries)


def target_masks(targets: Sequence[Target], size: Sequence[int]) -> Tensor:
    """Masks at stride 4 of the padded batch, (num_videos, time, *size) float: the pixel in the middle of each cell."""
    height, width = (side * MASK_STRIDE for side in size)
    masks = [
        F.pad(target.masks.float(), (0, width - target.masks.shape[2], 0, height - target.masks.shape[1]))
        for target in targets
    ]
    middle = MASK_STRIDE // 2
    return torch.stack(masks)[..., middle::MASK_STRIDE, middle::MASK_STRIDE]


def _losses(layer: Predictions, targets: Sequence[Target], queries: Tensor, num: float) -> dict[str, Tensor]:
    rows = torch.arange(len(targets), device=queries.device)
    boxes = layer.boxes[rows, :, queries]
    truth = torch.stack([target.boxes for target in targets])
    logits = layer.masks[rows, :, queries].flatten(1)
    masks = target_masks(targets, layer.masks.shape[-2:]).flatten(1)
    # Boxes of frames in which the object is not seen count as well, towards a box of zeros, as published.
    return {
        "loss_ce": sigmoid_focal(layer.logits, wanted_classes(layer, targets, queries)).sum() / num,
        "loss_bbox": (boxes - truth).abs().sum() / num,
        "loss_giou": (1 - giou(boxes, truth)).sum() / num,
        "loss_mask": sigmoid_focal(logits, masks).mean(1).sum() / num,
        "loss_dice": (1 - dice_score(logits.sigmoid(), masks)).sum() / num,
    }


def classes_of(layer: Predictions, target: Target) -> Tensor:
    """The row of the class head that each frame trains: the only one, or that of its category."""
    return torch.zeros_like(target.labels) if layer.logits.shape[-1] == 1 else target.labels


def wanted_classes(layer: Predictions, targets: Sequence[Target], queries: Tensor) -> Tensor:
    """What class heads should say, in the shape of their logits: 1 for matched queries where the object is seen."""
    wanted = torch.zeros_like(layer.logits)
    for video, target in enumerate(targets):
        seen = target.seen.nonzero()[:, 0]
        wanted[video, seen, queries[video], classes_of(layer, target)[seen]] = 1
    return wanted
