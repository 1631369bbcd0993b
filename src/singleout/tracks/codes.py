"""COCO run-length codes: masks to bytes and back, and what can be told from the bytes without decoding them.

A code is the ``counts`` string of a COCO run-length encoding: column by column, the first run counts zeros, runs as
differences in a variable-length form. pycocotools does the work; this module feeds it crops and checks its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

Bool = npt.NDArray[np.bool_]
# pycocotools 2.0.11 counts the codes in eight bits on the way to their areas, and fails with numpy 2 above that.
_MOST_AREAS = 255
_MOST_CHARACTERS = 7  # 35 bits, more than a run of any picture needs


def encode(mask: npt.NDArray[Any], *, top: int = 0, left: int = 0, size: tuple[int, int] | None = None) -> bytes:
    """The code of a mask, which may be a crop of the picture.

    mask: (crop_height, crop_width) bool or 0/1. top, left: where the crop lies in a picture of size (height, width),
    everything around it being 0; size None: the mask is the whole picture.
    """
    from pycocotools import mask as coco

    rows, columns = mask.shape
    height, width = size or (rows, columns)
    # One zero before and after each column, so that every run starts and ends within its column.
    bordered = np.zeros((columns, rows + 2), np.int8)
    bordered[:, 1:-1] = mask.T
    column, row = np.divmod(np.flatnonzero(np.diff(bordered, axis=1)), rows + 1)
    edges = (column + left) * height + (row + top)
    if rows == height:
        # A run that reaches the foot of a column goes on at the head of the next one.
        going_on = np.flatnonzero(edges[1:-1:2] == edges[2::2])
        edges = np.delete(edges, np.concatenate([2 * going_on + 1, 2 * going_on + 2]))
    counts = np.diff(edges, prepend=0, append=height * width)
    if len(edges) and edges[-1] == height * width:
        counts = counts[:-1]
    code: bytes = coco.frPyObjects({"counts": counts, "size": [height, width]}, height, width)["counts"]
    return code


def decode(code: bytes, height: int, width: int) -> Bool:
    """The mask of a code: (height, width) bool."""
    from pycocotools import mask as coco

    decoded: Bool = np.ascontiguousarray(coco.decode({"size": [height, width], "counts": code})).view(np.bool_)
    return decoded


def areas(codes: Sequence[bytes], height: int, width: int) -> npt.NDArray[np.int64]:
    """Pixels of each mask, without decoding: (num_codes,)."""
    from pycocotools import mask as coco

    rles = _rles(codes, height, width)
    found = np.zeros(len(rles), np.int64)
    for start in range(0, len(rles), _MOST_AREAS):
        found[start : start + _MOST_AREAS] = coco.area(rles[start : start + _MOST_AREAS])
    return found


def boxes(codes: Sequence[bytes], height: int, width: int) -> npt.NDArray[np.float32]:
    """Left, top, right, bottom of each mask, without decoding: (num_codes, 4).

    Right and bottom are one past the last pixel, so that right - left is the width in pixels; NaN for an empty mask.
    """
    from pycocotools import mask as coco

    found = np.asarray(coco.toBbox(_rles(codes, height, width)), np.float32).reshape(-1, 4)
    found[:, 2:] += found[:, :2]
    found[areas(codes, height, width) == 0] = np.nan
    return found


def union(codes: Sequence[bytes], height: int, width: int) -> bytes:
    """The code of all masks together, without decoding."""
    return _merged(codes, height, width, intersect=False)


def intersection(codes: Sequence[bytes], height: int, width: int) -> bytes:
    """The code of what all masks share, without decoding."""
    return _merged(codes, height, width, intersect=True)


def ious(first: Sequence[bytes], second: Sequence[bytes], height: int, width: int) -> npt.NDArray[np.float64]:
    """Intersection over union of each pair, without decoding: (num_first, num_second); 0 for two empty masks."""
    from pycocotools import mask as coco

    if not first or not second:
        return np.zeros((len(first), len(second)))
    found = coco.iou(_rles(first, height, width), _rles(second, height, width), [0] * len(second))
    return np.nan_to_num(np.asarray(found, np.float64))


def checked(codes: Sequence[bytes], height: int, width: int) -> list[bytes]:
    """The same codes in canonical form (no runs of length 0), so that equal masks have equal bytes.

    Raises InputError where one does not describe a picture of height x width.
    """
    if not codes:
        return []
    all_runs, first = runs(codes)
    totals = np.add.reduceat(all_runs, first)
    negative = np.minimum.reduceat(all_runs, first) < 0
    wrong = np.flatnonzero(negative | (totals != height * width))
    if len(wrong):
        raise InputError(
            f"a run-length code covers {totals[wrong[0]]} pixels, but the picture, {width}x{height}, "
            f"has {height * width}"
        )
    empty_run = all_runs == 0
    empty_run[first] = False
    odd = np.logical_or.reduceat(empty_run, first)
    return [
        encode(decode(code, height, width)) if is_odd else bytes(code) for code, is_odd in zip(codes, odd, strict=True)
    ]


def runs(codes: Sequence[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """All runs of all codes, (num_runs,), and where each code's runs begin, (num_codes,).

    Raises InputError for a code that is damaged. Whether the runs add up to a picture is not looked at.
    """
    if not codes:
        return np.zeros(0, np.int64), np.zeros(0, np.intp)
    lengths = np.array([len(code) for code in codes])
    # In eight bits everything below the first character of the alphabet comes out above its last one.
    characters = np.frombuffer(b"".join(codes), np.uint8) - np.uint8(48)
    goes_on = characters > 31
    ends = np.cumsum(lengths) - 1
    if not lengths.all() or characters.max() > 63 or goes_on[ends].any():
        raise InputError("a run-length code is damaged: it is empty, cut off or has characters that no code has")
    # The last character of a value holds its highest bits and its sign, and most values have no other.
    values = (((characters ^ 16) & 31).view(np.int8) - np.int8(16))[~goes_on].astype(np.int64)
    others = np.flatnonzero(goes_on)
    last = others[~goes_on[others + 1]] + 1
    which = last - np.searchsorted(others, last)
    place = 1
    while len(last):
        if place == _MOST_CHARACTERS:
            raise InputError("a run-length code is damaged: one of its runs is longer than any picture")
        values[which] = (values[which] << 5) + (characters[last - place] & 31)
        place += 1
        # Before the first character of all comes, by its index, the last one, which ends a value.
        longer = goes_on[last - place]
        last, which = last[longer], which[longer]

    # From the fourth run on, a value is the difference to the run two before it. Made so for the third one too, they
    # are two interleaved sums per code, and every other value of the whole list is a chain of such sums.
    start = ends - lengths + 1
    first = start - np.searchsorted(others, start)
    third = first[np.diff(np.append(first, len(values))) > 2] + 2
    values[third] -= values[third - 2]
    for parity in range(min(2, len(values))):
        # Summing what lies side by side is three times as fast as every other value.
        steps = values[parity::2].copy()
        begin = (first + 1 - parity) // 2
        begin = begin[np.diff(begin, append=len(steps)) > 0]
        # Taken off where the next code begins, what a code adds up to leaves one sum over all of them.
        steps[begin[1:]] -= np.add.reduceat(steps, begin)[:-1]
        values[parity::2] = np.cumsum(steps)
    return values, first


def _rles(codes: Sequence[bytes], height: int, width: int) -> list[dict[str, Any]]:
    return [{"size": [height, width], "counts": code} for code in codes]


def _merged(codes: Sequence[bytes], height: int, width: int, *, intersect: bool) -> bytes:
    from pycocotools import mask as coco

    code: bytes = coco.merge(_rles(codes, height, width), intersect)["counts"]
    return code
