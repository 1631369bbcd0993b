"""Clicks and boxes for systems that take masks only: another system makes a mask of them first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.prompts import Box, Mask, Points, Prompt, as_prompts, check_prompts
from singleout.segmenter import Frame, Segmenter, Session, Stream, VideoLike
from singleout.tracks import Answer, FrameCodes, FrameMasks, ObjectInfo

Click = Box | Points
Bool = npt.NDArray[np.bool_]


def takes_clicks(segmenter: Segmenter, prompts: Sequence[Prompt], front: Callable[[], Segmenter]) -> Segmenter:
    """The segmenter itself, or where it takes masks but not the clicks or boxes that are asked, with `front` before it.

    front: gives a system that makes a mask of clicks and boxes; called only where one is needed.
    """
    kinds = {type(prompt) for prompt in prompts} & {Box, Points}
    if kinds <= segmenter.abilities.prompts or Mask not in segmenter.abilities.prompts:
        return segmenter
    return ClicksFirst(front(), segmenter)


class ClicksFirst(Segmenter):
    """The first system makes masks of clicks and boxes on single frames, the second follows them.

    A click on an object that is followed already corrects its mask in that frame. Raises InputError where the first
    takes no clicks, or the second no masks.
    """

    def __init__(self, front: Segmenter, follow: Segmenter) -> None:
        if not {Points, Mask} <= front.abilities.prompts:
            raise InputError(f"{front.name} does not make masks of clicks: it must take points and masks")
        if Mask not in follow.abilities.prompts:
            raise InputError(f"{follow.name} takes no masks, so it cannot follow what is clicked on")
        self.front, self.follow = front, follow
        self.name = follow.name
        clicks = front.abilities.prompts & {Box, Points}
        self.abilities = replace(follow.abilities, prompts=follow.abilities.prompts | clicks)

    def published(self, benchmark: str) -> dict[str, Any]:
        """Those of the system that follows."""
        return self.follow.published(benchmark)

    def mask_of(self, frame: Frame, clicks: Sequence[Click], before: Bool | None, **options: Any) -> Bool:
        """The mask that clicks and boxes on one frame mean, (height, width).

        before: what the object's mask is so far, where it has one. Raises InputError where nothing comes of them.
        """
        asked: list[Prompt] = [replace(click, frame=0, object_id=1) for click in clicks]
        if before is not None and before.any():
            asked.insert(0, Mask(before.astype(np.int32), object_id=1, source="what was followed"))
        tracks = self.front.segment(frame[None], asked, **options)
        mask = tracks[1].mask(0)
        if not mask.any():
            raise InputError(f"{self.front.name} sees no object there: click on it more, or give a mask")
        return mask

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        to_front, to_follow = self._split(options)
        masks = self._masks(video, prompts, to_front, to_follow)
        return self.follow.stream(video, masks, state=state, **to_follow)

    def _session(self, prompts: tuple[Prompt, ...], options: dict[str, Any]) -> Session:
        to_front, to_follow = self._split(options)
        masks = [prompt for prompt in prompts if not isinstance(prompt, (Box, Points))]
        inner = self.follow._session(tuple(masks), to_follow)
        return ClicksSession(self, inner, [one for one in prompts if isinstance(one, (Box, Points))], to_front)

    def resume_session(self, state: bytes) -> Session:
        """A session that goes on from `Session.state()`. Raises InputError for bytes of another system."""
        return ClicksSession.restore(self, state)

    def _split(self, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Settings named ``front.NAME`` are those of the first system, all others those of the second."""
        to_front = {name.removeprefix("front."): one for name, one in options.items() if name.startswith("front.")}
        to_follow = {name: one for name, one in options.items() if not name.startswith("front.")}
        return {name: one for name, one in options.items() if name == "device"} | to_front, to_follow

    def _masks(
        self, video: VideoLike, prompts: Sequence[Prompt], to_front: dict[str, Any], to_follow: dict[str, Any]
    ) -> list[Prompt]:
        """The prompts with a mask in place of clicks and boxes, frame by frame as far as one needs the one before."""
        clicks = [prompt for prompt in prompts if isinstance(prompt, (Box, Points))]
        given: list[Prompt] = [prompt for prompt in prompts if not isinstance(prompt, (Box, Points))]
        for number, together in _by_frame_and_object(clicks, _ids(prompts)):
            frame = together[0].frame
            picture = video[frame]
            before = self._before(video, given, frame, number, to_follow)
            drawn = np.where(self.mask_of(picture, together, before, **to_front), np.int32(number), np.int32(0))
            given = [left for mark in given if (left := _without(mark, frame, number)) is not None]
            given.append(Mask(drawn, frame=frame, source=f"the clicks on object {number}"))
        return given

    def _before(
        self, video: VideoLike, given: Sequence[Prompt], frame: int, number: int, options: dict[str, Any]
    ) -> Bool | None:
        """The object's mask in a frame as it is without the clicks there; None where it is not followed yet."""
        masks = [mark for mark in given if isinstance(mark, Mask) and mark.frame <= frame]
        earlier = [mark for mark in masks if number in mark.object_ids]
        if not earlier:
            return None
        same = [mark for mark in earlier if mark.frame == frame]
        if same:
            return np.asarray(same[-1].ids == number)
        for seen in self.follow.stream(video, masks, **options):
            if seen.frame == frame:
                return _mask_in(seen, number)
        return None


class ClicksSession(Session):
    """See `ClicksFirst` and `Session`. Clicks on the last frame count at once."""

    def __init__(self, system: ClicksFirst, inner: Session, clicks: Sequence[Click], options: dict[str, Any]) -> None:
        self._system, self._inner, self._options = system, inner, options
        self._waiting: list[Click] = []
        self._frame, self._picture = -1, None  # type: int, Frame | None
        self._masks: dict[int, Bool] = {}  # of the last frame
        self._last: FrameMasks | None = None
        for click in clicks:
            self.add(click)

    @property
    def objects(self) -> dict[int, ObjectInfo]:  # type: ignore[override]
        """Those of the system that follows."""
        return self._inner.objects

    @property
    def answers(self) -> list[Answer]:  # type: ignore[override]
        """Those of the system that follows."""
        return self._inner.answers

    @property
    def memory_limit(self) -> int:
        """That of the system that follows, and one picture."""
        return self._inner.memory_limit + (0 if self._picture is None else self._picture.nbytes)

    def step(self, frame: Frame, *, new_shot: bool = False, **place: Any) -> list[FrameMasks]:
        """See `Session.step`. place: what the system that follows takes besides, such as `number`."""
        ready = self._inner.step(frame, new_shot=new_shot, **place)
        number = place.get("number")
        self._frame = self._frame + 1 if number is None else number
        self._picture = frame
        self._note(ready)
        due = [click for click in self._waiting if click.frame == self._frame]
        if not due or not ready:
            return ready
        self._waiting = [click for click in self._waiting if click.frame != self._frame]
        for one, together in _by_frame_and_object(due, set(self.objects)):
            self._click(one, together)
        return [*ready[:-1], self._corrected(ready[-1])]

    def add(self, prompt: Prompt | str) -> list[int]:
        """Add an object or correct one. See `Session.add`."""
        told: list[int] = []
        for given in as_prompts(prompt):
            if not isinstance(given, (Box, Points)):
                told += self._inner.add(given)
                if isinstance(given, Mask) and given.frame == self._frame:
                    self._masks |= {number: given.ids == number for number in given.object_ids}
                continue
            self._system.check([given])
            if given.frame < self._frame:
                raise InputError(
                    f"clicks on frame {given.frame}: it has passed, the last one fed is {self._frame}; a session takes "
                    "marks for that frame or later ones"
                )
            waiting = {one.object_id for one in self._waiting if one.object_id is not None}
            ((number, _),) = _by_frame_and_object([given], set(self.objects) | waiting)
            if given.frame == self._frame and self._picture is not None:
                height, width = self._picture.shape[:2]
                check_prompts([given], height, width, None)
                self._click(number, [given])
            else:
                self._waiting.append(replace(given, object_id=number))
            told.append(number)
        return told

    def remove(self, object_id: int) -> None:
        """Follow an object no longer. Raises InputError for an id that is not followed."""
        left = [click for click in self._waiting if click.object_id != object_id]
        if len(left) == len(self._waiting) or object_id in self.objects:
            self._inner.remove(object_id)
        self._waiting = left
        self._masks.pop(object_id, None)

    def current(self) -> FrameMasks | None:
        """The last frame as it is now, corrections included; None before any frame."""
        return None if self._last is None else self._corrected(self._last)

    def finish(self) -> list[FrameMasks]:
        """See `Session.finish`."""
        return self._inner.finish()

    def state(self) -> bytes:
        """See `Session.state`."""
        inner = self._inner.state()
        waiting = [{"kind": type(click).__name__, **vars(click)} for click in self._waiting]
        masks = {str(number): np.packbits(mask).tobytes().hex() for number, mask in self._masks.items()}
        shape = None if self._picture is None else list(self._picture.shape)
        header = {"frame": self._frame, "waiting": waiting, "options": self._options, "shape": shape, "masks": masks}
        text = json.dumps(header).encode()
        picture = b"" if self._picture is None else np.ascontiguousarray(self._picture).tobytes()
        return b"".join([_MAGIC, len(text).to_bytes(8, "little"), text, picture, inner])

    @classmethod
    def restore(cls, system: ClicksFirst, state: bytes) -> ClicksSession:
        """The session that `state` described. Raises InputError for bytes of anything else."""
        if not state.startswith(_MAGIC):
            raise InputError("the saved state is damaged or of another program; start again without it")
        begin = len(_MAGIC) + 8
        end = begin + int.from_bytes(state[len(_MAGIC) : begin], "little")
        try:
            header = json.loads(state[begin:end])
        except ValueError as error:
            raise InputError("the saved state is damaged or of another program; start again without it") from error
        shape = header["shape"]
        size = 0 if shape is None else int(np.prod(shape))
        session = cls(system, system.follow.resume_session(state[end + size :]), (), header["options"])
        session._frame = int(header["frame"])
        if shape is not None:
            session._picture = np.frombuffer(state[end : end + size], np.uint8).reshape(shape).copy()
            area = shape[0] * shape[1]
            for number, packed in header["masks"].items():
                bits = np.unpackbits(np.frombuffer(bytes.fromhex(packed), np.uint8))[:area]
                session._masks[int(number)] = bits.reshape(shape[:2]).astype(np.bool_)
        for plain in header["waiting"]:
            kind = {"Box": Box, "Points": Points}[plain.pop("kind")]
            session._waiting.append(kind(**plain))
        return session

    def _click(self, number: int, clicks: Sequence[Click]) -> None:
        assert self._picture is not None
        mask = self._system.mask_of(self._picture, clicks, self._masks.get(number), **self._options)
        drawn = np.where(mask, np.int32(number), np.int32(0))
        self._inner.add(Mask(drawn, frame=self._frame, source=f"the clicks on object {number}"))
        # A pixel belongs to the object that was clicked on last.
        self._masks = {one: other & ~mask for one, other in self._masks.items()} | {number: mask}

    def _note(self, ready: Sequence[FrameMasks]) -> None:
        self._last = ready[-1] if ready else None
        self._masks = {}
        if self._last is not None:
            masks = self._last.binary()
            self._masks = {int(one): mask for one, mask in zip(self._last.ids, masks, strict=True)}

    def _corrected(self, last: FrameMasks) -> FrameMasks:
        scores = {int(one): float(score) for one, score in zip(last.ids, last.scores, strict=True)}
        ids = sorted(self._masks)
        masks = [self._masks[one] for one in ids]
        return replace(
            last,
            ids=np.array(ids, np.int32),
            scores=np.array([scores.get(one, 1.0) for one in ids], np.float32),
            masks=np.stack(masks) if masks else np.zeros((0, last.height, last.width), np.bool_),
        )


_MAGIC = b"SOUTCLK1"


def _by_frame_and_object(clicks: Sequence[Click], used: set[int]) -> Iterator[tuple[int, list[Click]]]:
    """Clicks of one object on one frame together, by frame; those without an id are an object each."""
    taken = used | {click.object_id for click in clicks if click.object_id is not None}
    groups: dict[tuple[int, int], list[Click]] = {}
    for click in clicks:
        number = click.object_id
        if number is None:
            number = next(free for free in range(1, len(taken) + 2) if free not in taken)
            taken.add(number)
        groups.setdefault((click.frame, number), []).append(click)
    for frame, number in sorted(groups, key=lambda key: key[0]):
        yield number, groups[frame, number]


def _ids(prompts: Sequence[Prompt]) -> set[int]:
    return {number for prompt in prompts if isinstance(prompt, Mask) for number in prompt.object_ids}


def _without(mark: Prompt, frame: int, number: int) -> Prompt | None:
    """A mask that no longer speaks of an object in that frame; None where it spoke of nothing else."""
    if not isinstance(mark, Mask) or mark.frame != frame or number not in mark.object_ids:
        return mark
    left = np.where(mark.ids == number, np.int32(0), mark.ids)
    return Mask(left, frame=frame, source=mark.source) if left.any() else None


def _mask_in(masks: FrameMasks | FrameCodes, number: int) -> Bool | None:
    places = np.flatnonzero(masks.ids == number)
    return masks.binary()[int(places[0])] if len(places) else None
