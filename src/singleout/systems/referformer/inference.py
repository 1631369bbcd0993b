"""ReferFormer as a `Segmenter`: what its published evaluation sets."""

from __future__ import annotations

from typing import Any, ClassVar

from singleout.referring.pictures import PAD_TO
from singleout.referring.single import CLIPS, PICTURES, PictureSegmenter

_CLIP = 5  # frames that the published models of A2D look at; the one trained from scratch takes 6


class ReferFormer(PictureSegmenter):
    """The system with its weights. tokenizer: folder of its files, None where sentences come as token ids."""

    pad_to: ClassVar[int] = PAD_TO
    first_of_equal: ClassVar[bool] = True

    def published(self, benchmark: str) -> dict[str, Any]:
        """As `SentenceSegmenter.published`, and the length of the clips in which single frames are looked at."""
        if benchmark in CLIPS | PICTURES:
            return {"window": _CLIP if benchmark in CLIPS else 1}
        return super().published(benchmark)
