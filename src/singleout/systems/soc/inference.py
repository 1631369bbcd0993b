"""SOC as a `Segmenter`: what its published evaluation sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from singleout.referring.options import FirstLayerOptions, Options
from singleout.referring.single import CLIPS, PICTURES, PictureSegmenter


@dataclass(frozen=True)
class SocOptions(FirstLayerOptions):
    """Settings of one run; every field may be given to `segment` and `stream` by its name."""

    longest: int = 640  #: the most pixels of the longer side there, which makes both sides shorter; 0 for no limit


class Soc(PictureSegmenter):
    """The system with its weights. tokenizer: folder of its files, None where sentences come as token ids."""

    options: ClassVar[type[Options]] = SocOptions
    pad_to: ClassVar[int] = 1
    first_of_equal: ClassVar[bool] = False

    def published(self, benchmark: str) -> dict[str, Any]:
        """As `SentenceSegmenter.published`, and sizes and lengths of the clips in which single frames are looked at."""
        if benchmark in CLIPS:
            return {"window": 8, "size": 320, "longest": 576}
        return {"window": 1} if benchmark in PICTURES else super().published(benchmark)
