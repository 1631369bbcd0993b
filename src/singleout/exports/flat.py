"""Frames for formats in which a pixel belongs to one object at most."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from singleout.exports import ExportWarning
from singleout.tracks import codes as run_length

if TYPE_CHECKING:
    from singleout.tracks import Tracks

Ids = npt.NDArray[np.int32]
Region = tuple[int, int, tuple[slice, slice]]


class Flat:
    """The frames of tracks without overlaps, by the rule of `Tracks.id_map`; `warn` tells what it cost.

    Where masks overlap, the object of the higher track score keeps the pixel, at equal scores that of the lower id.
    """

    def __init__(self, tracks: Tracks, format_name: str) -> None:
        self.tracks, self.format_name = tracks, format_name
        self.overlapping: list[int] = []

    def ids(self, frame: int) -> Ids:
        """The object id at each pixel of a frame, 0 for background: (height, width)."""
        stored = self.tracks.frame(frame)
        with warnings.catch_warnings():
            # One line for the whole export says more than one for the first frame.
            warnings.simplefilter("ignore", UserWarning)
            painted = self.tracks.id_map(frame)
        if not stored.exclusive:
            area = run_length.areas(stored.codes, stored.height, stored.width).sum()
            if area > np.count_nonzero(painted):
                self.overlapping.append(frame)
        return painted

    def codes(self, frame: int) -> tuple[list[int], list[bytes]]:
        """Ids and run-length codes of a frame, without empty masks."""
        stored = self.tracks.frame(frame)
        if not stored.exclusive:
            return coded(self.ids(frame))
        areas = run_length.areas(stored.codes, stored.height, stored.width)
        places = np.flatnonzero(areas).tolist()
        return [int(stored.ids[place]) for place in places], [stored.code_at(place) for place in places]

    def warn(self) -> None:
        """Give one `ExportWarning` if masks overlapped in the frames that were asked for."""
        if self.overlapping:
            warnings.warn(
                f"{self.format_name} holds one object a pixel, but masks overlap in {len(self.overlapping)} of "
                f"{self.tracks.num_frames} frames, first in frame {self.overlapping[0]}: the object with the higher "
                "track score kept the pixel",
                ExportWarning,
                stacklevel=4,
            )


def regions(ids: npt.NDArray[np.integer]) -> list[Region]:
    """Each id above 0 in a picture, ascending, with its pixels and the smallest rows and columns that hold it."""
    from scipy.ndimage import find_objects

    flat = np.ascontiguousarray(ids).reshape(-1)
    # Runs along the rows are few, and sorting them instead of all pixels is twenty times faster.
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(starts, append=len(flat))
    values, compact = np.unique(flat[starts], return_inverse=True)
    areas = np.zeros(len(values), np.int64)
    np.add.at(areas, compact, lengths)
    boxes = find_objects(np.repeat(compact + 1, lengths).astype(np.int32).reshape(ids.shape))
    return [
        (value, area, box)
        for value, area, box in zip(values.tolist(), areas.tolist(), boxes, strict=True)
        if value > 0 and box is not None
    ]


def coded(ids: npt.NDArray[np.integer]) -> tuple[list[int], list[bytes]]:
    """The ids above 0 in a picture and the run-length code of each."""
    found = regions(ids)
    codes = [
        run_length.encode(ids[box] == value, top=box[0].start, left=box[1].start, size=ids.shape)
        for value, _, box in found
    ]
    return [value for value, _, _ in found], codes
