"""What an evaluation finds, as values: the official table, and a result for each object with its course over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Look:
    """One frame of an object, to be drawn: what is in both masks, in the predicted one only, in the true one only.

    title: of the frame. truth, predicted: (height, width) bool. picture: (height, width, 3) uint8 RGB, None where the
    frames of the data set are not at hand.
    """

    title: str
    truth: npt.NDArray[np.bool_]
    predicted: npt.NDArray[np.bool_]
    picture: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class ObjectResult:
    """One object (or sentence, track or image) of the truth.

    video, name: where it is and what it is called there. values: its numbers, in the order of the columns. score: by
    which objects are put in order, worst first; NaN where it has none. series: a value for each frame, by the name of
    the measure, (num_frames,) float64, NaN where a frame does not count. frames: names of these frames. look: gives one
    of these frames for the report, read when it is asked for; None where there is nothing to see.
    """

    video: str
    name: str
    values: Mapping[str, float]
    score: float = float("nan")
    series: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    frames: tuple[str, ...] = ()
    look: Callable[[int], Look] | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of one benchmark.

    table: the official numbers by their official names, in their order and units. decimals: with which they are
    printed. objects: a result for each object of the truth, in the order of the data set. parts: further tables, such
    as one row a category: by title, then by row, then by column. files: the official evaluator's own result files, text
    by name. notes: lines that a reader of the numbers should know. about: what the numbers were made from. keys: what
    the three colours of pictures mean, see `Look`. ends: what the objects of the lowest and of the highest score are.
    """

    benchmark: str
    title: str
    split: str
    table: Mapping[str, float]
    decimals: int = 3
    objects: tuple[ObjectResult, ...] = ()
    parts: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, str, str] = ("found", "wrongly taken", "missed")
    ends: tuple[str, str] = ("worst", "best")
