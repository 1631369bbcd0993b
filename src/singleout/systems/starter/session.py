"""The starter frame by frame, for cameras and robots: nothing is known of what comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt, as_prompts, check_prompts
from singleout.segmenter import Frame, Session
from singleout.systems.starter.carry import as_drawn, carry_on
from singleout.systems.starter.engine import Engine
from singleout.systems.starter.follow import MAX_GROUPS, Follower, memory_bytes
from singleout.systems.starter.known import Known
from singleout.systems.starter.listen import Listener
from singleout.systems.starter.marks import Ids, Mark, Marks, check_words, describe, split
from singleout.systems.starter.namer import Namer
from singleout.systems.starter.network import StarterNetwork
from singleout.systems.starter.options import Options
from singleout.systems.starter.requests import read_requests
from singleout.systems.starter.results import frame_masks
from singleout.systems.starter.resume import pack, prefixed, under, unpack
from singleout.systems.starter.spot import Spotter
from singleout.systems.starter.view import View
from singleout.tracks import Answer, FrameMasks

_HEADER = 2**16  # bytes of the plain values in a state


class StarterSession(Session):
    """See `Session`. Every frame is final at once; sentences choose among what has been seen so far."""

    def __init__(
        self, engine: Engine, known: Known, namer: Callable[[], Namer], prompts: tuple[Prompt, ...], options: Options
    ) -> None:
        self._engine, self._known, self._namer, self._options = engine, known, namer, options
        self._ids = Ids()
        self._marks = Marks()
        self._asked: list[tuple[Phrase | Categories, ...]] = []  # what was asked together, and its listener
        self._listeners: list[Listener] = []
        self._frame = -1  # the last one that was fed
        self._view: View | None = None
        self._picture: Tensor | None = None
        self._before = Follower(engine.network)  # as it stood before the last frame, so that this can be corrected
        self._follower = Follower(engine.network)
        self._mark_answers: list[Answer] = []
        self.objects, self.answers = {}, []
        self._ids.reserve(prompts)
        marks, asked = split(prompts)
        check_words(marks, asked)
        for mark in marks:
            self._add_mark(mark)
        if asked:
            self._asked.append(tuple(asked))

    @property
    def memory_limit(self) -> int:
        """The most bytes that the state may take for the present objects, whatever the length; 0 before any frame."""
        if self._view is None:
            return 0
        count = len(self._marks.first)
        total = 2 * memory_bytes(self._engine.network, self._view.mask_shape, count, min(count, MAX_GROUPS))
        most = self._options.max_objects
        each = memory_bytes(self._engine.network, self._view.mask_shape, most, min(most, MAX_GROUPS))
        picture = 3 * self._view.work_height * self._view.work_width
        total += picture + len(self._listeners) * (each + picture)
        waiting = sum(mark.ids.nbytes for _, _, mark in self._open_marks() if isinstance(mark, Mask))
        return total + waiting + _HEADER * (1 + len(self._listeners))

    def step(self, frame: Frame, *, new_shot: bool = False) -> list[FrameMasks]:
        """Feed the next frame; returns its masks. See `Session.step`."""
        height, width = frame.shape[:2]
        if self._view is None:
            self._open(height, width)
        view = self._view
        assert view is not None
        if (height, width) != (view.height, view.width):
            raise InputError(
                f"frame {self._frame + 1} is {width}x{height}, the ones before {view.width}x{view.height}; "
                "open another session for another size"
            )
        self._frame += 1
        for passed in [number for number in self._marks.on if number < self._frame]:
            del self._marks.on[passed]
        if new_shot:
            self._follower = Follower(self._engine.network)
            for listener in self._listeners:
                listener.restart()
        self._picture = view.shrink(frame)
        self._before = self._follower.copy()
        given = self._marks.on.get(self._frame, {})
        parts = [self._carry(given)]
        parts += [listener.step(self._frame, self._picture) for listener in self._listeners]
        self._note()
        exclusive = not any(isinstance(prompt, Phrase) for prompt in self._words_asked())
        return [frame_masks(self._frame, view, parts, exclusive=exclusive)]

    def add(self, prompt: Prompt | str) -> list[int]:
        """Add an object or correct one. See `Session.add`; ids of words are known when they are found."""
        numbers: list[int] = []
        for given in as_prompts(prompt):
            if self._view is not None:
                check_prompts([given], self._view.height, self._view.width, None)
            marks, words = split([given])
            check_words([mark for _, _, mark in self._open_marks()], [*self._words_asked(), *words])
            self._ids.reserve([given])
            for mark in marks:
                numbers += self._add_mark(mark)
            if words:
                self._asked.append(tuple(words))
                self._listen()
        return numbers

    def finish(self) -> list[FrameMasks]:
        """Nothing is left open: every frame was final at once."""
        return []

    def state(self) -> bytes:
        """See `Session.state`."""
        tensors, follower = self._before.save()
        tensors = prefixed("before", tensors)
        header: dict[str, Any] = {
            "options": asdict(self._options),
            "frame": self._frame,
            "view": None if self._view is None else asdict(self._view),
            "before": follower,
            "first": sorted(self._marks.first.items()),
            "marked": [[info.id, info.prompt] for info in self._marks.objects.values()],
            "used": sorted(self._ids.used),
            "words": [[_plain(prompt) for prompt in together] for together in self._asked],
            "marks": [],
            "answers": [[answer.prompt, list(answer.found)] for answer in self._mark_answers],
        }
        if self._picture is not None:
            tensors["picture"] = self._picture
        for index, (frame, numbers, mark) in enumerate(self._open_marks()):
            header["marks"].append([frame, numbers, _plain(mark)])
            if isinstance(mark, Mask):
                tensors[f"mark.{index}"] = torch.from_numpy(mark.ids)
        saved = [listener.save() for listener in self._listeners]
        header["listeners"] = [plain for _, plain in saved]
        for index, (kept, _) in enumerate(saved):
            tensors |= prefixed(f"listener.{index}", kept)
        return pack("session", header, tensors)

    @classmethod
    def restore(cls, network: StarterNetwork, known: Known, namer: Callable[[], Namer], state: bytes) -> StarterSession:
        """The session that `state` described. Raises InputError for bytes of anything else."""
        header, tensors = unpack("session", state)
        options = Options(**header["options"])
        session = cls(Engine(network, options.device), known, namer, (), options)
        session._frame = int(header["frame"])
        session._view = None if header["view"] is None else View(**header["view"])
        for index, (frame, numbers, plain) in enumerate(header["marks"]):
            mark = _mark(plain, tensors.get(f"mark.{index}"))
            for number in numbers:
                session._marks.on.setdefault(int(frame), {}).setdefault(int(number), []).append(mark)
        session._marks.first = {int(number): int(frame) for number, frame in header["first"]}
        session._asked = [tuple(_words(plain) for plain in together) for together in header["words"]]
        session._mark_answers = [Answer(prompt, tuple(found), threshold=0.0) for prompt, found in header["answers"]]
        for number, prompt in header["marked"]:
            session._marks.describe(int(number), prompt)
        session._ids.used = {int(number) for number in header["used"]}
        session._listen()
        for index, listener in enumerate(session._listeners):
            listener.load(under(f"listener.{index}", tensors), header["listeners"][index])
        session._before = Follower.load(session._engine.network, under("before", tensors), header["before"])
        session._picture = tensors.get("picture")
        session._follower = session._before.copy()
        if session._picture is not None:
            session._carry(session._marks.on.get(session._frame, {}))
        session._note()
        return session

    def _open(self, height: int, width: int) -> None:
        check_prompts([mark for _, _, mark in self._open_marks()], height, width, None)
        self._view = View.of(height, width, self._options.size)
        self._listen()

    def _listen(self) -> None:
        """Start listening for words that nobody listens for yet; needs the size of frames."""
        if self._view is None:
            return
        for together in self._asked[len(self._listeners) :]:
            requests = read_requests(together, self._known, self._namer(), self._options.threshold, self._options.guess)
            self._listeners.append(
                Listener(Spotter(self._engine, self._view, requests, self._namer()), self._options, self._ids)
            )

    def _words_asked(self) -> list[Phrase | Categories]:
        return [prompt for together in self._asked for prompt in together]

    @torch.inference_mode()
    def _carry(self, given: dict[int, list[Mark]]) -> tuple[list[int], Tensor]:
        assert self._picture is not None and self._view is not None
        self._follower = self._before.copy()
        ids, masks = carry_on(self._engine, self._view, self._follower, self._picture, given)
        return as_drawn(self._view, given, ids, masks)

    def _add_mark(self, mark: Mark) -> list[int]:
        if mark.frame < self._frame:
            raise InputError(
                f"{describe(mark)}: frame {mark.frame} has passed, the last one fed is {self._frame}; "
                "a session takes marks for that frame or later ones"
            )
        numbers = self._marks.add(mark, self._ids)
        self._mark_answers.append(Answer(prompt=describe(mark), found=tuple(numbers), threshold=0.0))
        if mark.frame == self._frame:
            self._carry(self._marks.on[self._frame])
        self._note()
        return numbers

    def _note(self) -> None:
        self.objects.update(self._marks.objects)
        self.answers[:] = self._mark_answers
        for listener in self._listeners:
            self.objects.update(listener.verdicts.objects)
            self.answers += listener.verdicts.answers()

    def _open_marks(self) -> list[tuple[int, list[int], Mark]]:
        """Marks of the last frame fed and of later ones: frame, ids of its objects, mark."""
        found: dict[int, tuple[int, list[int], Mark]] = {}
        for frame, given in sorted(self._marks.on.items()):
            for number, marks in given.items():
                for mark in marks:
                    found.setdefault(id(mark), (frame, [], mark))[1].append(number)
        return list(found.values())


def _plain(prompt: Prompt) -> dict[str, Any]:
    """A prompt as plain values; the picture of a mask is kept beside them."""
    kind = type(prompt).__name__
    values = {name: value for name, value in vars(prompt).items() if not isinstance(value, np.ndarray)}
    return {"kind": kind, **values}


def _mark(plain: dict[str, Any], ids: Tensor | None) -> Mark:
    values = {name: value for name, value in plain.items() if name != "kind"}
    if plain["kind"] == "Mask":
        assert ids is not None
        return replace(Mask(ids.numpy(), frame=values["frame"], source=values["source"]), object_id=values["object_id"])
    return Box(**values) if plain["kind"] == "Box" else Points(**values)


def _words(plain: dict[str, Any]) -> Phrase | Categories:
    if plain["kind"] == "Phrase":
        return Phrase(plain["text"], plain["object_id"])
    return Categories(plain["names"])
