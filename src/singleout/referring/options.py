"""What a caller can set on a run, checked in one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from singleout.errors import InputError
from singleout.segmenter import VideoLike, check_option_names

MODES = ("bounded", "whole", "clips")


@dataclass(frozen=True)
class Options:
    """Settings of one run; every field may be given to `segment` and `stream` by its name."""

    mode: str = (
        "bounded"  #: "whole" video at once (Ref-YouTube-VOS), "clips" one after the other (Ref-DAVIS17), "bounded"
    )
    window: int = 36  #: frames of a clip, and the most of a bounded window; each chooses its own query
    most_frames: int = 240  #: a longer video is refused by mode "whole", whose memory grows with its length
    size: int = 360  #: short side, in pixels, at which frames are looked at
    longest: int = 0  #: the most pixels of the longer side there, which makes both sides shorter; 0 for no limit
    threshold: float = 0.5  #: of a pixel's probability
    least_score: float = 0.0  #: mean score that a sentence must reach to be found; published: whatever fits best
    exclusive: bool = False  #: a pixel belongs to one sentence at most (Ref-DAVIS17)
    sentences_at_once: int = 4  #: that go through together; more need more memory
    token_ids: tuple[tuple[int, ...], ...] | None = None  #: for each sentence, instead of what a tokenizer would give
    device: str = "auto"  #: "auto", "cpu", "cuda", "cuda:1", "mps"

    @classmethod
    def read(cls, system: str, given: dict[str, Any]) -> Self:
        """Options from keyword arguments. Raises InputError for unknown names and values that cannot be."""
        check_option_names(system, cls, given)
        options = dict(given)
        if options.get("token_ids") is not None:
            try:
                options["token_ids"] = tuple(tuple(int(number) for number in row) for row in options["token_ids"])
            except (TypeError, ValueError) as error:
                raise InputError("token_ids: expected a list of numbers for each sentence") from error
        chosen = cls(**options)
        if chosen.mode not in MODES:
            raise InputError(f"mode {chosen.mode!r}: expected {', '.join(MODES)}")
        for name, least in (("window", 1), ("most_frames", 1), ("size", 32), ("longest", 0), ("sentences_at_once", 1)):
            value = getattr(chosen, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} {value!r}: expected a whole number from {least} on")
        for name in ("threshold", "least_score"):
            value = getattr(chosen, name)
            if not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise InputError(f"{name} {value!r}: expected a number from 0 to 1")
        return chosen


@dataclass(frozen=True)
class FirstLayerOptions(Options):
    """Those of systems whose published evaluation reads heads of the first decoder layer."""

    corrected: bool = False  #: heads and boxes of the last layer, where the published evaluation reads the first


def windows(video: VideoLike, options: Options) -> Iterator[tuple[int, int]]:
    """Start and stop (not included) of the frames that are answered together.

    Raises InputError where the whole video is asked for and it is too long.
    """
    count = video.num_frames
    if options.mode == "whole":
        if count > options.most_frames:
            raise InputError(
                f"the video has {count} frames and mode whole takes {options.most_frames} at the most, for its memory "
                "grows with them: use mode bounded, or raise most_frames"
            )
        yield 0, count
    elif options.mode == "clips":
        for start in range(0, count, options.window):
            yield start, min(start + options.window, count)
    else:
        for begin, end in video.shots():
            # Windows of about equal length: a last one of a frame or two would have little to go by.
            parts = -(-(end - begin) // options.window)
            edges = [begin + (end - begin) * part // parts for part in range(parts + 1)]
            yield from pairwise(edges)
