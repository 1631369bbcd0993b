"""`Tracks`: all objects of a video, one packed record per frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.tracks import codes as run_length
from singleout.tracks.soft import Bool
from singleout.tracks.track import Track
from singleout.tracks.values import Answer, FrameCodes, FrameMasks, ObjectInfo


class Tracks:
    """All objects of a video: run-length codes per frame, scores, labels. See `FrameMasks` for the values.

    height, width: pixels. num_frames: of the video, with or without objects. exclusive: no two masks of a frame
    overlap; it turns False with the first frame for which that does not hold. times: (num_frames,) seconds or None.
    frame_names: one per frame or None. source: what else is worth keeping about the run, in JSON's types.

    Iterating gives a `Track` per object in ascending order of id; methods that change something return new Tracks
    that share the codes, except `append`, `append_codes` and `describe`.
    """

    def __init__(
        self,
        height: int,
        width: int,
        num_frames: int,
        exclusive: bool = True,
        *,
        times: Sequence[float] | npt.NDArray[np.float64] | None = None,
        video_name: str = "",
        frame_names: Sequence[str] | None = None,
        source: Mapping[str, Any] | None = None,
    ) -> None:
        if height < 1 or width < 1 or num_frames < 0:
            raise InputError(f"tracks of {num_frames} frames of {width}x{height} pixels: that is not a video")
        self.height, self.width, self.num_frames = int(height), int(width), int(num_frames)
        self.exclusive = bool(exclusive)
        self.times = None if times is None else np.asarray(times, np.float64)
        self.video_name = video_name
        self.frame_names = None if frame_names is None else tuple(frame_names)
        self.source: dict[str, Any] = dict(source or {})
        self.objects: dict[int, ObjectInfo] = {}
        self.answers: tuple[Answer, ...] = ()
        self.video: Any = None
        """What the tracks were made from, where it is at hand: `save` draws on it. Not stored, not compared."""
        self._frames: dict[int, FrameCodes] = {}
        self._warned = False
        for what, values in (("times", self.times), ("frame names", self.frame_names)):
            if values is not None and len(values) != num_frames:
                raise InputError(f"{len(values)} {what} for a video of {num_frames} frames")

    # Filling

    def append(self, masks: FrameMasks | FrameCodes) -> None:
        """Binarise, code and keep the masks of one frame; frames may come in any order, each once.

        Raises InputError for a frame that is there already, lies outside the video or has another size.
        """
        self.check_frame(masks)
        if masks.frame in self._frames:
            raise InputError(f"frame {masks.frame} was given twice")
        coded = masks if isinstance(masks, FrameCodes) else masks.coded()
        self._frames[coded.frame] = coded
        self.exclusive = self.exclusive and coded.exclusive
        for object_id in coded.ids.tolist():
            self.objects.setdefault(object_id, ObjectInfo(object_id))

    def check_frame(self, masks: FrameMasks | FrameCodes) -> None:
        """Raises InputError for a frame that lies outside the video or has another size."""
        if (masks.height, masks.width) != (self.height, self.width):
            raise InputError(
                f"frame {masks.frame} is {masks.width}x{masks.height}, but the video is {self.width}x{self.height}"
            )
        if not 0 <= masks.frame < self.num_frames:
            raise InputError(f"frame {masks.frame} is outside the video, which has {self.num_frames} frames")

    def append_codes(
        self, frame: int, ids: Sequence[int], scores: Sequence[float], codes: Sequence[bytes | str]
    ) -> None:
        """Keep the masks of one frame given as COCO run-length codes of the video's size; see `append`.

        In tracks that are exclusive, the caller promises that the masks do not overlap. Raises InputError for codes
        that are damaged or of another size.
        """
        raw = [code.encode("utf-8", "surrogatepass") if isinstance(code, str) else code for code in codes]
        try:
            raw = run_length.checked(raw, self.height, self.width)
        except InputError as error:
            raise InputError(f"frame {frame}: {error}") from None
        self.append(self._packed(frame, ids, scores, raw))

    def describe(self, objects: Mapping[int, ObjectInfo], answers: Sequence[Answer] = ()) -> Tracks:
        """Say what the objects are and what became of the prompts; returns itself.

        Objects may be described that no frame shows. The answers replace earlier ones.
        """
        for object_id, info in objects.items():
            if object_id != info.id:
                raise InputError(f"object {object_id} is described as object {info.id}")
            self.objects[int(object_id)] = info
        self.answers = tuple(answers)
        return self

    # Looking

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of all objects, ascending, also of those that no frame shows."""
        return tuple(sorted(self.objects))

    def __len__(self) -> int:
        return len(self.objects)

    def __iter__(self) -> Iterator[Track]:
        return (Track(self, object_id) for object_id in self.ids)

    def __contains__(self, object_id: object) -> bool:
        return object_id in self.objects

    def __getitem__(self, object_id: int) -> Track:
        if object_id not in self.objects:
            known = ", ".join(map(str, self.ids[:20])) or "none"
            raise KeyError(f"no object {object_id}; there are: {known}")
        return Track(self, int(object_id))

    def __repr__(self) -> str:
        return f"Tracks({len(self)} objects, {self.num_frames} frames of {self.width}x{self.height})"

    @property
    def num_bytes(self) -> int:
        """Memory of the codes, ids and scores in bytes."""
        return sum(
            len(frame.blob) + frame.ids.nbytes + frame.scores.nbytes + frame.ends.nbytes
            for frame in self._frames.values()
        )

    @property
    def stored_frames(self) -> tuple[int, ...]:
        """Indices of the frames that were appended, ascending; the others have no objects."""
        return tuple(sorted(self._frames))

    def frame(self, frame: int) -> FrameCodes:
        """The packed codes of one frame, without objects where none was appended.

        Raises IndexError outside the video.
        """
        if not 0 <= frame < self.num_frames:
            raise IndexError(f"frame {frame} is outside the video, which has {self.num_frames} frames")
        return self._frames.get(frame) or self._packed(frame, [], [], [])

    def frames(self) -> Iterator[FrameCodes]:
        """The packed codes of every frame of the video in order."""
        return (self.frame(index) for index in range(self.num_frames))

    def masks(self, frame: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], Bool]:
        """Ids (n,), scores (n,) and masks (n, height, width) bool of the objects of one frame, by ascending id."""
        stored = self.frame(frame)
        return stored.ids, stored.scores, stored.masks()

    def codes(self, frame: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], list[bytes]]:
        """Ids (n,), scores (n,) and COCO run-length codes of the objects of one frame, by ascending id."""
        stored = self.frame(frame)
        return stored.ids, stored.scores, stored.codes

    def boxes(self, object_id: int) -> npt.NDArray[np.float32]:
        """See `Track.boxes`."""
        return self[object_id].boxes

    def areas(self, object_id: int) -> npt.NDArray[np.int64]:
        """See `Track.areas`."""
        return self[object_id].areas

    def id_map(self, frame: int) -> npt.NDArray[np.int32]:
        """The object id at each pixel of one frame, 0 for background: (height, width).

        Where masks overlap, the object of the higher track score lies on top, at equal scores that of the lower id, so
        that the order is the same in every frame; the first overlap of these tracks is told by a warning.
        """
        stored = self.frame(frame)
        painted = np.zeros((self.height, self.width), np.int32)
        overlaps = False
        track_scores = np.array([self.objects[object_id].score for object_id in stored.ids.tolist()])
        for place in np.lexsort((-stored.ids, track_scores)):
            mask = run_length.decode(stored.code_at(int(place)), self.height, self.width)
            overlaps = overlaps or (not stored.exclusive and not self._warned and bool(painted[mask].any()))
            painted[mask] = stored.ids[place]
        if overlaps:
            self._warned = True
            warnings.warn(
                f"masks overlap from frame {frame} on; a picture of ids keeps the higher score at each pixel",
                stacklevel=2,
            )
        return painted

    def places(self, object_id: int) -> Iterator[tuple[FrameCodes, int]]:
        """The frames that hold an object, in order, each with the object's place in its ids."""
        for index in self.stored_frames:
            frame = self._frames[index]
            place = frame.place(object_id)
            if place is not None:
                yield frame, place

    def save(self, folder: str | PathLike[str], *, video: Any = None, overwrite: bool = False) -> Path:
        """Write ``tracks.json``, masks and, where the video is known, overlay and contact sheet: `singleout.save`.

        video: a path, an array or a `Video`; None takes the one that the tracks were made from.
        """
        # The face joins the rooms; it is called by name here because this is where users look for it.
        import singleout

        return singleout.save(self, folder, video=self.video if video is None else video, overwrite=overwrite)

    def to_supervision(self, frame: int) -> Any:
        """One frame as `supervision.Detections`: boxes, masks, scores, ids as tracker ids, labels as class names.

        class_id counts the distinct labels of all objects in the order of their ids. Needs the package supervision.
        """
        from singleout.tracks.interchange import to_supervision

        return to_supervision(self, frame)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tracks):
            return NotImplemented
        from singleout.tracks.interchange import header

        shown = [index for index in self.stored_frames if len(self._frames[index])]
        return (
            header(self) == header(other)
            and self.objects == other.objects
            and self.answers == other.answers
            and shown == [index for index in other.stored_frames if len(other._frames[index])]
            and all(self._frames[index] == other._frames[index] for index in shown)
        )

    __hash__ = None  # type: ignore[assignment]

    # Changing

    def between(self, start: int, stop: int | None = None) -> Tracks:
        """The frames start to stop (not included), counted from 0 again, as in ``list[start:stop]``.

        Objects and answers are kept, also where no remaining frame shows them.
        """
        wanted = range(self.num_frames)[start:stop]
        result = self._like(len(wanted))
        result.times = None if self.times is None else self.times[wanted.start : wanted.start + len(wanted)]
        if self.frame_names is not None:
            result.frame_names = self.frame_names[wanted.start : wanted.start + len(wanted)]
        for index, frame in enumerate(wanted):
            if frame in self._frames:
                result._frames[index] = replace(self._frames[frame], frame=index)
        result.objects, result.answers = dict(self.objects), self.answers
        return result

    def filter(self, wanted: Callable[[Track], bool]) -> Tracks:
        """Only the objects for which wanted(track) holds; answers forget the others."""
        kept = {track.id for track in self if wanted(track)}
        result = self._like(self.num_frames)
        for index, frame in self._frames.items():
            places = np.flatnonzero(np.isin(frame.ids, list(kept)))
            result._frames[index] = frame if len(places) == len(frame) else frame.select(places)
        result.objects = {object_id: info for object_id, info in self.objects.items() if object_id in kept}
        result.answers = tuple(
            replace(answer, found=tuple(object_id for object_id in answer.found if object_id in kept))
            for answer in self.answers
        )
        return result

    def drop(self, *object_ids: int) -> Tracks:
        """All objects but these. Raises KeyError for an id that is not there."""
        gone = {self[object_id].id for object_id in object_ids}
        return self.filter(lambda track: track.id not in gone)

    def rename(self, new_ids: Mapping[int, int]) -> Tracks:
        """Give objects other ids, old to new; exchanging two is allowed.

        Raises KeyError for an id that is not there, InputError where two objects would share one.
        """
        names = {object_id: object_id for object_id in self.objects}
        names.update({self[old].id: int(new) for old, new in new_ids.items()})
        if len(set(names.values())) < len(names):
            raise InputError(f"renaming {dict(new_ids)} would give two objects the same id")
        result = self._like(self.num_frames)
        for index, frame in self._frames.items():
            ids = [names[object_id] for object_id in frame.ids.tolist()]
            result._frames[index] = frame.with_codes(ids, frame.scores, frame.codes)
        result.objects = {names[old]: replace(info, id=names[old]) for old, info in self.objects.items()}
        result.answers = tuple(
            replace(answer, found=tuple(names.get(object_id, object_id) for object_id in answer.found))
            for answer in self.answers
        )
        return result

    def merge(self, other: Tracks, *, same_ids: bool = False) -> Tracks:
        """The objects of both, over the same video.

        An id of other that is taken here becomes the next free number. same_ids: equal ids mean the same object
        instead; its mask is the union, its score in a frame the higher one, its description that of self. The result is
        exclusive where both are and no frame has objects of both. Raises InputError for another size or length.
        """
        if (self.height, self.width, self.num_frames) != (other.height, other.width, other.num_frames):
            raise InputError(f"cannot merge {self!r} with {other!r}: size and length must be equal")
        if not same_ids:
            taken = set(self.objects) | set(other.objects)
            free = (number for number in range(1, 2**31) if number not in taken)
            other = other.rename({object_id: next(free) for object_id in other.ids if object_id in self.objects})
        result = self._like(self.num_frames)
        if result.times is None:
            result.times = other.times
        if result.frame_names is None:
            result.frame_names = other.frame_names
        result.video_name = result.video_name or other.video_name
        result.exclusive = self.exclusive and other.exclusive
        for index in self._frames.keys() | other._frames.keys():
            frame = _joined(self.frame(index), other.frame(index))
            result._frames[index] = frame
            result.exclusive = result.exclusive and frame.exclusive
        result.objects = {**other.objects, **self.objects}
        result.answers = self.answers + other.answers
        return result

    def resized(self, height: int, width: int) -> Tracks:
        """The same tracks for the video at another size, in pixels; masks are scaled bilinearly and cut at one half."""
        result = self._like(self.num_frames)
        result.height, result.width, result.video = int(height), int(width), None
        for index, frame in self._frames.items():
            soft = FrameMasks(index, frame.ids, frame.scores, frame.masks(), height, width, frame.exclusive)
            result._frames[index] = soft.coded()
        result.objects, result.answers = dict(self.objects), self.answers
        return result

    def _packed(self, frame: int, ids: Sequence[int], scores: Sequence[float], codes: Sequence[bytes]) -> FrameCodes:
        return FrameCodes.pack(
            frame, ids, scores, codes, height=self.height, width=self.width, exclusive=self.exclusive
        )

    def _like(self, num_frames: int) -> Tracks:
        """Without objects and answers, everything else alike."""
        result = Tracks(
            self.height, self.width, num_frames, self.exclusive, video_name=self.video_name, source=self.source
        )
        if num_frames == self.num_frames:
            result.times, result.frame_names, result.video = self.times, self.frame_names, self.video
        return result


def _joined(first: FrameCodes, second: FrameCodes) -> FrameCodes:
    """The objects of both in one frame, those with the same id united."""
    if not len(second):
        return first
    if not len(first):
        return second
    both: dict[int, tuple[float, bytes]] = {}
    for frame in (first, second):
        for object_id, score, code in zip(frame.ids.tolist(), frame.scores.tolist(), frame.codes, strict=True):
            if object_id in both:
                earlier_score, earlier = both[object_id]
                both[object_id] = (
                    max(score, earlier_score),
                    run_length.union([earlier, code], frame.height, frame.width),
                )
            else:
                both[object_id] = (score, code)
    scores, codes = [score for score, _ in both.values()], [code for _, code in both.values()]
    return replace(first, exclusive=False).with_codes(list(both), scores, codes)
