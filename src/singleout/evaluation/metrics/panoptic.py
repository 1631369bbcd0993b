"""Panoptic frames as values, and how the segments of truth and prediction overlap in one frame.

The pixels of a frame are looked at once, here. What the metrics over windows, videos and images need (PQ, VPQ, STQ) are
sums of these counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

Ints = npt.NDArray[np.int64]

VOID = 0
# Ids fit into so many bits, so that an id and a window, a category or another id fit into one number.
ID_BITS = 31
_MOST = 2**ID_BITS - 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One entry of a frame's ``segments_info``.

    id: at its pixels, 1 or more. category: the id of its category. iscrowd: a group that is not told apart. area: the
    pixels that the list states, None where it states none.
    """

    id: int
    category: int
    iscrowd: bool = False
    area: int | None = None


@dataclass(frozen=True, slots=True)
class PanopticFrame:
    """The segments of one frame.

    ids: (height, width) int, 0 is void; segments: what the ids are, in the order of the list.
    """

    ids: npt.NDArray[np.integer]
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class FramePairs:
    """How truth and prediction overlap in one frame.

    truth, prediction: the lists of segments. truth_ids, prediction_ids, pixels: (num_pairs,) int64, the ids that lie on
    each other, void and ids that no list has among them, and in how many pixels. resized: the truth was brought to the
    prediction's size before. where: the frame, for messages.
    """

    truth: tuple[Segment, ...]
    prediction: tuple[Segment, ...]
    truth_ids: Ints
    prediction_ids: Ints
    pixels: Ints
    resized: bool = False
    where: str = ""


def pair_segments(
    truth: PanopticFrame, prediction: PanopticFrame, *, resize_truth: bool = False, where: str = ""
) -> FramePairs:
    """Count the pixels of every (true id, predicted id) of one frame.

    resize_truth: bring a truth of another size to the prediction's by nearest neighbour, as UniVS's STQ does; its VPQ
    refuses such frames. where: the file of the prediction or the name of the frame, for messages here and later. Raises
    InputError for unequal sizes, ids below 0 or above 2^31 - 1, a segment with id 0, and one that is listed twice.
    """
    for role, frame in (("truth", truth), ("prediction", prediction)):
        _check(frame, f"{where}, {role}" if where else role)
    truth_ids = truth.ids
    resized = truth_ids.shape != prediction.ids.shape
    if resized:
        if not resize_truth:
            theirs, ours = ("x".join(map(str, frame.ids.shape[::-1])) for frame in (prediction, truth))
            place = f"{where}: " if where else ""
            raise InputError(f"{place}the prediction is {theirs} but the truth is {ours}; predict at the truth's size")
        truth_ids = _resized(truth_ids, *prediction.ids.shape)
    counts = _count(truth_ids, prediction.ids)
    return FramePairs(tuple(truth.segments), tuple(prediction.segments), *counts, resized=resized, where=where)


def check_categories(frames: Sequence[FramePairs], categories: Mapping[int, bool], where: str) -> None:
    """Raise InputError for a segment of a category that the truth does not have."""
    for number, frame in enumerate(frames):
        place = place_of(frame, number, where)
        for role, segments in (("truth", frame.truth), ("prediction", frame.prediction)):
            for segment in segments:
                if segment.category not in categories:
                    raise InputError(
                        f"{place}, {role}: segment {segment.id} has category {segment.category}, which is not among "
                        "the categories of the truth"
                    )


def place_of(frame: FramePairs, number: int, where: str) -> str:
    """What to call a frame in messages. number: its place in the video or list that where names."""
    return frame.where or f"{where}, frame {number}"


def _check(frame: PanopticFrame, where: str) -> None:
    ids = frame.ids
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer) or not ids.size:
        raise InputError(f"{where}: expected a map of ids, (height, width) of integers, got {ids.dtype} of {ids.shape}")
    if int(ids.min()) < 0 or int(ids.max()) > _MOST:
        raise InputError(f"{where}: ids of segments go from 1 to 2^31 - 1, and 0 is void")
    listed: set[int] = set()
    for segment in frame.segments:
        if not 0 < segment.id <= _MOST:
            raise InputError(f"{where}: a segment is listed with id {segment.id}; ids go from 1 to 2^31 - 1, 0 is void")
        if segment.id in listed:
            raise InputError(f"{where}: segment {segment.id} is listed twice")
        listed.add(segment.id)


def _count(truth: npt.NDArray[np.integer], prediction: npt.NDArray[np.integer]) -> tuple[Ints, Ints, Ints]:
    true, predicted = truth.ravel(), prediction.ravel()
    # Sorting runs of equal pairs instead of pixels: there are about a hundred times fewer of them.
    changes = (true[1:] != true[:-1]) | (predicted[1:] != predicted[:-1])
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    lengths = np.diff(starts, append=true.size)
    keys = (true[starts].astype(np.int64) << ID_BITS) | predicted[starts].astype(np.int64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    firsts = np.flatnonzero(np.diff(keys, prepend=-1))
    pixels = np.add.reduceat(lengths[order], firsts)
    keys = keys[firsts]
    return keys >> ID_BITS, keys & _MOST, pixels.astype(np.int64)


def _resized(ids: npt.NDArray[np.integer], height: int, width: int) -> npt.NDArray[np.integer]:
    from PIL import Image

    # Pillow's own rounding decides which pixel is the nearest, and the reference uses Pillow.
    return np.asarray(Image.fromarray(ids.astype(np.int32)).resize((width, height), Image.Resampling.NEAREST))
