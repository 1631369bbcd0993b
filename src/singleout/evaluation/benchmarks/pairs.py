"""Predictions beside their truth, frame by frame, each read in a thread of its own while earlier ones are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.media.ahead import read_ahead

_AHEAD = 4
Key = TypeVar("Key")
Found = TypeVar("Found")
True_ = TypeVar("True_")


def side_by_side(
    keys: Sequence[Key], predicted: Callable[[Key], Found], true: Callable[[Key], True_]
) -> Iterator[tuple[Found, True_]]:
    """What both functions give for each key, in order; each runs in a thread of its own, a few keys ahead."""
    found = read_ahead(partial(map, predicted, keys), _AHEAD)
    wanted = read_ahead(partial(map, true, keys), _AHEAD)
    return zip(found, wanted, strict=True)


def same_size(ids: npt.NDArray[np.generic], truth: npt.NDArray[np.generic], where: str | Path) -> None:
    """Refuse a prediction of another size than its truth; both (height, width)."""
    if ids.shape != truth.shape:
        raise InputError(
            f"{where} is {ids.shape[1]}x{ids.shape[0]} but the truth of this frame is "
            f"{truth.shape[1]}x{truth.shape[0]}: predictions must have the size of the data set's frames"
        )


def another_number(numbers: npt.NDArray[np.integer[Any]], known: Sequence[int]) -> int | None:
    """The smallest number in a picture that is not among the known ones, None where there is none.

    numbers: (height, width), from 0 on.
    """
    is_other = np.ones(max(int(numbers.max(initial=0)), *known) + 1, np.bool_)
    is_other[list(known)] = False
    others = is_other[numbers]
    return int(numbers[others].min()) if others.any() else None
