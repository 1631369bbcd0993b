"""What comes out: objects over time as run-length codes, and the masks of one frame on their way there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of one object as a whole.

    id: its number in the one id space of a run, from 1. label: its category or phrase ("" for marks).
    prompt: what was asked, as the user would type it. score: of the track, 0 to 1. thing: False for stuff.
    """

    id: int
    label: str = ""
    prompt: str = ""
    score: float = 1.0
    thing: bool = True


@dataclass(frozen=True)
class Answer:
    """What became of one prompt: the objects found, or why there are none.

    prompt: as typed. found: ids of its objects. best_score and threshold: the highest score seen and what was
    needed. message: one line for the user, "" where all went as asked.
    """

    prompt: str
    found: tuple[int, ...] = ()
    best_score: float = 1.0
    threshold: float = 0.5
    message: str = ""


@dataclass(frozen=True)
class FrameMasks:
    """The objects of one frame, soft and at the resolution at which the network predicted them.

    frame: index in the video. ids: (num_objects,) int. scores: (num_objects,) float in 0..1 in this frame.
    masks: (num_objects, mask_height, mask_width) float probabilities, or bool; they cover the whole picture,
    whatever their own size. height, width: of the video. exclusive: a pixel belongs to one object at most
    (the one of highest probability). An object that is not seen may be left out.
    """

    frame: int
    ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    masks: npt.NDArray[Any]
    height: int
    width: int
    exclusive: bool = True

    def binary(self, threshold: float = 0.5) -> Bool:
        """All masks at the video's size: (num_objects, height, width) bool, exclusive ones without overlap."""
        raise NotImplementedError

    def codes(self, threshold: float = 0.5) -> list[bytes]:
        """The COCO run-length code of each mask at the video's size, made one object at a time."""
        raise NotImplementedError


class Tracks:
    """All objects of a video: run-length codes per frame, scores, labels. See `FrameMasks` for the values."""

    def __init__(self, height: int, width: int, num_frames: int, exclusive: bool = True) -> None: ...

    def append(self, frame_masks: FrameMasks) -> None:
        """Binarise, code and keep the masks of one frame; frames may come in any order, each once."""

    def describe(self, objects: Mapping[int, ObjectInfo], answers: Sequence[Answer]) -> Tracks: ...
