"""Tracks under new names: a system that knows words looks at each object in some frames, and the frames vote.

A picture at a time, names flicker; a track that is followed by another system has one name, which many frames decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.prompts import Categories
from singleout.segmenter import Frame, VideoLike
from singleout.tracks import Answer, Tracks
from singleout.tracks import codes as run_length

Bool = npt.NDArray[np.bool_]


@runtime_checkable
class Namer(Protocol):
    """A system that says what a mask shows, such as OVSeg."""

    def name_masks(self, picture: Frame, masks: Bool, names: Sequence[str], **options: Any) -> npt.NDArray[np.float32]:
        """(num_masks, num_names) of 0 to 1; the row of a mask without a pixel is all zeros."""


def votes_of(
    tracks: Tracks,
    video: VideoLike,
    namer: Namer,
    names: Sequence[str],
    *,
    frames_of_each: int = 8,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
    **options: Any,
) -> dict[int, npt.NDArray[np.float32]]:
    """The mean of what frames say of each object, (num_names,), by its id; of one that is never seen all zeros.

    frames_of_each: frames in which an object is looked at: those where it is largest, spread over its time. Each frame
    of the video is read once at the most, and one frame is held at a time. on_frame: told after each of them how many
    are done and how many there are. options: of the namer.
    """
    wanted = _chosen(tracks, frames_of_each)
    total = {one: np.zeros(len(names), np.float32) for one in tracks.ids}
    count = dict.fromkeys(tracks.ids, 0)
    frames = sorted({place for places in wanted.values() for place in places})
    for done, frame in enumerate(frames, 1):
        stored = tracks.frame(frame)
        here = [place for place, one in enumerate(stored.ids.tolist()) if frame in wanted[one]]
        masks = np.stack([run_length.decode(stored.code_at(place), stored.height, stored.width) for place in here])
        for place, row in zip(here, namer.name_masks(video[frame], masks, names, **options), strict=True):
            total[int(stored.ids[place])] += row
            count[int(stored.ids[place])] += 1
        on_frame(done, len(frames))
    return {one: votes / np.float32(max(count[one], 1)) for one, votes in total.items()}


def rename_tracks(
    tracks: Tracks,
    video: VideoLike,
    namer: Namer,
    names: Sequence[str] | str,
    *,
    frames_of_each: int = 8,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
    **options: Any,
) -> Tracks:
    """The same tracks, each with the name that most of its frames vote for, and the votes' share as its score.

    names: as in `Categories`. frames_of_each, on_frame, options: see `votes_of`. Raises InputError for names without
    words, and a video of another size or length than the tracks are of.
    """
    asked = Categories(names).names
    size = (tracks.height, tracks.width, tracks.num_frames)
    if (video.height, video.width, video.num_frames) != size:
        raise InputError(
            f"the video has {video.num_frames} frames of {video.height}x{video.width} pixels, and the tracks are of "
            f"{tracks.num_frames} frames of {tracks.height}x{tracks.width}: give the video that they were made from"
        )
    if frames_of_each < 1:
        raise InputError(f"frames_of_each {frames_of_each}: expected a whole number from 1 on")
    votes = votes_of(tracks, video, namer, asked, frames_of_each=frames_of_each, on_frame=on_frame, **options)
    objects, answers = {}, []
    for one, share in votes.items():
        if not share.any():
            # Nothing can be said of what no frame shows.
            objects[one] = tracks.objects[one]
            continue
        best = int(share.argmax())
        objects[one] = replace(tracks.objects[one], label=asked[best], prompt=asked[best], score=float(share[best]))
    for name in asked:
        mine = [info for info in objects.values() if info.label == name]
        surest = max((info.score for info in mine), default=0.0)
        answers.append(Answer(name, tuple(sorted(info.id for info in mine)), surest, 0.0))
    return tracks.filter(lambda track: True).describe(objects, answers)


def _chosen(tracks: Tracks, most: int) -> dict[int, frozenset[int]]:
    """For each object the frames in which it is looked at: the largest of each of `most` stretches of its time."""
    chosen = {}
    for one in tracks.ids:
        areas = tracks.areas(one)
        seen = np.flatnonzero(areas)
        parts = np.array_split(seen, min(most, len(seen))) if len(seen) else []
        chosen[one] = frozenset(int(part[areas[part].argmax()]) for part in parts)
    return chosen
