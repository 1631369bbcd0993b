"""What a user asks for, as values: words, masks, boxes and clicks, each with its frame and object id.

Prompts hold arrays and numbers, never files. Coordinates are pixels of the original video, x to the right and
y downwards, (0, 0) being the centre of the top left pixel; frames count from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError


@dataclass(frozen=True)
class Phrase:
    """A sentence that means one object or one group of objects, such as ``the white dog``.

    ``object_id`` is the id of the resulting track; None lets the run choose the next free one.
    """

    text: str
    object_id: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise InputError('a phrase is empty: say what to look for, for example "the white dog"')
        object.__setattr__(self, "text", " ".join(self.text.split()))
        _check_id(self.object_id, f'phrase "{self.text}"')


@dataclass(frozen=True)
class Categories:
    """Category names; every object of each category is wanted, each as a track of its own."""

    names: tuple[str, ...]

    def __init__(self, names: Iterable[str] | str) -> None:
        listed = names.split(",") if isinstance(names, str) else list(names)
        cleaned: list[str] = []
        for name in listed:
            if not isinstance(name, str) or not name.strip():
                raise InputError(f"the list of names {listed!r} has an empty name: remove it")
            name = " ".join(name.split())
            if name not in cleaned:
                cleaned.append(name)
        if not cleaned:
            raise InputError("the list of names is empty: give at least one, for example person,car")
        object.__setattr__(self, "names", tuple(cleaned))


@dataclass(frozen=True, eq=False)
class Mask:
    """A picture of object ids on one frame: 0 is background, every other value is one object.

    ids: (height, width) integers or bool, at the size of the video. ``object_id`` renames the object of a mask
    that has only one; a picture of several objects keeps its ids.
    """

    ids: npt.NDArray[np.int32]
    frame: int = 0
    object_id: int | None = None
    source: str = field(default="mask")

    def __post_init__(self) -> None:
        ids = np.asarray(self.ids)
        if ids.ndim != 2:
            raise InputError(
                f"{self.source}: expected one number per pixel, (height, width), but the array has shape "
                f"{ids.shape}; an RGB picture of a mask must be turned into object ids first"
            )
        if ids.dtype != np.bool_ and not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"{self.source}: expected integers or bool, got {ids.dtype}")
        if ids.size and int(ids.min()) < 0:
            raise InputError(f"{self.source}: object ids must not be negative, the smallest is {ids.min()}")
        ids = ids.astype(np.int32)
        if not ids.any():
            raise InputError(f"{self.source}: the mask is empty, there is no object to follow")
        _check_frame(self.frame, self.source)
        _check_id(self.object_id, self.source)
        if self.object_id is not None:
            if len(np.unique(ids[ids > 0])) > 1:
                raise InputError(f"{self.source}: it holds several objects, so object id {self.object_id} is unclear")
            ids = np.where(ids > 0, np.int32(self.object_id), np.int32(0))
        object.__setattr__(self, "ids", ids)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """The ids in the picture, ascending."""
        found = np.unique(self.ids)
        return tuple(int(value) for value in found if value > 0)


@dataclass(frozen=True)
class Box:
    """A rectangle around one object on one frame. xyxy: left, top, right, bottom in pixels."""

    xyxy: tuple[float, float, float, float]
    frame: int = 0
    object_id: int | None = None

    def __post_init__(self) -> None:
        values = tuple(float(value) for value in self.xyxy)
        if len(values) != 4 or not all(np.isfinite(values)):
            raise InputError(f"box {tuple(self.xyxy)}: expected four numbers, left,top,right,bottom")
        if values[2] <= values[0] or values[3] <= values[1]:
            raise InputError(f"box {values}: right must be larger than left and bottom larger than top")
        _check_frame(self.frame, f"box {values}")
        _check_id(self.object_id, f"box {values}")
        object.__setattr__(self, "xyxy", values)


@dataclass(frozen=True)
class Points:
    """Clicks on one object on one frame.

    xy: (num_points, 2) pixels as pairs. positive: one bool per point; a negative point says "not here". All are
    positive where it is left out.
    """

    xy: tuple[tuple[float, float], ...]
    positive: tuple[bool, ...] = ()
    frame: int = 0
    object_id: int | None = None

    def __post_init__(self) -> None:
        xy = tuple((float(x), float(y)) for x, y in self.xy)
        if not xy:
            raise InputError("points: give at least one, as x,y")
        positive = tuple(bool(value) for value in self.positive) or (True,) * len(xy)
        if len(positive) != len(xy):
            raise InputError(f"points: {len(xy)} points but {len(positive)} signs")
        if not np.isfinite(xy).all():
            raise InputError(f"points {xy}: coordinates must be numbers")
        _check_frame(self.frame, f"points {xy}")
        _check_id(self.object_id, f"points {xy}")
        object.__setattr__(self, "xy", xy)
        object.__setattr__(self, "positive", positive)


Prompt: TypeAlias = Phrase | Categories | Mask | Box | Points
PROMPT_NAMES: dict[type, str] = {
    Phrase: "phrase",
    Categories: "names",
    Mask: "mask",
    Box: "box",
    Points: "points",
}


def as_prompts(given: Prompt | str | Sequence[Any]) -> tuple[Prompt, ...]:
    """Turn what a caller wrote into prompts: a string is a `Phrase`, a list of strings is `Categories`.

    A list may also hold prompts, or prompts and phrases mixed. Raises InputError for anything else.
    """
    if isinstance(given, (Phrase, Categories, Mask, Box, Points)):
        return (given,)
    if isinstance(given, str):
        return (Phrase(given),)
    if isinstance(given, Sequence) and given:
        if all(isinstance(item, str) for item in given):
            return (Categories(given),)
        return tuple(prompt for item in given for prompt in as_prompts(item))
    raise InputError(
        f"cannot take {given!r} as a prompt: expected a sentence, a list of names, or Phrase, Categories, Mask, Box "
        "or Points"
    )


def check_prompts(prompts: Sequence[Prompt], height: int, width: int, num_frames: int | None) -> None:
    """Refuse prompts that do not fit the video. height, width in pixels; num_frames None where it is unknown.

    Raises InputError, in one line that names the prompt and what was expected.
    """
    for prompt in prompts:
        if isinstance(prompt, (Phrase, Categories)):
            continue
        name = PROMPT_NAMES[type(prompt)]
        if num_frames is not None and prompt.frame >= num_frames:
            raise InputError(
                f"{name} on frame {prompt.frame}: the video has {num_frames} frames, 0 to {num_frames - 1}"
            )
        if isinstance(prompt, Mask) and prompt.ids.shape != (height, width):
            raise InputError(
                f"{prompt.source}: the mask is {prompt.ids.shape[1]}x{prompt.ids.shape[0]} but the video is "
                f"{width}x{height}; give a mask of the video's size"
            )
        if isinstance(prompt, Box):
            left, top, right, bottom = prompt.xyxy
            if left >= width or top >= height or right <= 0 or bottom <= 0:
                raise InputError(f"box {prompt.xyxy} lies outside the picture, which is {width}x{height}")
        if isinstance(prompt, Points):
            for x, y in prompt.xy:
                if not (0 <= x < width and 0 <= y < height):
                    raise InputError(f"point {x:g},{y:g} lies outside the picture, which is {width}x{height}")


def _check_frame(frame: int, what: str) -> None:
    if frame < 0 or int(frame) != frame:
        raise InputError(f"{what}: frame {frame} is not a frame number; frames count from 0")


def _check_id(object_id: int | None, what: str) -> None:
    if object_id is not None and not 1 <= object_id <= 2**31 - 1:
        raise InputError(f"{what}: object id {object_id} must be 1 or larger")
