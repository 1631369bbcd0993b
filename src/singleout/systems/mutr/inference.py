"""MUTR as a `Segmenter`, and what its challenge variant hands on to a fusion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from singleout.referring.options import FirstLayerOptions, Options
from singleout.referring.pictures import Picture
from singleout.referring.segmenter import SentenceSegmenter
from singleout.referring.soft import SoftAnswer

_CLIP = 64  # frames of a clip of Ref-DAVIS17
_CHALLENGE_SHORT = 360  # of what the challenge fuses; its pictures are made at 432


@dataclass(frozen=True)
class MutrOptions(FirstLayerOptions):
    """Settings of one run; every field may be given to `segment` and `stream` by its name."""

    size: int = 432  #: short side, in pixels, at which frames are looked at


class Mutr(SentenceSegmenter):
    """The system with its weights. tokenizer: folder of its files, None where sentences come as token ids."""

    options: ClassVar[type[Options]] = MutrOptions

    def published(self, benchmark: str) -> dict[str, Any]:
        """As in ReferFormer, with longer clips for Ref-DAVIS17."""
        settings = super().published(benchmark)
        return {**settings, "window": _CLIP} if settings.get("mode") == "clips" else settings

    def soft_answers(
        self,
        frames: Iterable[Picture],
        token_ids: Sequence[Sequence[int]],
        *,
        short: int | None = _CHALLENGE_SHORT,
        longest: int | None = None,
    ) -> Iterator[SoftAnswer]:
        """As in `SentenceSegmenter`, with the short side of the challenge. All frames have one score."""
        return super().soft_answers(frames, token_ids, short=short, longest=longest)
