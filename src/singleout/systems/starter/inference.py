"""The starter as a `Segmenter`: shots one after the other, marks and words carried through each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from torch import Tensor

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt
from singleout.segmenter import Abilities, Segmenter, Session, Stream, VideoLike
from singleout.systems.starter.carry import MarkPass, Rows
from singleout.systems.starter.engine import Engine
from singleout.systems.starter.follow import Follower
from singleout.systems.starter.known import Known
from singleout.systems.starter.marks import Ids, Marks, check_words, describe, split
from singleout.systems.starter.namer import Namer
from singleout.systems.starter.network import StarterNetwork
from singleout.systems.starter.options import Options
from singleout.systems.starter.requests import read_requests
from singleout.systems.starter.results import frame_masks
from singleout.systems.starter.resume import pack, prefixed, under, unpack
from singleout.systems.starter.seek import WordPass
from singleout.systems.starter.spot import Spotter
from singleout.systems.starter.view import View
from singleout.tracks import Answer, FrameMasks


class Starter(Segmenter):
    """The small system that ships inside the package; takes every kind of prompt."""

    name = "starter"
    abilities = Abilities(
        prompts=frozenset({Phrase, Categories, Mask, Box, Points}),
        tasks=frozenset({"instances", "referring", "objects"}),
        look_ahead=0,
    )

    def __init__(self, network: StarterNetwork, known: Known) -> None:
        self.network, self.known = network, known

    @cached_property
    def namer(self) -> Namer:
        """The classifier of the package; read when words are first asked for, as marks do not need it."""
        return Namer.load()

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> StarterStream:
        chosen = Options.read(options)
        engine = Engine(self.network, chosen.device)
        return StarterStream(engine, self.known, lambda: self.namer, video, prompts, chosen, state)

    def _session(self, prompts: tuple[Prompt, ...], options: dict[str, Any]) -> Session:
        from singleout.systems.starter.session import StarterSession

        chosen = Options.read(options)
        return StarterSession(Engine(self.network, chosen.device), self.known, lambda: self.namer, prompts, chosen)

    def resume_session(self, state: bytes) -> Session:
        """A session that goes on from `Session.state()`. Raises InputError for bytes of another system."""
        from singleout.systems.starter.session import StarterSession

        return StarterSession.restore(self.network, self.known, lambda: self.namer, state)


class StarterStream(Stream):
    """One pass over a video; frames come in order. See `Stream`."""

    def __init__(  # noqa: PLR0917 - all that a run is made of
        self,
        engine: Engine,
        known: Known,
        namer: Callable[[], Namer],
        video: VideoLike,
        prompts: tuple[Prompt, ...],
        options: Options,
        state: bytes | None,
    ) -> None:
        super().__init__(frames=self._run())
        self._engine, self._video, self._options = engine, video, options
        self._view = View.of(video.height, video.width, options.size)
        self._prompts = prompts
        marks, asked = split(prompts)
        check_words(marks, asked)
        ids = Ids()
        ids.reserve(prompts)
        self._marks = Marks()
        for mark in marks:
            numbers = self._marks.add(mark, ids)
            self.answers.append(Answer(prompt=describe(mark), found=tuple(numbers), threshold=0.0))
        self.objects.update(self._marks.objects)
        self._exclusive = len(prompts) == 1 or not any(isinstance(prompt, Phrase) for prompt in asked)
        self._next = 0
        self._marked: MarkPass | None = None
        self._saved: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._words: WordPass | None = None
        if asked:
            requests = read_requests(asked, known, namer(), options.threshold, options.guess)
            self._words = WordPass(Spotter(engine, self._view, requests, namer()), options, ids)
        if state is not None:
            self._restore(state)

    @cached_property
    def _fingerprint(self) -> str:
        return _fingerprint(self._engine.network, self._video, self._prompts, self._options)

    def state(self) -> bytes:
        """Bytes with which `Segmenter.stream(..., state=…)` goes on after the last frame handed out."""
        header: dict[str, Any] = {"fingerprint": self._fingerprint, "next": self._next}
        tensors: dict[str, Tensor] = {}
        if self._marked is not None and self._marked.start < self._next < self._marked.stop:
            follower, header["marks"] = self._marked.follower.save()
            tensors |= prefixed("marks", follower)
        if self._words is not None:
            kept, header["words"] = self._words.save(self._next)
            tensors |= prefixed("words", kept)
        return pack("stream", header, tensors)

    def _restore(self, state: bytes) -> None:
        header, tensors = unpack("stream", state)
        if header["fingerprint"] != self._fingerprint:
            raise InputError("the saved state belongs to another video, other prompts or options; start without it")
        self._next = int(header["next"])
        if "marks" in header:
            self._saved = under("marks", tensors), header["marks"]
        if self._words is not None:
            self._words.load(under("words", tensors), header["words"])

    def _run(self) -> Iterator[FrameMasks]:
        for start, stop in self._video.shots():
            if stop <= self._next:
                continue
            follower = None
            if self._saved is not None:
                follower = Follower.load(self._engine.network, *self._saved)
                self._saved = None
            marked = self._marked = MarkPass(self._engine, self._view, self._marks, (start, stop), follower)
            if self._options.backwards:
                marked.look_back(self._video, max(start, self._next))
            try:
                yield from self._run_shot(marked, (start, stop))
            finally:
                marked.close()
        if self._words is not None:
            self.answers.extend(self._words.verdicts.answers())

    def _run_shot(self, marked: MarkPass, shot: tuple[int, int]) -> Iterator[FrameMasks]:
        begin = max(shot[0], self._next)
        # A shot without marks need not be decoded here at all.
        frames = self._video.frames(begin, shot[1]) if marked.active else iter(())
        for index in range(begin, shot[1]):
            parts: list[Rows] = []
            if marked.active:
                parts.append(marked.advance(index, self._view.shrink(next(frames))))
            if self._words is not None:
                parts.append(self._words.rows(index, self._video, shot))
                self.objects.update(self._words.verdicts.objects)
            result = frame_masks(index, self._view, parts, exclusive=self._exclusive)
            self._next = index + 1
            yield result


def _fingerprint(network: StarterNetwork, video: VideoLike, prompts: tuple[Prompt, ...], options: Options) -> str:
    """Tells runs apart that must not go on from one another's states; other weights give other states too."""
    digest = hashlib.sha256(repr((video.height, video.width, video.num_frames, options)).encode())
    for tensor in network.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for prompt in prompts:
        digest.update(describe(prompt).encode())
        if isinstance(prompt, Mask):
            digest.update(prompt.ids.tobytes())
        elif not isinstance(prompt, Categories):
            digest.update(repr(prompt.object_id).encode())
    return digest.hexdigest()
