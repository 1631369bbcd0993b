"""How good each stage is, video by video: J and F where there is truth, and how far members and stages agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import combinations
from typing import Any

import numpy as np

from singleout.data.records import ReferringVideo
from singleout.evaluation.benchmarks.pairs import same_size
from singleout.evaluation.benchmarks.ref_youtube_vos import check_truth, true_mask
from singleout.evaluation.metrics.vos import sentence_scores
from singleout.fusion.bits import Bool, overlap
from singleout.fusion.steps.base import MASKS_OF, Step, Work
from singleout.fusion.store import VALUES, MaskReader, reading, write_values
from singleout.fusion.tools import Tools

J, F, AGREEMENT = "J", "F", "agreement"


class Judging(Step):
    """A step of the report: plain values of a video, which no other step needs."""

    word = "judge"
    gives = ""
    suffix = VALUES

    def __init__(self, name: str, masks: tuple[str, ...]) -> None:
        super().__init__(name)
        self.masks = masks

    @property
    def needs(self) -> Mapping[str, str]:
        """See `Step`."""
        return dict.fromkeys(self.masks, MASKS_OF)

    def settings(self, tools: Tools) -> Mapping[str, Any]:
        """See `Step`."""
        return {"what": type(self).__name__, "masks": self.masks}


class ScoreStep(Judging):
    """J and F of the masks of one step in each frame, by sentence: ``{sentence: {"J": […], "F": […]}}``."""

    def __init__(self, name: str, masks: str) -> None:
        super().__init__(name, (masks,))

    def about(self) -> str:
        """See `Step`."""
        return f"J and F of {self.masks[0]}"

    def facts(self, video: ReferringVideo, tools: Tools) -> Any:
        """See `Step`."""
        files = [*video.truth.values(), *(path for each in video.sentence_truth.values() for path in each.values())]
        return [[path.stat().st_size, path.stat().st_mtime_ns] for path in files if path.is_file()]

    def make(self, work: Work) -> None:
        """See `Step`. Raises InputError where the truth is not whole."""
        check_truth(work.video)
        found = {}
        with reading(work.inputs[self.masks[0]]) as masks:
            for sentence in masks.clip.sentences:
                where = f"{work.video.name}, sentence {sentence}"
                j, f = sentence_scores(_with_truth(work, masks, sentence), where=where)
                found[sentence] = {J: j.tolist(), F: f.tolist()}
                work.tools.may_stop(work.video.name)
        write_values(work.target, work.key, found)


class AgreementStep(Judging):
    """How far masks of several steps agree in each frame: the mean overlap of any two of them, by sentence."""

    def about(self) -> str:
        """See `Step`."""
        return f"agreement of {', '.join(self.masks)}"

    def make(self, work: Work) -> None:
        """See `Step`."""
        found = {}
        with ExitStack() as stack:
            opened = [stack.enter_context(reading(path)) for path in work.inputs.values()]
            for sentence in opened[0].clip.sentences:
                values = []
                for frame in range(len(opened[0].clip.frames)):
                    packed = [reader.bits(sentence, frame) for reader in opened]
                    values.append(float(np.mean([overlap(one, other) for one, other in combinations(packed, 2)])))
                found[sentence] = {AGREEMENT: values}
                work.tools.may_stop(work.video.name)
        write_values(work.target, work.key, found)


def has_truth(video: ReferringVideo) -> bool:
    """Whether the true masks of a video are known, and here."""
    first = next(iter(video.truth.values()), None) or next(
        (path for files in video.sentence_truth.values() for path in files.values()), None
    )
    return bool(video.masks) or (first is not None and first.is_file())


def _with_truth(work: Work, masks: MaskReader, sentence: str) -> Iterator[tuple[Bool, Bool]]:
    asked = next(each for each in work.video.sentences if each.id == sentence)
    for frame, name in enumerate(masks.clip.frames):
        true = true_mask(work.video, asked, name)
        found = masks.mask(sentence, frame)
        same_size(found, true, f"{masks.path}, frame {name}")
        yield found, true
