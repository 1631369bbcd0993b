"""Masks as bytes: a bit a pixel, or eight bits of probability, packed small; and how soft values become hard."""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np
import numpy.typing as npt

from singleout.evaluation.metrics.region import ratio

Bool = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
# Masks are mostly runs of equal bytes, which the fastest level packs nearly as small as the slowest.
_LEVEL = 1
_STEPS = 256
_COUNTS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def as_bits(mask: Bool) -> Bytes:
    """A mask, (height, width) bool, as an eighth of its pixels in bytes."""
    packed: Bytes = np.packbits(mask)
    return packed


def as_steps(probabilities: Floats) -> Bytes:
    """Probabilities, (height, width) from 0 to 1, in 256 steps: what lies above one half still does."""
    steps: Bytes = np.clip(np.ceil(probabilities * np.float32(_STEPS)) - 1, 0, _STEPS - 1).astype(np.uint8)
    return steps


def pack(content: Bytes) -> bytes:
    """The bytes of `as_bits` or `as_steps`, made small."""
    return zlib.compress(content.data, _LEVEL)


def unpack_packed(packed: bytes, height: int, width: int) -> Bytes:
    """What `as_bits` gave. Raises ValueError for bytes that are no mask of this size."""
    return _unpacked(packed, -(-height * width // 8))


def unpack_bits(packed: bytes, height: int, width: int) -> Bool:
    """The mask that was packed. Raises ValueError for bytes that are no mask of this size."""
    content = unpack_packed(packed, height, width)
    return np.unpackbits(content, count=height * width).reshape(height, width).view(np.bool_)


def unpack_steps(packed: bytes, height: int, width: int) -> Floats:
    """The probabilities that were packed, each the middle of its step. Raises ValueError as `unpack_bits`."""
    content = _unpacked(packed, height * width)
    return ((content.astype(np.float32) + np.float32(0.5)) / np.float32(_STEPS)).reshape(height, width)


def overlap(first: Bytes, second: Bytes) -> float:
    """Intersection over union of two masks as bits; 1 where both are empty."""
    return ratio(num_set(first & second), num_set(first | second))


def num_set(packed: Bytes) -> int:
    """How many pixels are in a mask, given as bits."""
    return int(_COUNTS[packed].sum(dtype=np.int64))


def sigmoid(logits: Floats) -> Floats:
    """Probabilities of logits, in single precision."""
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-logits.astype(np.float32, copy=False)))


@cache
def logit_edge(threshold: float) -> np.float32:
    """The smallest logit whose probability, in single precision, lies above a threshold between 0 and 1.

    Comparing with it saves the exponential of each pixel, and decides values that rounding makes equal to the threshold
    as torch does: logits from 0 to 9e-8 are not above one half.
    """
    low, high = (_ordinal(np.float32(value)) for value in (-200.0, 200.0))
    while low < high:
        middle = (low + high) // 2
        logit = _float_at(middle)
        # The exponential is rounded once, as good libraries do; numpy's in single precision is off by some units.
        chance = np.float32(1) / (np.float32(1) + np.float32(np.exp(-np.float64(logit))))
        if chance > threshold:
            high = middle
        else:
            low = middle + 1
    return _float_at(low)


def _ordinal(value: np.float32) -> int:
    """The place of a number among all of single precision."""
    bits = int(np.float32(value).view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def _float_at(ordinal: int) -> np.float32:
    bits = ordinal if ordinal >= 0 else -ordinal | 0x80000000
    return np.uint32(bits).view(np.float32)


def _unpacked(packed: bytes, size: int) -> Bytes:
    try:
        content = np.frombuffer(zlib.decompress(packed), np.uint8)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes where {size} are due")
    return content
