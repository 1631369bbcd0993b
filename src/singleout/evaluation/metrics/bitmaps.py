"""Binary masks of one frame as whole numbers, a bit a pixel, for morphology and counting on many pixels at a time.

A `Window` is the part of the frame that holds all masks in question; pixel (y, x) of the window is bit
``y * stride + x`` of a number. Rows are followed by bits that are always zero, so that what is shifted out of a row
does not reach the next one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """A part of a frame.

    rows, columns: of the frame. stride: bits from a row to the next. at_right, at_bottom: whether the window ends where
    the frame ends.
    """

    rows: slice
    columns: slice
    stride: int
    at_right: bool
    at_bottom: bool

    @classmethod
    def around(cls, mask: Bool, margin: int) -> Self | None:
        """The window around a (height, width) bool mask; None if it is empty.

        It has a row above and a column to the left of the mask, where the frame has them, because a boundary may
        lie there. margin: how far masks will be shifted sideways, in pixels, at least 1.
        """
        rows = np.flatnonzero(mask.any(axis=1))
        if not rows.size:
            return None
        top, bottom = max(int(rows[0]) - 1, 0), int(rows[-1]) + 1
        columns = np.flatnonzero(mask[top:bottom].any(axis=0))
        left, right = max(int(columns[0]) - 1, 0), int(columns[-1]) + 1
        stride = -(-(right - left + margin) // 8) * 8
        height, width = mask.shape
        return cls(slice(top, bottom), slice(left, right), stride, right == width, bottom == height)

    @property
    def num_rows(self) -> int:
        """Rows of the window."""
        return int(self.rows.stop - self.rows.start)

    @property
    def num_columns(self) -> int:
        """Columns of the window."""
        return int(self.columns.stop - self.columns.start)

    def pack(self, mask: Bool) -> int:
        """The bits of a mask that is given as (num_rows, num_columns) bool."""
        padded = np.zeros((self.num_rows, self.stride), dtype=np.bool_)
        padded[:, : self.num_columns] = mask
        return int.from_bytes(np.packbits(padded, bitorder="little").tobytes(), "little")

    def unpack(self, bits: int) -> Bool:
        """The (num_rows, num_columns) bool mask of bits."""
        size = self.num_rows * self.stride
        packed = np.frombuffer(bits.to_bytes(size // 8, "little"), dtype=np.uint8)
        padded = np.unpackbits(packed, bitorder="little").reshape(self.num_rows, self.stride)
        return padded[:, : self.num_columns].astype(np.bool_)

    def columns_but(self, num_last: int) -> int:
        """Bits of all rows, without the last `num_last` columns."""
        row = ((1 << self.num_columns - num_last) - 1).to_bytes(self.stride // 8, "little")
        return int.from_bytes(row * self.num_rows, "little")


def boundary(bits: int, window: Window) -> int:
    """Pixels that differ from the right, the lower or the lower right neighbour, as the DAVIS evaluator has them.

    In the frame's last row only the right neighbour counts, in its last column only the lower one; its last pixel is
    never boundary.
    """
    right, down, diagonal = (bits ^ (bits >> shift) for shift in (1, window.stride, window.stride + 1))
    if window.at_bottom:
        above = (1 << window.stride * (window.num_rows - 1)) - 1
        down, diagonal = down & above, diagonal & above
    return ((right | diagonal) & window.columns_but(1 if window.at_right else 0)) | down


def dilate_disc(bits: int, stride: int, radius: int) -> int:
    """Pixels no further than `radius` from a set one; what leaves the window is not to be looked at.

    The disc is a stack of horizontal runs. A run of 2w + 1 pixels is made once for each w that occurs, by doubling.
    """
    near, run, length = 0, bits, 1
    for offset in range(radius, -1, -1):
        reach = math.isqrt(radius * radius - offset * offset)
        run, length = _spread(run, length, 2 * reach + 1), 2 * reach + 1
        near |= run >> offset * stride + reach
        if offset:
            near |= run << offset * stride - reach
    return near


def erode_square(bits: int, stride: int, reach: int) -> int:
    """Pixels whose square of 2 * reach + 1 pixels a side is all set; outside of the window nothing is set."""
    size = 2 * reach + 1
    for step in (1, stride):
        length = 1
        while length < size:
            more = min(length, size - length)
            bits &= bits >> more * step
            length += more
        bits <<= reach * step
    return bits


def _spread(run: int, length: int, wanted: int) -> int:
    while length < wanted:
        more = min(length, wanted - length)
        run |= run << more
        length += more
    return run
