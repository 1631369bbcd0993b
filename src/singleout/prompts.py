"""What a user asks for, as values: words, masks, boxes and clicks, each with its frame and object id.

Prompts hold arrays and numbers, never files. Coordinates are pixels of the original video, x to the right and
y downwards, (0, 0) being the centre of the top left pixel; frames count from 0. Every prompt refuses with InputError
what cannot be meant.
"""

from __future__ import annotations

import math
import operator
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True)
class Phrase:
    """A sentence that means one object or one group of objects, such as ``the white dog``.

    ``object_id`` is the id of the resulting track; None lets the run choose the next free one.
    """

    text: str
    object_id: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InputError(f"a phrase must be a string, got {_shown(self.text)}")
        if not _has_words(self.text):
            raise InputError(f'the phrase {self.text!r} has no words: say what you look for, such as "the white dog"')
        object.__setattr__(self, "text", " ".join(self.text.split()))
        object.__setattr__(self, "object_id", _checked_id(self.object_id, f'phrase "{self.text}"'))


@dataclass(frozen=True)
class Categories:
    """Category names; every object of each category is wanted, each as a track of its own.

    names: a list, or one string with commas. A name that comes again, in whatever case, is taken once.
    """

    names: tuple[str, ...]

    def __init__(self, names: Iterable[str] | str) -> None:
        if not isinstance(names, Iterable) or isinstance(names, bytes):
            raise InputError(f"names must be a list of strings or one string with commas, got {_shown(names)}")
        listed = names.split(",") if isinstance(names, str) else list(names)
        if not listed or listed == [""]:
            raise InputError("the list of names is empty: give at least one, for example person,car")
        cleaned: dict[str, str] = {}
        for name in listed:
            if not isinstance(name, str):
                raise InputError(f"a name must be a string, got {_shown(name)}")
            if not name.strip():
                raise InputError(f"the list of names {','.join(map(str, listed))!r} has an empty name: remove it")
            if not _has_words(name):
                raise InputError(f"the name {name!r} has no words: give names such as person,car")
            spelled = " ".join(name.split())
            cleaned.setdefault(spelled.casefold(), spelled)
        object.__setattr__(self, "names", tuple(cleaned.values()))


@dataclass(frozen=True, eq=False)
class Mask:
    """A picture of object ids on one frame: 0 is background, every other value is one object.

    ids: (height, width) integers or bool, at the size of the video. ``object_id`` renames the object of a mask
    that has only one; a picture of several objects keeps its ids. source: what messages call it, such as its file.
    labels: of its objects by their ids, where it is known what they are; some systems treat stuff in another way.
    """

    ids: npt.NDArray[np.int32]
    frame: int = 0
    object_id: int | None = None
    source: str = field(default="mask")
    labels: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.ids, (str, bytes)) or hasattr(self.ids, "__fspath__"):
            raise InputError(f"{_shown(self.ids)}: this Mask takes an array of object ids; singleout.Mask opens files")
        ids = np.asarray(self.ids)
        if ids.ndim != 2:
            raise InputError(
                f"{self.source}: expected one number per pixel, (height, width), but the array has shape "
                f"{ids.shape}; an RGB picture of a mask must be turned into object ids first"
            )
        if ids.dtype != np.bool_ and not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"{self.source}: expected integers or bool, got {ids.dtype}")
        if not ids.any():
            raise InputError(f"{self.source}: the mask is empty, there is no object to follow")
        if int(ids.min()) < 0:
            raise InputError(f"{self.source}: object ids must not be negative, the smallest is {ids.min()}")
        if int(ids.max()) > _LARGEST_ID:
            raise InputError(f"{self.source}: object ids must not exceed {_LARGEST_ID}, the largest is {ids.max()}")
        ids = ids.astype(np.int32)
        object.__setattr__(self, "frame", _checked_frame(self.frame, self.source))
        object.__setattr__(self, "object_id", _checked_id(self.object_id, self.source))
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
        values = _numbers(self.xyxy)
        if values is None or len(values) != 4:
            raise InputError(f"box {_shown(self.xyxy)}: expected four numbers, left, top, right, bottom")
        if values[2] <= values[0] or values[3] <= values[1]:
            raise InputError(f"box {_listed(values)}: right must be larger than left and bottom larger than top")
        object.__setattr__(self, "frame", _checked_frame(self.frame, f"box {_listed(values)}"))
        object.__setattr__(self, "object_id", _checked_id(self.object_id, f"box {_listed(values)}"))
        object.__setattr__(self, "xyxy", values)


@dataclass(frozen=True)
class Points:
    """Clicks on one object on one frame.

    xy: (num_points, 2) pixels as pairs. positive: one bool per point; a negative point says "not here". All are
    positive where it is left out. Points without object_id are a new object, so one of them must be positive.
    """

    xy: tuple[tuple[float, float], ...]
    positive: tuple[bool, ...] = ()
    frame: int = 0
    object_id: int | None = None

    def __post_init__(self) -> None:
        pairs = [_numbers(pair) for pair in self.xy] if isinstance(self.xy, Iterable) else [None]
        xy = tuple((pair[0], pair[1]) for pair in pairs if pair is not None and len(pair) == 2)
        if len(xy) < len(pairs):
            raise InputError(f"points {_shown(self.xy)}: expected pairs of numbers, such as [(120, 64), (90, 30)]")
        if not xy:
            raise InputError("points: give at least one, as x,y")
        signs = self.positive if isinstance(self.positive, Iterable) else (self.positive,)
        positive = tuple(bool(value) for value in signs) or (True,) * len(xy)
        what = "points " + " ".join(_listed(pair) for pair in xy[:8])
        if len(positive) != len(xy):
            raise InputError(f"{what}: there are {len(xy)} points but {len(positive)} signs")
        object.__setattr__(self, "frame", _checked_frame(self.frame, what))
        object.__setattr__(self, "object_id", _checked_id(self.object_id, what))
        if self.object_id is None and not any(positive):
            raise InputError(f'{what}: they only say "not here"; add a point on the object, or the id of a known one')
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
    if isinstance(given, Sequence) and not isinstance(given, (bytes, bytearray, memoryview, range)):
        if not given:
            raise InputError('there is nothing to look for: give a sentence such as "the white dog", names or marks')
        if all(isinstance(item, str) for item in given):
            return (Categories(given),)
        return tuple(prompt for item in given for prompt in as_prompts(item))
    raise InputError(
        f"cannot take {_shown(given)} as a prompt: expected a sentence, a list of names, or Phrase, Categories, Mask, "
        "Box or Points"
    )


def ids_of(prompt: Prompt) -> tuple[int, ...]:
    """The ids that a prompt names for its objects; none where they are to be chosen."""
    if isinstance(prompt, Mask):
        return prompt.object_ids
    return () if isinstance(prompt, Categories) or prompt.object_id is None else (prompt.object_id,)


def check_prompts(prompts: Sequence[Prompt], height: int, width: int, num_frames: int | None) -> None:
    """Refuse prompts that do not fit the video or each other. height, width in pixels; num_frames None where unknown.

    Raises InputError, in one line that names the prompt and what was expected.
    """
    for prompt in prompts:
        if isinstance(prompt, (Phrase, Categories)):
            continue
        name = PROMPT_NAMES[type(prompt)]
        if num_frames is not None and prompt.frame >= num_frames:
            those = f"frames 0 to {num_frames - 1}" if num_frames > 1 else "only frame 0"
            raise InputError(f"{name} on frame {prompt.frame}: the video has {those}")
        if isinstance(prompt, Mask) and prompt.ids.shape != (height, width):
            raise InputError(
                f"{prompt.source}: the mask is {prompt.ids.shape[1]}x{prompt.ids.shape[0]} but the video is "
                f"{width}x{height}; give a mask of the video's size"
            )
        if isinstance(prompt, Box):
            left, top, right, bottom = prompt.xyxy
            inside = (min(right, width) - max(left, 0), min(bottom, height) - max(top, 0))
            # Drawn a little over the edge is common; mostly outside is a slip of the pen or another video's box.
            if min(inside) <= 0 or inside[0] * inside[1] < 0.5 * (right - left) * (bottom - top):
                part = "" if min(inside) <= 0 else "mostly "
                raise InputError(
                    f"box {_listed(prompt.xyxy)} lies {part}outside the picture, which is {width}x{height}"
                )
        if isinstance(prompt, Points):
            for x, y in prompt.xy:
                if not (0 <= x < width and 0 <= y < height):
                    raise InputError(f"point {x:g},{y:g} lies outside the picture, which is {width}x{height}")
    _check_ids(prompts)


def _check_ids(prompts: Sequence[Prompt]) -> None:
    """Two masks, or two boxes, of the same object on the same frame contradict each other."""
    seen: dict[tuple[type, int, int], str] = {}
    for prompt in prompts:
        if isinstance(prompt, Mask):
            ids, what = prompt.object_ids, prompt.source
        elif isinstance(prompt, Box) and prompt.object_id is not None:
            ids, what = (prompt.object_id,), f"box {_listed(prompt.xyxy)}"
        else:
            continue
        for object_id in ids:
            key = (type(prompt), prompt.frame, object_id)
            if key in seen:
                raise InputError(
                    f"{what}: object {object_id} is already marked on frame {prompt.frame} by {seen[key]}; give each "
                    "object an id of its own"
                )
            seen[key] = what


def _has_words(text: str) -> bool:
    return any(unicodedata.category(character)[0] not in "PZC" for character in text)


def _numbers(values: Any) -> tuple[Any, ...] | None:
    """The finite numbers in a list, a tuple or an array; None for anything else."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        return None
    try:
        numbers = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return numbers if all(math.isfinite(number) for number in numbers) else None


def _listed(numbers: Iterable[float]) -> str:
    return ",".join(f"{number:g}" for number in numbers)


def _shown(value: Any) -> str:
    """A value on one short line."""
    if hasattr(value, "shape"):
        return f"an array of shape {tuple(value.shape)}"
    return f"{value!r:.60}".replace("\n", " ")


def _whole(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    try:
        return operator.index(value)
    except TypeError:
        return None


def _checked_frame(frame: Any, what: str) -> int:
    number = _whole(frame)
    if number is None or number < 0:
        raise InputError(f"{what}: frame {_shown(frame)} is not a frame number; frames count from 0")
    return number


def _checked_id(object_id: Any, what: str) -> int | None:
    if object_id is None:
        return None
    number = _whole(object_id)
    if number is None or not 1 <= number <= _LARGEST_ID:
        raise InputError(f"{what}: object id {_shown(object_id)} must be a whole number from 1 to {_LARGEST_ID}")
    return number
