"""The values of this room: what is known of an object and of a prompt, and the masks of one frame, soft or coded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.tracks import codes as run_length
from singleout.tracks.soft import Bool, hard_masks, stacked, to_numpy


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of one object as a whole.

    id: its number in the one id space of a run, from 1. label: its category or phrase ("" for marks).
    prompt: what was asked, as the user would type it. score: of the track, 0 to 1. thing: False for stuff.

    Raises InputError for an id below 1 and a score that is not a finite number.
    """

    id: int
    label: str = ""
    prompt: str = ""
    score: float = 1.0
    thing: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.id < 2**31:
            raise InputError(f"object id {self.id} must be a number from 1 on")
        if not math.isfinite(self.score):
            raise InputError(f"object {self.id}: score {self.score} must be a finite number")


@dataclass(frozen=True)
class Answer:
    """What became of one prompt: the objects found, or why there are none.

    prompt: as typed. found: ids of its objects. best_score and threshold: the highest score seen and what was
    needed. message: one line for the user, "" where all went as asked.

    Raises InputError for scores that are not finite numbers.
    """

    prompt: str
    found: tuple[int, ...] = ()
    best_score: float = 1.0
    threshold: float = 0.5
    message: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.best_score) and math.isfinite(self.threshold)):
            raise InputError(
                f'the answer to "{self.prompt}": best score {self.best_score} and threshold {self.threshold} must be '
                "finite numbers"
            )


@dataclass(frozen=True, eq=False)
class FrameCodes:
    """The objects of one frame as run-length codes, packed; ids ascend.

    frame: index in the video. ids: (num_objects,) int32. scores: (num_objects,) float32. ends: (num_objects,) int64,
    where each code ends in blob. height, width: of the video. exclusive: no two of the masks are said to overlap.
    Make one with `FrameCodes.pack`; two are equal where their ids, scores and codes are.
    """

    frame: int
    ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    ends: npt.NDArray[np.int64]
    blob: bytes
    height: int
    width: int
    exclusive: bool = True

    @classmethod
    def pack(
        cls,
        frame: int,
        ids: Any,
        scores: Any,
        codes: Sequence[bytes],
        *,
        height: int,
        width: int,
        exclusive: bool = True,
    ) -> FrameCodes:
        """Sort by id and pack; the codes are trusted, see `tracks.codes.checked` for those of others.

        Raises InputError for ids that are not distinct numbers from 1, and for lists of different lengths.
        """
        ids, scores = _checked_ids(frame, ids, scores, len(codes))
        order = np.argsort(ids)
        ordered = [codes[index] for index in order]
        ends = np.cumsum([len(code) for code in ordered], dtype=np.int64)
        return cls(
            frame=int(frame),
            ids=ids[order],
            scores=scores[order],
            ends=ends,
            blob=b"".join(ordered),
            height=height,
            width=width,
            exclusive=exclusive,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrameCodes):
            return NotImplemented
        return (
            (self.frame, self.height, self.width, self.blob) == (other.frame, other.height, other.width, other.blob)
            and np.array_equal(self.ids, other.ids)
            and np.array_equal(self.scores, other.scores)
            and np.array_equal(self.ends, other.ends)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def codes(self) -> list[bytes]:
        """The code of each object, in the order of `ids`."""
        return [self.code_at(index) for index in range(len(self.ids))]

    def code_at(self, index: int) -> bytes:
        """The code at a place in `ids`."""
        start = int(self.ends[index - 1]) if index else 0
        return self.blob[start : int(self.ends[index])]

    def place(self, object_id: int) -> int | None:
        """Where an object stands in `ids`, None where it is not in this frame."""
        index = int(np.searchsorted(self.ids, object_id))
        return index if index < len(self.ids) and self.ids[index] == object_id else None

    def masks(self) -> Bool:
        """All masks: (num_objects, height, width) bool."""
        decoded = np.empty((len(self.ids), self.height, self.width), np.bool_)
        for mask, code in zip(decoded, self.codes, strict=True):
            mask[:] = run_length.decode(code, self.height, self.width)
        return decoded

    def binary(self, threshold: float = 0.5) -> Bool:
        """`masks`, under the name that `FrameMasks` has for them; what is coded is decided, whatever the threshold."""
        return self.masks()

    def select(self, places: npt.NDArray[np.intp]) -> FrameCodes:
        """Only the objects at these places in `ids`."""
        chosen = [self.code_at(int(index)) for index in places]
        return self.with_codes(self.ids[places], self.scores[places], chosen)

    def with_codes(self, ids: Any, scores: Any, codes: Sequence[bytes]) -> FrameCodes:
        """Other objects in the same frame."""
        size = {"height": self.height, "width": self.width}
        return self.pack(self.frame, ids, scores, codes, exclusive=self.exclusive, **size)


@dataclass(frozen=True, eq=False)
class FrameMasks:
    """The objects of one frame, soft and at the resolution at which the network predicted them.

    frame: index in the video. ids: (num_objects,) int. scores: (num_objects,) float in 0..1 in this frame.
    masks: (num_objects, mask_height, mask_width) float probabilities, or bool, as an array or a torch tensor of any
    device; they cover the whole picture, whatever their own size. height, width: of the video. exclusive: a pixel
    belongs to one object at most (the one of highest probability, at equal ones that of the higher score). An object
    that is not seen may be left out.

    Raises InputError where ids, scores and masks do not fit together.
    """

    frame: int
    ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    masks: npt.NDArray[Any]
    height: int
    width: int
    exclusive: bool = True

    def __post_init__(self) -> None:
        if not hasattr(self.masks, "ndim"):
            object.__setattr__(self, "masks", np.asarray(self.masks))
        ids, scores = _checked_ids(self.frame, self.ids, self.scores, len(self.masks))
        object.__setattr__(self, "frame", int(self.frame))
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "scores", scores)
        if len(self.masks) and (self.masks.ndim != 3 or 0 in self.masks.shape):
            raise InputError(
                f"frame {self.frame}: masks have shape {tuple(self.masks.shape)}, expected (num_objects, height, width)"
            )

    def binary(self, threshold: float = 0.5) -> Bool:
        """All masks at the video's size: (num_objects, height, width) bool, exclusive ones without overlap.

        Soft masks are enlarged bilinearly (half-pixel centres); a pixel is in where its value exceeds the threshold.
        """
        return stacked(self._hard(threshold), len(self.ids), self.height, self.width)

    def codes(self, threshold: float = 0.5) -> list[bytes]:
        """The COCO run-length code of each mask at the video's size, made one object at a time; see `binary`."""
        size = (self.height, self.width)
        return [
            run_length.encode(pixels, top=rows.start, left=columns.start, size=size)
            for (rows, columns), pixels in self._hard(threshold)
        ]

    def coded(self, threshold: float = 0.5) -> FrameCodes:
        """The same frame packed, as `Tracks` and the record store keep it."""
        codes = self.codes(threshold)
        size = {"height": self.height, "width": self.width}
        return FrameCodes.pack(self.frame, self.ids, self.scores, codes, exclusive=self.exclusive, **size)

    def binarised(self, threshold: float = 0.5) -> FrameMasks:
        """The same frame with `binary` masks, for those who need pixels and codes and would enlarge twice."""
        return replace(self, masks=self.binary(threshold))

    def _hard(self, threshold: float) -> Any:
        return hard_masks(
            self.masks, self.scores, self.height, self.width, exclusive=self.exclusive, threshold=threshold
        )


def _checked_ids(
    frame: int, ids: Any, scores: Any, num_masks: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    ids = to_numpy(ids).reshape(-1)
    if len(ids) and not np.issubdtype(ids.dtype, np.integer):
        raise InputError(f"frame {frame}: object ids must be whole numbers, got {ids.dtype}")
    ids = ids.astype(np.int64)
    scores = to_numpy(scores).reshape(-1).astype(np.float32)
    if not len(ids) == len(scores) == num_masks:
        raise InputError(
            f"frame {frame}: {len(ids)} ids, {len(scores)} scores and {num_masks} masks, expected as many of each"
        )
    if len(ids) and (ids.min() < 1 or ids.max() >= 2**31 or len(np.unique(ids)) < len(ids)):
        raise InputError(f"frame {frame}: object ids {ids.tolist()} must be distinct numbers from 1 on")
    if not np.isfinite(scores).all():
        raise InputError(f"frame {frame}: scores {scores.tolist()} must be finite numbers")
    if frame < 0:
        raise InputError(f"frame {frame} is not a frame number; frames count from 0")
    return ids.astype(np.int32), scores
