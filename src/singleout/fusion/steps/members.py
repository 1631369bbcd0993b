"""``masks``: a member whose masks were made elsewhere, cut at a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from singleout.data.records import ReferringVideo
from singleout.errors import InputError
from singleout.fusion import settings as reading_of
from singleout.fusion.bits import Bool, Floats, logit_edge, sigmoid
from singleout.fusion.settings import Settings
from singleout.fusion.steps.base import GROUPS_OF, Step, Work, clip_of
from singleout.fusion.steps.pairs import groups_in
from singleout.fusion.store import writing
from singleout.fusion.tools import Tools

LOGITS, PROBABILITIES, HARD = "logits", "probabilities", "masks"


class MasksStep(Step):
    """See the module.

    path: of the masks, see `sources`. holds: what its numbers are. threshold: probability above which a pixel is in the
    mask. alone_in: a step of pairs, of which only the sentences without a partner are read. soft: keep probabilities.
    """

    word = "masks"

    def __init__(self, name: str, path: str, holds: str, threshold: float, alone_in: str | None) -> None:
        super().__init__(name)
        self.path, self.holds, self.threshold, self.alone_in = path, holds, threshold, alone_in
        self.soft = False

    @classmethod
    def read(cls, name: str, given: Settings) -> MasksStep:
        """From the pipeline file."""
        step = cls(
            name,
            given.take("masks", reading_of.text, "a file or folder of masks"),
            given.one_of("holds", (LOGITS, PROBABILITIES, HARD), HARD),
            given.maybe("threshold", reading_of.number(0, 1), "a number from 0 to 1", 0.5),
            given.maybe("alone-in", reading_of.text, "the name of a step of pairs", ""),
        )
        given.done()
        return step

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        return {self.alone_in: GROUPS_OF} if self.alone_in else {}

    def about(self) -> str:
        """See `Step`."""
        return f"{self.holds} of {self.path}" if self.holds != HARD else f"masks of {self.path}"

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`; where they lie plays no part."""
        return {"holds": self.holds, "threshold": self.threshold, "soft": self.soft}

    def facts(self, video: ReferringVideo, tools: Tools) -> Any:
        """See `Step`."""
        return tools.source(self.path).stamp(video)

    def check(self, videos: Sequence[ReferringVideo], tools: Tools) -> None:
        """See `Step`."""
        source = tools.source(self.path)
        for video in videos:
            tools.agree(video, source.size(video), str(source.path))
            source.check_unchanged(video)

    def check_unchanged(self, video: ReferringVideo, tools: Tools) -> None:
        """See `Step`."""
        tools.source(self.path).check_unchanged(video)

    def make(self, work: Work) -> None:
        """See `Step`."""
        source = work.tools.source(self.path)
        sentences = [each.id for each in work.video.sentences]
        if self.alone_in:
            sentences = [group[0] for group in groups_in(work.inputs[self.alone_in]) if len(group) == 1]
        clip = clip_of(work.video, source.size(work.video), sentences)
        with writing(work.target, clip, work.key, soft=self.soft) as writer:
            for sentence in clip.sentences:
                for frame, values in enumerate(source.masks(work.video, sentence)):
                    if values.shape != (clip.height, clip.width):
                        shape = f"{values.shape[1]}x{values.shape[0]}"
                        raise source.wrong(work.video, sentence, f"has a mask of {shape}, expected {clip.size}")
                    try:
                        writer.add(sentence, frame, self._read(values))
                    except InputError as error:
                        raise source.wrong(work.video, sentence, str(error)) from error
                    work.tools.may_stop(work.video.name)
                scores = source.scores(work.video, sentence)
                if scores is not None:
                    if not np.isfinite(scores).all():
                        raise source.wrong(work.video, sentence, "has a score that is no number: make it again")
                    writer.score(sentence, scores)
            # What was read while it was written elsewhere must not be taken for whole.
            source.check_unchanged(work.video)

    def _read(self, values: Any) -> Bool | Floats:
        if self.holds == HARD:
            if values.dtype != np.bool_ and not np.isin(values, (0, 1, 255)).all():
                raise InputError("has other values than 0 and 255: say what it holds, logits or probabilities")
            found: Bool = values > 0
            return found
        if self.holds == LOGITS:
            if values.dtype.kind != "f":
                raise InputError("has whole numbers, which are no logits: say that it holds masks or probabilities")
            with np.errstate(invalid="ignore", over="ignore"):
                # The sum shows whether it is worth looking; infinite logits are sure ones.
                if np.isnan(values.sum()) and np.isnan(values).any():
                    raise InputError("has logits that are no numbers: make it again")
            if self.soft:
                return sigmoid(values)
            above: Bool = values >= logit_edge(self.threshold)
            return above
        if values.dtype.kind == "u":
            values = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
        if not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
            raise InputError("has values outside of 0 to 1: say that it holds logits")
        if self.soft:
            chances: Floats = values.astype(np.float32, copy=False)
            return chances
        more: Bool = values > np.asarray(self.threshold, values.dtype)
        return more
