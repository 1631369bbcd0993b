"""What an object is asked for by: a mask, box or points in some frame, or a sentence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from singleout.systems.univs.geometry import Bool
from singleout.systems.univs.values import DensePrompts, FrameFeatures
from singleout.systems.univs.visual_prompts import Dice, points_of_boxes, points_of_clicks


@dataclass(frozen=True)
class Asked:
    """An object that is asked for.

    frame: in which it is shown; 0 for a sentence. mask: (height, width) bool of the video; box: left, top, right and
    bottom in shares of the padded frame; point: x and y in the same; none of them for a sentence. stuff: its class
    among the names, where it is stuff.
    """

    frame: int = 0
    mask: Bool | None = None
    box: tuple[float, float, float, float] | None = None
    points: tuple[tuple[float, float], ...] = ()
    stuff: int | None = None


@dataclass(frozen=True)
class Sentences:
    """sentences: (num_sentences, text width). words: (num_sentences, num_words, text width)."""

    sentences: Tensor
    words: Tensor


def points_of_drawn(
    asked: Asked, frame: FrameFeatures, frame_index: int, num_points: int, dice: Dice
) -> DensePrompts | None:
    """What the network sees in the box or at the points of one object, in their frame; None where it has neither."""
    device = frame.finest.device
    if asked.box is not None:
        box = torch.tensor([asked.box], device=device)
        return points_of_boxes(frame, box, frame_index=frame_index, num_points=num_points, dice=dice)
    if not asked.points:
        return None
    # Several clicks share the points of an object.
    each = -(-num_points // len(asked.points))
    where = torch.tensor(asked.points, device=device)
    found = points_of_clicks(frame, where, frame_index=frame_index, num_points=each)
    features, positions = (part.flatten(0, 1)[None, :num_points] for part in (found.features, found.positions))
    return DensePrompts(features, positions)
