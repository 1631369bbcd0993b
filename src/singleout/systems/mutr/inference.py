"""MUTR as a `Segmenter`, and what its challenge variant hands on to a fusion."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from singleout.nn.referring.values import Answers
from singleout.referring.options import Options
from singleout.referring.pictures import Picture, at_size
from singleout.referring.segmenter import SentenceSegmenter

_CLIP = 64  # frames of a clip of Ref-DAVIS17
_CHALLENGE_SHORT = 360


@dataclass(frozen=True)
class MutrOptions(Options):
    """Settings of one run; every field may be given to `segment` and `stream` by its name."""

    size: int = 432  #: short side, in pixels, at which frames are looked at
    corrected: bool = False  #: head and boxes of the last layer, where the published evaluation reads the first


@dataclass(frozen=True)
class SoftAnswer:
    """One sentence's answer before any threshold.

    mask_logits: (time, height, width) float32 at the size of the video. class_info: (time,) float64, the score of the
    chosen query in each frame. The names are those of the challenge's files.
    """

    mask_logits: npt.NDArray[np.float32]
    class_info: npt.NDArray[np.float64]

    @property
    def key_frame(self) -> int:
        """The frame of the highest score, the first of several. MUTR's score is the same in all, so it is frame 0."""
        return int(self.class_info.argmax())


class Mutr(SentenceSegmenter):
    """The system with its weights. tokenizer: folder of its files, None where sentences come as token ids."""

    options: ClassVar[type[Options]] = MutrOptions

    def published(self, benchmark: str) -> dict[str, Any]:
        """As in ReferFormer, with longer clips for Ref-DAVIS17."""
        settings = super().published(benchmark)
        return {**settings, "window": _CLIP} if settings.get("mode") == "clips" else settings

    def answer_window(
        self, frames: Iterable[Picture], token_ids: Sequence[Sequence[int]], options: Options
    ) -> Iterator[Answers]:
        """See `SentenceSegmenter`."""
        assert isinstance(options, MutrOptions)
        group = options.sentences_at_once
        return self.answer(frames, token_ids, short=options.size, group=group, corrected=options.corrected)

    @torch.no_grad()
    def soft_answers(
        self, frames: Iterable[Picture], token_ids: Sequence[Sequence[int]], *, short: int = _CHALLENGE_SHORT
    ) -> Iterator[SoftAnswer]:
        """What the challenge variant keeps of each sentence for the fusion of several systems, the sentences in order.

        frames: (height, width, 3) uint8 RGB of one size, all of a video. short: 360 there, and not 432.
        """
        coming = iter(frames)
        first = next(coming)
        for found in self.answer(itertools.chain([first], coming), token_ids, short=short):
            for masks, scores in zip(found.masks, found.frame_scores, strict=True):
                logits = at_size(masks, first.shape[:2])
                yield SoftAnswer(logits.cpu().numpy(), scores.double().cpu().numpy())
