"""The bit stream in which Label Studio keeps brush masks, that of the JavaScript package @thi.ng/rle-pack.

Header: 32 bits the number of values, 5 bits the width of a value - 1, four times 4 bits the widths of the lengths - 1.
Then runs: a 1 bit, 2 bits that choose a width, the length - 1 in that many bits, the value. (A 0 bit would announce
values that do not repeat; those of a pixel always do.) The values are the four channels of an RGBA picture, row by row,
of which Label Studio uses the last one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_WIDTHS = (3, 4, 8, 16)
_CHANNELS = 4
_VALUE_BITS = 8


def encode(mask: npt.NDArray[Any]) -> list[int]:
    """The bytes of a mask, (height, width) bool, as Label Studio's JSON lists them."""
    pixels = np.asarray(mask, np.bool_).ravel()
    starts = np.flatnonzero(np.concatenate([[True], pixels[1:] != pixels[:-1]]))
    lengths = np.diff(starts, append=len(pixels)) * _CHANNELS
    values = pixels[starts]

    # A run longer than the widest length can say is divided.
    longest = 1 << _WIDTHS[-1]
    pieces = -(-lengths // longest)
    run = np.repeat(np.arange(len(lengths)), pieces)
    is_last = np.append(run[1:] != run[:-1], True)
    lengths = np.where(is_last, lengths[run] - (pieces[run] - 1) * longest, longest)
    chosen = np.searchsorted(1 << np.array(_WIDTHS), lengths)
    widths = np.array(_WIDTHS)[chosen]

    words = (4 + chosen) << widths | (lengths - 1)
    words = words << _VALUE_BITS | np.where(values[run], 255, 0)
    sizes = 3 + widths + _VALUE_BITS
    header = [len(pixels) * _CHANNELS, _VALUE_BITS - 1, *(width - 1 for width in _WIDTHS)]
    bits = _bits(np.append(header, words), np.append([32, 5, 4, 4, 4, 4], sizes))
    packed: list[int] = np.packbits(bits).tolist()
    return packed


def _bits(words: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The lowest `sizes` bits of each word, highest first, one after the other."""
    ends = np.cumsum(sizes)
    shift = np.repeat(ends, sizes) - 1 - np.arange(ends[-1])
    return ((np.repeat(words, sizes) >> shift) & 1).astype(np.uint8)
