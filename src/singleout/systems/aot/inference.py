"""AOT and DeAOT as a `Segmenter`: objects whose masks are given in some frame, followed to both ends of the video."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from singleout.errors import InputError
from singleout.media.backwards import frames_backwards
from singleout.nn.backbones.resnet import keep_folded
from singleout.nn.devices import resolve_device
from singleout.nn.states import prefixed, under
from singleout.prompts import Mask, Prompt
from singleout.segmenter import Abilities, Segmenter, Session, Stream, VideoLike
from singleout.systems.aot.challenge import RefinedStream
from singleout.systems.aot.marks import Marks, describe, notes
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.options import Options
from singleout.systems.aot.tracker import STATES, Tracker
from singleout.tracks import Answer, FrameCodes, FrameMasks, ObjectInfo

_DAVIS = ("davis2016", "davis2017")


class AOT(Segmenter):
    """The system with its weights."""

    abilities = Abilities(prompts=frozenset({Mask}), tasks=frozenset({"objects"}), look_ahead=0)

    def __init__(self, network: AOTNetwork, *, name: str) -> None:
        self.network, self.name = network, name
        keep_folded(network)

    def published(self, benchmark: str) -> dict[str, Any]:
        """Forwards only; DAVIS is decided at 480 rows whatever the frames have."""
        if benchmark in _DAVIS:
            return {"backwards": False, "davis": True}
        return {"backwards": False} if benchmark.startswith("youtube-vos-") else {}

    def tracker(self, size: tuple[int, int], options: Options | None = None, *, open_ids: bool = False) -> Tracker:
        """The part that follows objects frame by frame, for those who own the loop. size: height and width of frames.

        open_ids: see `Tracker`.
        """
        chosen = options or Options()
        device = resolve_device(chosen.device)
        if next(self.network.parameters()).device != device:
            self.network.to(device)
        return Tracker(self.network, chosen, size, device, open_ids=open_ids)

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        chosen = Options.read(self.name, options)
        if chosen.keep_memory or chosen.open_ids:
            start = partial(self.tracker, (video.height, video.width), open_ids=chosen.open_ids)
            return RefinedStream(start, video, prompts, chosen)
        return AOTStream(self, video, prompts, chosen, state)

    def _session(self, prompts: tuple[Prompt, ...], options: dict[str, Any]) -> Session:
        from singleout.systems.aot.session import SESSION_BUDGET, AOTSession

        chosen = Options.read(self.name, {"budget": SESSION_BUDGET, **options})
        if chosen.keep_memory or chosen.open_ids:
            raise InputError(f"keep_memory and open_ids go back and forth, which a session of {self.name} cannot")
        return AOTSession(self, prompts, chosen)

    def resume_session(self, state: bytes) -> Session:
        """A session that goes on from `Session.state()`. Raises InputError for bytes of another system."""
        from singleout.systems.aot.session import AOTSession

        return AOTSession.restore(self, state)


class AOTStream(Stream):
    """One pass over a video; frames come in order. See `Stream`."""

    def __init__(
        self, system: AOT, video: VideoLike, prompts: tuple[Prompt, ...], options: Options, state: bytes | None
    ) -> None:
        super().__init__(frames=self._run())
        self._system, self._video, self._prompts, self._options = system, video, prompts, options
        self._marks = Marks()
        for prompt in prompts:
            assert isinstance(prompt, Mask)
            self._marks.add(prompt, options.max_objects)
            self.answers.append(Answer(describe(prompt), prompt.object_ids, threshold=0.0, message=notes(prompt)))
            for number in prompt.object_ids:
                self.objects.setdefault(number, ObjectInfo(number, prompt=describe(prompt)))
        self._tracker = system.tracker((video.height, video.width), options)
        self._next = 0
        if state is not None:
            header, tensors = STATES.unpack("stream", state)
            if header["fingerprint"] != self._fingerprint:
                raise InputError("the saved state belongs to another video, other prompts or options; start without it")
            self._next = int(header["next"])
            self._tracker.load(under("tracker", tensors), header["tracker"])

    def state(self) -> bytes:
        """Bytes with which `Segmenter.stream(..., state=…)` goes on after the last frame handed out."""
        tensors, header = self._tracker.save()
        plain = {"fingerprint": self._fingerprint, "next": self._next, "tracker": header}
        return STATES.pack("stream", plain, prefixed("tracker", tensors))

    @cached_property
    def _fingerprint(self) -> str:
        """Tells runs apart that must not go on from one another's states; other weights give other states too."""
        video = self._video
        about = (video.height, video.width, video.num_frames, sorted(asdict(self._options).items()))
        digest = hashlib.sha256(repr(about).encode())
        for tensor in self._system.network.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        for prompt in self._prompts:
            assert isinstance(prompt, Mask)
            digest.update(f"{prompt.frame}".encode() + prompt.ids.tobytes())
        return digest.hexdigest()

    def _run(self) -> Iterator[FrameMasks]:
        tracker, begin = self._tracker, self._next
        early = self._look_back(begin) if self._options.backwards else {}
        # Nothing has to be decoded before the first mark.
        start = max(begin, min(self._marks.by_frame))
        for index in range(begin, start):
            yield self._result(index, early)
        for index, frame in enumerate(self._video.frames(start), start):
            tracker.see(frame)
            if index in self._marks.by_frame:
                tracker.mark(self._marks.drawn(index))
            self._next = index + 1
            yield self._result(index, early)

    def _look_back(self, begin: int) -> dict[int, FrameCodes]:
        """Each object carried from its first mark back to frame `begin`: what is seen of it, by frame."""
        first = self._marks.first
        last = max(first.values())
        if last <= begin:
            return {}
        options = replace(self._options, davis=False, soft=False)
        tracker = self._system.tracker((self._video.height, self._video.width), options)
        found: dict[int, FrameCodes] = {}
        for index, frame in frames_backwards(self._video, begin, last + 1, np.copy):
            tracker.see(frame)
            seen = tracker.frame_masks(index)
            if len(seen.ids):
                found[index] = seen.coded()
            starting = [number for number, at in first.items() if at == index]
            if starting:
                drawn = self._marks.drawn(index)
                tracker.mark(np.where(np.isin(drawn, starting), drawn, np.int32(0)))
        return found

    def _result(self, index: int, early: dict[int, FrameCodes]) -> FrameMasks:
        if index < min(self._marks.by_frame):
            size = (self._video.height, self._video.width)
            nothing = np.zeros((0, *size), np.bool_)
            result = FrameMasks(index, np.zeros(0, np.int32), np.zeros(0, np.float32), nothing, *size)
        else:
            result = self._tracker.frame_masks(index)
        before = early.pop(index, None)
        if before is None:
            return result
        # An object that is followed forwards by now is known better that way.
        kept = np.array([place for place, one in enumerate(before.ids) if one not in result.ids], np.intp)
        before = before.select(kept)
        if not len(before):
            return result
        masks = result.masks if result.masks.shape[1:] == (result.height, result.width) else result.binary()
        added = before.masks().astype(masks.dtype)
        return replace(
            result,
            ids=np.concatenate([result.ids, before.ids]),
            scores=np.concatenate([result.scores, before.scores]),
            masks=np.concatenate([masks, added]),
        )
