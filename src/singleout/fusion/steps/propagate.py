"""``propagate``: the mask of each sentence's key frame, carried through the video by a system that follows masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from singleout.combine.agreement import AgreementStream
from singleout.errors import InputError
from singleout.fusion import settings as reading_of
from singleout.fusion.bits import Bool
from singleout.fusion.settings import Settings
from singleout.fusion.steps.base import KEYS_OF, MASKS_OF, Work
from singleout.fusion.steps.key_frames import keys_in
from singleout.fusion.steps.models import ModelStep, model_of
from singleout.fusion.store import MaskReader, MaskWriter, reading, writing
from singleout.fusion.tools import Model, Tools
from singleout.prompts import Mask
from singleout.tracks import FrameCodes

COPY, LARGEST, REFUSE = "copy", "largest", "refuse"
KEPT, RESET = "kept", "reset"


class PropagateStep(ModelStep):
    """See the module.

    masks, keys: the steps that give masks and key frames. model: what follows. memory: "kept", the way back to the
    first frame begins with what was remembered on the way forward, where the system can (its option keep_memory);
    "reset", each way begins anew. if_empty: what happens where the mask of a key frame is empty: "copy" gives the masks
    as they came, "largest" begins at the frame with the largest mask, "refuse" is an error. agreement: go the way back
    as well, and score each frame by how far both agree.
    """

    word = "propagate"

    def __init__(
        self,
        name: str,
        masks: str,
        keys: str,
        model: Model,
        *,
        memory: str = RESET,
        if_empty: str = LARGEST,
        agreement: bool = False,
    ) -> None:
        super().__init__(name, model)
        self.masks, self.keys = masks, keys
        self.memory, self.if_empty, self.agreement = memory, if_empty, agreement

    @classmethod
    def read(cls, name: str, given: Settings, models: Mapping[str, Model]) -> PropagateStep:
        """From the pipeline file. models: those that it names."""
        step = cls(
            name,
            given.take("propagate", reading_of.text, "the name of a step that gives masks"),
            given.take("from", reading_of.text, "the name of a step of key frames"),
            model_of(given, "model", models),
            memory=given.one_of("memory", (KEPT, RESET), RESET),
            if_empty=given.one_of("if-empty", (COPY, LARGEST, REFUSE), LARGEST),
            agreement=given.maybe("agreement", reading_of.flag, "true or false", False),
        )
        given.done()
        return step

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        return {self.masks: MASKS_OF, self.keys: KEYS_OF}

    def about(self) -> str:
        """See `Step`."""
        return f"masks of {self.masks} carried from their key frames by {self.model.model}"

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`."""
        own = {"memory": self.memory, "if_empty": self.if_empty, "agreement": self.agreement}
        return {**super().settings(tools), **own}

    def make(self, work: Work) -> None:
        """See `Step`."""
        keys = keys_in(work.inputs[self.keys])
        done: dict[tuple[str, int], str] = {}
        with reading(work.inputs[self.masks]) as given, writing(work.target, given.clip, work.key) as writer:
            for sentence in given.clip.sentences:
                key = self._key(given, sentence, keys)
                if key is None:
                    for frame in range(len(given.clip.frames)):
                        writer.add(sentence, frame, given.mask(sentence, frame))
                    if self.agreement:
                        writer.score(sentence, np.zeros(len(given.clip.frames)))
                    continue
                # Partners often have the same mask in the same key frame.
                before = done.setdefault((given.identity(sentence, key), key), sentence)
                if before == sentence:
                    self._carry(work, given, sentence, key, writer)
                else:
                    writer.same(sentence, before)

    def _key(self, given: MaskReader, sentence: str, keys: Mapping[str, int]) -> int | None:
        """The frame to begin at, None where the masks stay as they are."""
        key = keys.get(sentence, -1)
        if not 0 <= key < len(given.clip.frames):
            raise InputError(f"step {self.name}: {self.keys} gives no key frame for sentence {sentence}")
        if given.mask(sentence, key).any():
            return key
        if self.if_empty == REFUSE:
            raise InputError(
                f"step {self.name}: the mask of the key frame {given.clip.frames[key]} of video {given.clip.video}, "
                f"sentence {sentence}, is empty: choose another rule for key frames, or say if-empty: copy or largest"
            )
        if self.if_empty == LARGEST:
            areas = [int(np.count_nonzero(given.mask(sentence, one))) for one in range(len(given.clip.frames))]
            return int(np.argmax(areas)) if max(areas) else None
        return None

    def _carry(self, work: Work, given: MaskReader, sentence: str, key: int, writer: MaskWriter) -> None:
        start = given.mask(sentence, key)
        scores = np.zeros(len(given.clip.frames))
        seen: set[int] = set()
        for frame, mask, score in self._follow(work, start, key):
            # The key frame keeps its mask: it is what the others come from.
            writer.add(sentence, frame, start if frame == key else mask)
            scores[frame] = 1.0 if frame == key else score
            seen.add(frame)
            work.tools.may_stop(work.video.name)
        missing = sorted(set(range(len(given.clip.frames))) - seen)
        if missing:
            raise InputError(
                f"step {self.name}: {self.model.model} gave no result for frame {given.clip.frames[missing[0]]} of "
                f"video {given.clip.video}: it must follow a mask to both ends of the video"
            )
        if self.agreement:
            writer.score(sentence, scores)

    def _follow(self, work: Work, start: Bool, key: int) -> Iterator[tuple[int, Bool, float]]:
        """Frame, mask and agreement of every frame, in whatever order the system gives them."""
        segmenter = work.tools.load(self.model)
        options = work.tools.options(self.model)
        if self.memory == KEPT:
            options["keep_memory"] = True
        mark = Mask(start.astype(np.int32), frame=key, source=f"the key frame of {self.masks}")
        with work.tools.frames(work.video) as video:
            try:
                if self.agreement:
                    frames = iter(AgreementStream(segmenter, video, [mark], **options))
                else:
                    frames = iter(segmenter.stream(video, mark, **options))
                for masks in frames:
                    drawn = masks.masks() if isinstance(masks, FrameCodes) else masks.binary()
                    found: Bool = np.logical_or.reduce(drawn, axis=0, initial=False)
                    yield masks.frame, found, float(masks.scores.max(initial=0.0))
            except InputError as error:
                raise InputError(f"step {self.name}: {error}") from error
