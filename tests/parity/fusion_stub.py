"""The stand-in for a propagating network that the goldens of the fusion were made with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from singleout.prompts import Mask, Prompt
from singleout.segmenter import Abilities, Segmenter, Stream, VideoLike
from singleout.tracks import FrameMasks


class ShiftRight(Segmenter):
    """Moves a mask by one pixel to the right with every step away from its frame; zeros come in from the left."""

    name = "shift-right"
    abilities = Abilities(frozenset({Mask}), frozenset({"objects"}), look_ahead=None)

    def _stream(
        self, video: VideoLike, prompts: tuple[Prompt, ...], state: bytes | None, options: dict[str, Any]
    ) -> Stream:
        (mark,) = prompts
        assert isinstance(mark, Mask)
        return Stream(_shifted(video, mark))


def _shifted(video: VideoLike, mark: Mask) -> Iterator[FrameMasks]:
    size = (video.height, video.width)
    for frames in (range(mark.frame, video.num_frames), range(mark.frame - 1, -1, -1)):
        for frame in frames:
            mask = np.zeros(size, np.bool_)
            steps = abs(frame - mark.frame)
            mask[:, steps:] = mark.ids[:, : max(size[1] - steps, 0)] > 0
            yield FrameMasks(frame, np.array([1]), np.array([1.0]), mask[None], *size)
