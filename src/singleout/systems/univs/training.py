"""A clip as UniVS is trained on it: prompts drawn from what is true, all heads of the decoder, and the slow teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from singleout.systems.univs.contrast import Draws
from singleout.systems.univs.losses import Layer, Target, layers_of
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.values import DensePrompts, FrameFeatures, Prompts
from singleout.systems.univs.visual_prompts import Dice, points_of_boxes, points_of_clicks, points_of_masks

DECAY = 0.9999  # of the teacher, for each step
_POINT, _BOX = 0.25, 0.25  # share of objects that are asked for by a point or a box; the others by their mask


@dataclass(frozen=True)
class Objects:
    """What is true in a clip of one video, whatever it is asked for by.

    masks: (num_objects, time, height, width) bool, of the padded frames. ids: (num_objects, time) int64, -1 in frames
    where an object is not. labels: (num_objects,) int64, rows of the names that are given; None without names.
    """

    masks: Tensor
    ids: Tensor
    labels: Tensor | None


def teacher_of(network: UniVSNetwork, decay: float = DECAY) -> AveragedModel:
    """A copy of the network whose parameters follow it slowly: give it the network after each step.

    It stands for what files of the third stage hold beside the trained weights. The first step copies.
    """
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))


def boxes_of(masks: Tensor) -> Tensor:
    """The boxes of masks (num_objects, height, width) in 0..1: (num_objects, 4), zero for an empty one."""
    sides = []
    for axis in (2, 1):
        inside = masks.any(3 - axis)
        places = torch.arange(inside.shape[1], device=masks.device)
        # The largest index, not the edge behind it, as UniVS has its boxes.
        low = torch.where(inside, places, inside.shape[1]).amin(1)
        high = torch.where(inside, places, -1).amax(1)
        sides.append(torch.stack([low, high], dim=1) / inside.shape[1])
    (left, right), (top, bottom) = (side.unbind(1) for side in sides)
    boxes = torch.stack([left, top, right, bottom], dim=1)
    return boxes * masks.flatten(1).any(1)[:, None]


def draw_visual_prompts(
    network: UniVSNetwork,
    features: Sequence[FrameFeatures],
    objects: Objects,
    *,
    num_points: int,
    dice: Dice,
    most: int = 30,
    first_frame: int = 0,
) -> tuple[Prompts | None, Tensor]:
    """Visible objects of a random frame as prompts, each by its mask, a box or a point; and which objects they are.

    most: prompts at most. first_frame: number of the clip's first frame in its video. Gives None and no objects where
    the frame shows none. Other than in the official code, features and positions of mixed prompts stay together: there
    they are put in different orders by a slip.
    """
    key = int(dice.shares(1, 1)[0, 0] * len(features))
    visible = (objects.ids[:, key] >= 0).nonzero()[:, 0]
    chosen = visible[dice.ranks(1, len(visible))[0].argsort()[:most]] if len(visible) else visible
    if not len(chosen):
        return None, chosen
    masks = objects.masks[chosen, key]
    boxes = boxes_of(masks)
    frame, at = features[key], first_frame + key
    by_mask = points_of_masks(frame, masks, boxes, frame_index=at, num_points=num_points, dice=dice)
    by_box = points_of_boxes(frame, boxes, frame_index=at, num_points=num_points, dice=dice)
    centres = boxes[:, :2] + (boxes[:, 2:] - boxes[:, :2]) * (0.25 + 0.5 * dice.shares(len(boxes), 2).to(boxes.device))
    by_point = points_of_clicks(frame, centres, frame_index=at, num_points=num_points)
    kind = dice.shares(len(chosen), 1).to(boxes.device)[..., None]

    def pick(point: Tensor, box: Tensor, mask: Tensor) -> Tensor:
        return torch.where(kind < _POINT, point, torch.where(kind < _POINT + _BOX, box, mask))

    seen = DensePrompts(
        pick(by_point.features, by_box.features, by_mask.features),
        pick(by_point.positions, by_box.positions, by_mask.positions),
    )
    by_features = bool(dice.shares(1, 1)[0, 0] < 0.5)
    return network.visual_prompts([seen] * len(features), seen, by_features=by_features), chosen


def clip_layers(
    network: UniVSNetwork,
    frames: Tensor,
    objects: Objects,
    names: Tensor | None,
    *,
    num_points: int = 32,
    dice: Dice,
    draws: Draws | None = None,
) -> tuple[list[Layer], Target]:
    """All heads of a clip with visual prompts drawn from its objects, and the target of `losses_of`.

    frames: (time, 3, height, width), normalised. names: (num_names, text width), or None for objects without names.
    Masks of learnable queries change frames at each head by a random order, so that one embedding serves all frames.
    """
    drawn = draws or Draws()
    features = network.encode(frames)
    prompts, chosen = draw_visual_prompts(network, features, objects, num_points=num_points, dice=dice)
    shuffles = [drawn.order(len(features)) for _ in range(network.config.decoder_layers + 1)]
    decoded = network.decode(features, prompts, names, every_head=True, shuffles=shuffles)
    target = Target(objects.masks, objects.ids, objects.labels, chosen)
    return layers_of(decoded), target if names is not None else replace(target, labels=None)
