"""How objects are followed from clip to clip, whatever asks for them."""

from __future__ import annotations

from dataclasses import dataclass

from singleout.systems.univs.values import SelfAttention
from singleout.systems.univs.visual_prompts import Dice


@dataclass(frozen=True)
class Following:
    """What trackers are told beside their objects.

    length: frames of a clip. stride: frames from one clip to the next. memory: frames before that are remembered.
    points: of an object in a frame. dice: draws them. attention: who sees whom in the decoder. corrected: mend what the
    published code does not mean to do; each tracker says what that is.
    """

    length: int
    stride: int
    memory: int
    points: int
    dice: Dice
    attention: SelfAttention = "sep"
    corrected: bool = False
