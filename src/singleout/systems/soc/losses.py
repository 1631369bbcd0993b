"""What SOC is trained on: one object in each video, whose query comes to be like the sentence.

What is kept although it looks wrong: frames in which the object is not seen count in the boxes, towards a box of zeros,
and in the number that losses are divided by. A single picture counts for the class even where nothing is to be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.losses.binary import dice_score, focal_class_cost, sigmoid_focal
from singleout.nn.losses.boxes import giou
from singleout.nn.losses.matching import assign, over_time
from singleout.nn.referring import criterion
from singleout.nn.referring.criterion import Target, classes_of, wanted_classes
from singleout.nn.referring.values import Predictions

__all__ = ["WEIGHTS", "Target", "losses_of", "total"]

#: Weight of each loss in the sum; those of earlier layers weigh as much. Costs of matching have the same weights, but
#: `loss_sigmoid_focal` and `loss_con` are no cost.
WEIGHTS = {
    "loss_cls": 2.0,
    "loss_sigmoid_focal": 2.0,
    "loss_dice": 5.0,
    "loss_bbox": 2.0,
    "loss_giou": 2.0,
    "loss_con": 1.0,
}


@dataclass(frozen=True)
class _Truth:
    """What predictions are held against. masks: (num_videos, time, height, width) float. num: of `losses_of`."""

    targets: Sequence[Target]
    masks: Tensor
    num: float


def losses_of(
    predictions: Predictions, targets: Sequence[Target], num_masks: float
) -> tuple[dict[str, Tensor], Tensor]:
    """The losses of all layers, unweighted, and the matched query of each video.

    predictions: of a batch of videos with its earlier layers. num_masks: frames of all videos of the batch, averaged
    over the processes of a training; at least 1. Names and order are those of
    `singleout.nn.referring.criterion.losses_of`.
    """
    truth = _Truth(targets, _padded(targets), max(float(num_masks), 1.0))

    def of_layer(layer: Predictions) -> tuple[dict[str, Tensor], Tensor]:
        matched = _match(layer, truth)
        return _losses(layer, truth, matched), matched

    return criterion.of_layers(predictions, of_layer)


def total(losses: dict[str, Tensor]) -> Tensor:
    """The weighted sum of what `losses_of` gives."""
    return criterion.total(losses, WEIGHTS)


@torch.no_grad()
def _match(layer: Predictions, truth: _Truth) -> Tensor:
    """The query of least cost for each video, (num_videos,)."""
    queries = []
    for video, target in enumerate(truth.targets):
        frames = range(len(target.labels))
        classes = focal_class_cost(layer.logits[video])[frames, :, classes_of(layer, target)]
        # In a single picture the class counts even where the object is not seen.
        seen = target.seen.nonzero()[:, 0] if len(frames) > 1 else None
        boxes, mine = layer.boxes[video], target.boxes[:, None]
        cost = (
            WEIGHTS["loss_cls"] * over_time(classes, seen)
            + WEIGHTS["loss_bbox"] * over_time((boxes - mine).abs().sum(-1))
            - WEIGHTS["loss_giou"] * over_time(giou(boxes, mine))
            - WEIGHTS["loss_dice"] * over_time(_dice(layer.masks[video], truth.masks[video]))
        )
        queries.append(assign(cost[:, None])[0])
    return torch.stack(queries)


def _dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Of each frame and query, (time, num_queries). logits: (time, num_queries, h, w). masks: (time, height, width)."""
    # Frame by frame: the logits of all queries and frames at the size of the masks would be many.
    return torch.stack(
        [
            dice_score(_enlarged(here[None], mask)[0].flatten(1).sigmoid(), mask.flatten())
            for here, mask in zip(logits, masks, strict=True)
        ]
    )


def _losses(layer: Predictions, truth: _Truth, queries: Tensor) -> dict[str, Tensor]:
    rows = torch.arange(len(queries), device=queries.device)
    boxes, wanted = layer.boxes[rows, :, queries], torch.stack([target.boxes for target in truth.targets])
    logits = _enlarged(layer.masks[rows, :, queries], truth.masks).flatten(2)
    masks, num = truth.masks.flatten(2), truth.num
    assert layer.contrast is not None
    likeness = torch.einsum("bqc,bc->bq", layer.contrast.queries, layer.contrast.sentences)
    likeness = likeness / layer.contrast.sentences.shape[-1]
    return {
        "loss_cls": sigmoid_focal(layer.logits, wanted_classes(layer, truth.targets, queries)).sum() / num,
        "loss_sigmoid_focal": sigmoid_focal(logits, masks).mean(-1).sum() / num,
        "loss_dice": (1 - dice_score(logits.sigmoid(), masks)).sum() / num,
        "loss_bbox": (boxes - wanted).abs().sum() / num,
        "loss_giou": (1 - giou(boxes, wanted)).sum() / num,
        "loss_con": F.cross_entropy(likeness, queries),
    }


def _padded(targets: Sequence[Target]) -> Tensor:
    """Masks of all videos at the size of the padded batch, (num_videos, time, height, width) float."""
    masks = [target.masks.float() for target in targets]
    height, width = (max(each.shape[axis] for each in masks) for axis in (1, 2))
    return torch.stack([F.pad(each, (0, width - each.shape[2], 0, height - each.shape[1])) for each in masks])


def _enlarged(logits: Tensor, masks: Tensor) -> Tensor:
    """logits: (batch, num, h, w), brought to the height and width of the masks."""
    return F.interpolate(logits, masks.shape[-2:], mode="bilinear", align_corners=False)
