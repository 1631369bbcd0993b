"""How far a way through the video agrees with the way back: a measure of a follower's masks that needs no truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from singleout.prompts import Box, Mask, Points, Prompt, ids_of
from singleout.segmenter import Segmenter, Stream, VideoLike
from singleout.tracks import FrameMasks, Track, Tracks
from singleout.tracks.codes import ious


class AgreementStream(Stream):
    """Marks followed to both ends of the video, and each object again from the ends back to its mark.

    The masks are those of the way there; the score of each is its overlap with the mask of the way back.
    """

    def __init__(self, follow: Segmenter, video: VideoLike, given: Sequence[Prompt], **options: Any) -> None:
        super().__init__(frames=self._run())
        self._follow, self._video, self._given, self._options = follow, video, list(given), options

    def _run(self) -> Iterator[FrameMasks]:
        video = self._video
        stream = self._follow.stream(video, self._given, **self._options)
        there = Tracks(video.height, video.width, video.num_frames)
        for masks in stream:
            there.append(masks)
        self.objects.update(stream.objects)
        self.answers.extend(stream.answers)
        marks = [mark for mark in self._given if isinstance(mark, (Mask, Box, Points))]
        starts = {number: mark.frame for mark in reversed(marks) for number in ids_of(mark)}
        back = [self._back(there, starts, towards=ends) for ends in (-1, 0)]
        for index in range(video.num_frames):
            frame = there.frame(index)
            scores = frame.scores.copy()
            for place, number in enumerate(frame.ids.tolist()):
                other = back[0 if index >= starts.get(number, 0) else 1]
                scores[place] = _overlap(frame.code_at(place), other, index, number)
            yield FrameMasks(index, frame.ids, scores, frame.masks(), frame.height, frame.width, frame.exclusive)

    def _back(self, there: Tracks, starts: dict[int, int], *, towards: int) -> Tracks | None:
        """The objects followed again, from the last (-1) or the first (0) frame in which the way there shows them."""
        given: list[Prompt] = []
        for track in there:
            seen = np.flatnonzero(track.present)
            if len(seen) and int(seen[towards]) != starts.get(track.id):
                given.append(mask_of(track, int(seen[towards])))
        return self._follow.segment(self._video, given, **self._options) if given else None


def mask_of(track: Track, frame: int) -> Mask:
    """The mask of an object in a frame, to follow it from."""
    drawn = np.where(track.mask(frame), np.int32(track.id), np.int32(0))
    return Mask(drawn, frame=frame, source=track.prompt or f"object {track.id}")


def _overlap(code: bytes, other: Tracks | None, frame: int, number: int) -> float:
    if other is None:
        return 1.0  # nothing lies between the frame that was given and the end
    back = other.frame(frame)
    place = back.place(number)
    if place is None:
        return 0.0
    return float(ious([code], [back.code_at(place)], other.height, other.width)[0, 0])
