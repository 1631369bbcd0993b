"""AOT frame by frame, for cameras, robots and people who correct what they see."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from singleout.errors import InputError
from singleout.nn.states import prefixed, under
from singleout.prompts import Mask, Prompt, as_prompts, check_prompts
from singleout.segmenter import Frame, Session
from singleout.systems.aot.marks import describe, notes
from singleout.systems.aot.options import Options
from singleout.systems.aot.tracker import STATES, Tracker
from singleout.tracks import Answer, FrameMasks, ObjectInfo

if TYPE_CHECKING:
    from singleout.systems.aot.inference import AOT

SESSION_BUDGET = 16  # frames in the long-term memory where nothing else is asked for: a session states its memory


class AOTSession(Session):
    """See `Session`. Every frame is final at once, and the last one can be corrected until the next comes.

    Frames need not come in order: `step` takes the number of the frame, so that one may go back and forth over a video
    with one memory.
    """

    def __init__(self, system: AOT, prompts: tuple[Prompt, ...], options: Options) -> None:
        self._system, self._options = system, options
        self._tracker: Tracker | None = None
        self._waiting: list[Mask] = []
        self._frame = -1  # the last one that was fed
        self._turned = False  # whether frames came in another order than counting up
        self.objects, self.answers = {}, []
        for prompt in prompts:
            self.add(prompt)

    @property
    def memory_limit(self) -> int:
        """The most bytes that the state may take for the present objects, whatever the length; 0 before any frame.

        Raises InputError where the memory was asked to grow without end (budget None).
        """
        if self._options.budget is None:
            raise InputError("this session was opened with budget None: its memory grows with the video, without limit")
        return 0 if self._tracker is None else self._tracker.most_bytes(self._options.budget) + _waiting(self._waiting)

    def step(self, frame: Frame, *, new_shot: bool = False, number: int | None = None) -> list[FrameMasks]:
        """Feed a frame; returns its masks. See `Session.step`.

        number: of the frame, where it is not the one after the last. new_shot: taken note of, and nothing is forgotten:
        the long-term memory is what finds an object again after a cut.
        """
        height, width = frame.shape[:2]
        if self._tracker is None:
            check_prompts(self._waiting, height, width, None)
            self._tracker = self._system.tracker((height, width), self._options)
        tracker = self._tracker
        if (height, width) != tracker.size:
            raise InputError(
                f"frame {self._frame + 1} is {width}x{height}, the ones before {tracker.size[1]}x{tracker.size[0]}; "
                "open another session for another size"
            )
        if number is not None and (not isinstance(number, int) or number < 0):
            raise InputError(f"frame number {number!r}: expected a whole number from 0 on")
        self._turned |= number is not None and number != self._frame + 1
        self._frame = self._frame + 1 if number is None else number
        tracker.see(frame)
        for mask in [mask for mask in self._waiting if mask.frame == self._frame]:
            self._waiting.remove(mask)
            tracker.mark(mask.ids)
        return [tracker.frame_masks(self._frame)]

    def current(self) -> FrameMasks | None:
        """The last frame as it is decided now, corrections included; None before any frame."""
        return None if self._tracker is None or self._frame < 0 else self._tracker.frame_masks(self._frame)

    def add(self, prompt: Prompt | str) -> list[int]:
        """Add an object or correct one by its mask. See `Session.add`."""
        told: list[int] = []
        for mask in as_prompts(prompt):
            self._system.check([mask])
            assert isinstance(mask, Mask)
            if self._tracker is not None:
                check_prompts([mask], *self._tracker.size, None)
            if mask.frame < self._frame and not self._turned:
                raise InputError(
                    f"{describe(mask)}: frame {mask.frame} has passed, the last one fed is {self._frame}; a session "
                    "takes marks for that frame or later ones"
                )
            most = self._options.max_objects
            if len(self.objects.keys() | set(mask.object_ids)) > most:
                raise InputError(
                    f"{mask.source}: more than {most} objects are asked for: mark fewer, or raise max_objects"
                )
            if mask.frame == self._frame and self._tracker is not None:
                self._tracker.mark(mask.ids)
            else:
                self._waiting.append(mask)
            self.answers.append(Answer(describe(mask), mask.object_ids, threshold=0.0, message=notes(mask)))
            for number in mask.object_ids:
                self.objects.setdefault(number, ObjectInfo(number, prompt=describe(mask)))
            told += mask.object_ids
        return told

    def remove(self, object_id: int) -> None:
        """Follow an object no longer, from the last frame on; its id is not given to another one.

        It comes back where it is marked again. Raises InputError for an id that is not followed.
        """
        waiting = [mask for mask in self._waiting if object_id in mask.object_ids]
        known = self._tracker is not None and object_id in self._tracker.present
        if not waiting and not known:
            listed = ", ".join(map(str, self._tracker.present if self._tracker else ())) or "none"
            raise InputError(f"there is no object {object_id} to remove; the objects followed are: {listed}")
        for mask in waiting:
            self._waiting.remove(mask)
            left = np.where(mask.ids == object_id, np.int32(0), mask.ids)
            if left.any():
                self._waiting.append(Mask(left, frame=mask.frame, source=mask.source))
        if known and self._tracker is not None:
            self._tracker.remove(object_id)

    def finish(self) -> list[FrameMasks]:
        """Nothing is left open: every frame was final at once."""
        return []

    def state(self) -> bytes:
        """See `Session.state`."""
        tensors: dict[str, torch.Tensor] = {}
        header: dict[str, Any] = {
            "options": asdict(self._options),
            "frame": self._frame,
            "turned": self._turned,
            "waiting": [[mask.frame, mask.source] for mask in self._waiting],
            "objects": [[info.id, info.prompt] for info in self.objects.values()],
            "answers": [[answer.prompt, list(answer.found), answer.message] for answer in self.answers],
        }
        if self._tracker is not None:
            kept, header["tracker"] = self._tracker.save()
            header["size"] = list(self._tracker.size)
            tensors |= prefixed("tracker", kept)
        for index, mask in enumerate(self._waiting):
            tensors[f"waiting.{index}"] = torch.from_numpy(mask.ids)
        return STATES.pack("session", header, tensors)

    @classmethod
    def restore(cls, system: AOT, state: bytes) -> AOTSession:
        """The session that `state` described. Raises InputError for bytes of anything else."""
        header, tensors = STATES.unpack("session", state)
        session = cls(system, (), Options(**{**header["options"], "scales": tuple(header["options"]["scales"])}))
        session._frame, session._turned = int(header["frame"]), bool(header["turned"])
        for index, (frame, source) in enumerate(header["waiting"]):
            session._waiting.append(Mask(tensors[f"waiting.{index}"].numpy(), frame=frame, source=source))
        session.objects = {number: ObjectInfo(number, prompt=prompt) for number, prompt in header["objects"]}
        session.answers = [
            Answer(prompt, tuple(found), threshold=0.0, message=message) for prompt, found, message in header["answers"]
        ]
        if "tracker" in header:
            session._tracker = system.tracker(tuple(header["size"]), session._options)
            session._tracker.load(under("tracker", tensors), header["tracker"])
        return session


def _waiting(masks: list[Mask]) -> int:
    return sum(mask.ids.nbytes for mask in masks)
