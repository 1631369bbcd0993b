"""Overlap of tracks, from their run-length codes.

The frames of a video are laid one behind the other, so that a track is one row of pixels, and runs of it are counted
against runs of another. All codes of a video are read at once; no mask is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from singleout.data.records import Rle
from singleout.errors import InputError
from singleout.evaluation.metrics.rles import common_size, counts_of
from singleout.tracks import codes

Float: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """A track, its frames laid one behind the other.

    runs: (num_runs, 2) where each run of the mask begins and ends. totals: (num_runs + 1,) pixels of masks before each
    run and after the last, counted from anywhere. begins: (num_frames + 1,) the first run of each frame, and the number
    of runs. areas: (num_frames,) pixels in each frame. All are whole numbers, in floating point, where they are exact.
    """

    runs: Float
    totals: Float
    begins: npt.NDArray[np.int64]
    areas: Float

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.areas)

    @property
    def mean_area(self) -> float:
        """Mean over the frames in which the mask is not empty; 0 if there is none."""
        num_seen = np.count_nonzero(self.areas)
        return float(self.areas.sum() / num_seen) if num_seen else 0.0

    @cached_property
    def covered(self) -> Float:
        """Pixels of masks before the places of `runs`, one after the other: (2 * num_runs,)."""
        return np.repeat(self.totals, 2)[1:-1]

    def cut(self, num_frames: int) -> Stack:
        """The first frames only."""
        if num_frames == self.num_frames:
            return self
        end = self.begins[num_frames]
        return Stack(self.runs[:end], self.totals[: end + 1], self.begins[: num_frames + 1], self.areas[:num_frames])


def stacks(tracks: Sequence[Sequence[Rle | None]]) -> list[Stack]:
    """Tracks of one video, each a code or None for each frame.

    Raises InputError where sizes differ or a code is damaged.
    """
    height, width = common_size(code for track in tracks for code in track if code is not None) or (1, 1)
    nothing = {"counts": codes.encode(np.zeros((1, 1), np.bool_), size=(height, width))}
    listed = [nothing if code is None else code for track in tracks for code in track]
    lengths, first = codes.runs(counts_of(listed))
    num_runs = np.diff(np.append(first, len(lengths)))
    places = np.cumsum(lengths)
    pixels = height * width
    wrong = places[first + num_runs - 1] != pixels * np.arange(1, len(listed) + 1)
    if wrong.any() or lengths.min(initial=0) < 0:
        raise InputError(f"a run-length code does not describe a picture of {width}x{height}")

    # Runs of zeros and ones take turns; a frame that ends in zeros has one place too many for pairs.
    ends_in_zeros = num_runs % 2 == 1
    inside = np.ones(len(places), np.bool_)
    inside[(first + num_runs - 1)[ends_in_zeros]] = False
    pairs = places[inside].reshape(-1, 2)
    total = np.concatenate([[0], np.cumsum(pairs[:, 1] - pairs[:, 0])]).astype(np.float64)
    borders = pairs.astype(np.float64)
    begins = np.concatenate([[0], np.cumsum(num_runs // 2)])
    areas = np.diff(total[begins])

    found = []
    start = 0
    for track in tracks:
        end = start + len(track)
        low, high = begins[start], begins[end]
        runs = borders[low:high] - start * pixels
        found.append(Stack(runs, total[low : high + 1], begins[start : end + 1] - low, areas[start:end]))
        start = end
    return found


def ious(first: Sequence[Stack], second: Sequence[Stack]) -> Float:
    """Pixels that two tracks share over pixels that either has, in all frames: (len(first), len(second)).

    0 if neither has any. Where one is longer, its further frames are left out.
    """
    found = np.zeros((len(first), len(second)))
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            num_frames = min(one.num_frames, other.num_frames)
            found[row, column] = _iou(one.cut(num_frames), other.cut(num_frames))
    return found


def _iou(one: Stack, other: Stack) -> float:
    shared = 0.0
    if len(one.runs) and len(other.runs):
        # Between the places at which it is known, the number of pixels covered grows by 0 or 1 a pixel: exact.
        before = np.interp(one.runs.ravel(), other.runs.ravel(), other.covered)
        shared = float(before[1::2].sum() - before[::2].sum())
    union = float(one.areas.sum() + other.areas.sum()) - shared
    return shared / union if union else 0.0
