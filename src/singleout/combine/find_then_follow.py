"""Find it, then follow it: one system finds what the words mean, another carries the mask through the video.

As the winners of referring challenges do it (such as RobertLuo1/iccv2023_RVOS_Challenge, 2023): the frame in which the
first system is surest gives the mask that the second one starts from, to both ends of the video.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from singleout.combine.agreement import AgreementStream, mask_of
from singleout.combine.options import split_options
from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt, ids_of
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike
from singleout.tracks import FrameCodes, FrameMasks, Track, Tracks
from singleout.tracks.codes import ious

_MARKS = (Mask, Box, Points)


@dataclass(frozen=True)
class Following:
    """Settings; each may be given to `segment` and `stream` by its name."""

    key_frames: int = 1  #: frames that the finder's mask is taken from, the surest ones that lie apart
    again: int | None = None  #: look again every so many frames, and take the finder's mask where the object was lost
    match: float = 0.5  #: overlap from which on a found mask and a followed one are the same object
    agreement: bool = False  #: follow from the ends back too; a frame's score is then how far both ways agree

    def __post_init__(self) -> None:
        for name in ("key_frames", "again"):
            value = getattr(self, name)
            if value is None and name == "again":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} {value!r}: expected a whole number from 1 on")
        if not isinstance(self.match, (int, float)) or not 0 <= self.match <= 1:
            raise InputError(f"match {self.match!r}: expected a number from 0 to 1")
        if not isinstance(self.agreement, bool):
            raise InputError(f"agreement {self.agreement!r}: expected true or false")


class FindThenFollow(Segmenter):
    """See the module. Words go to the first system, marks to the second.

    Raises InputError where the first takes no words, or the second no masks.
    """

    def __init__(self, find: Segmenter, follow: Segmenter) -> None:
        if not find.abilities.prompts & {Phrase, Categories}:
            raise InputError(f"{find.name} takes no words, so it can find nothing for {follow.name} to follow")
        if Mask not in follow.abilities.prompts:
            raise InputError(f"{follow.name} takes no masks, so it cannot follow what {find.name} finds")
        self.find, self.follow = find, follow
        self.name = f"{find.name} then {follow.name}"
        words = find.abilities.prompts & {Phrase, Categories}
        marks = follow.abilities.prompts & set(_MARKS)
        # Who follows separates objects, so nothing is panoptic or semantic any more.
        tasks = (find.abilities.tasks | follow.abilities.tasks) & {"instances", "referring", "objects"}
        self.abilities = Abilities(words | marks, tasks, look_ahead=None)

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        names = tuple(Following.__dataclass_fields__)
        mine, (to_find, to_follow) = split_options(self.name, options, names, ("find", "then"))
        return _FollowingStream(self, video, prompts, Following(**mine), (to_find, to_follow))


class _FollowingStream(Stream):
    def __init__(
        self,
        system: FindThenFollow,
        video: VideoLike,
        prompts: tuple[Prompt, ...],
        chosen: Following,
        options: tuple[dict[str, Any], dict[str, Any]],
    ) -> None:
        super().__init__(frames=self._run())
        self._system, self._video, self._chosen = system, video, chosen
        self._words = [prompt for prompt in prompts if not isinstance(prompt, _MARKS)]
        self._marks: list[Prompt] = [prompt for prompt in prompts if isinstance(prompt, _MARKS)]
        self._options = options

    def _run(self) -> Iterator[FrameMasks | FrameCodes]:
        found = self._find() if self._words else None
        given = list(self._marks)
        if found is not None:
            given += [mask for track in found for mask in key_masks(track, self._chosen.key_frames)]
        if not given:
            for index in range(self._video.num_frames):
                yield _nothing(index, self._video)
            return
        if found is not None and self._chosen.again is not None:
            followed = self._tracks(given)
            more = masks_again(found, followed, self._chosen.again, self._chosen.match)
            given += [mask for mask in more if not _has_mark(given, mask)]
        following = AgreementStream if self._chosen.agreement else Segmenter.stream
        stream = following(self._system.follow, self._video, given, **self._options[1])
        yield from stream
        self._describe(stream)

    def _find(self) -> Tracks:
        used = {number for mark in self._marks for number in ids_of(mark)}
        found = self._system.find.segment(self._video, self._words, **self._options[0])
        clashing = sorted(used & set(found.ids))
        free = (number for number in range(1, 2**31) if number not in used and number not in found.objects)
        found = found.rename({number: next(free) for number in clashing}) if clashing else found
        self.objects.update(found.objects)
        self.answers.extend(found.answers)
        return found

    def _tracks(self, given: Sequence[Prompt]) -> Tracks:
        return self._system.follow.segment(self._video, list(given), **self._options[1])

    def _describe(self, stream: Stream) -> None:
        """What is said of objects that were found comes from the finder."""
        for number, info in stream.objects.items():
            self.objects.setdefault(number, info)
        typed = len(self._marks)
        self.answers.extend(stream.answers[:typed])


def key_masks(track: Track, count: int) -> list[Mask]:
    """The masks of the surest frames of an object, at most so many, that do not lie close together.

    Frames lie apart where at least half an equal share of the video is between them. At equal scores the larger mask
    counts.
    """
    scores, areas = track.scores, track.areas
    seen = np.flatnonzero(areas > 0)
    order = sorted(seen.tolist(), key=lambda frame: (-float(scores[frame]), -int(areas[frame]), frame))
    apart = track.tracks.num_frames / (2 * count)
    chosen: list[int] = []
    for frame in order:
        if len(chosen) < count and all(abs(frame - other) >= apart for other in chosen):
            chosen.append(frame)
    return [mask_of(track, frame) for frame in sorted(chosen)]


def masks_again(found: Tracks, followed: Tracks, every: int, match: float) -> list[Mask]:
    """Masks of the finder in every so many frames, for objects that the follower had lost there.

    In each of these frames found masks and followed ones are matched by their overlap. An object whose found mask
    matches no followed one, and that is not followed elsewhere in that frame, was lost.
    """
    masks = []
    for frame in range(every, found.num_frames, every):
        here, there = found.frame(frame), followed.frame(frame)
        if not len(here):
            continue
        matched: set[int] = set()
        if len(there):
            overlaps = ious(here.codes, there.codes, found.height, found.width)
            rows, columns = linear_sum_assignment(-overlaps)
            matched = {int(row) for row, column in zip(rows, columns, strict=True) if overlaps[row, column] >= match}
        still = {int(one) for one in there.ids}
        for place, number in enumerate(here.ids.tolist()):
            if place not in matched and number not in still and found[number].areas[frame] > 0:
                masks.append(mask_of(found[number], frame))
    return masks


def _has_mark(given: Sequence[Prompt], mask: Mask) -> bool:
    return any(
        isinstance(one, Mask) and one.frame == mask.frame and set(one.object_ids) & set(mask.object_ids)
        for one in given
    )


def _nothing(index: int, video: VideoLike) -> FrameMasks:
    size = (video.height, video.width)
    return FrameMasks(index, np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros((0, *size), np.bool_), *size)
