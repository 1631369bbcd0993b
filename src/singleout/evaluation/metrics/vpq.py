"""Video panoptic quality (VPQ) as VIPSeg reports it: PQ of all windows of 1, 2, 4, 6 and 8 frames.

Kim et al., "Video Panoptic Segmentation", CVPR 2020; Miao et al., "Large-scale Video Panoptic Segmentation in the
Wild", CVPR 2022; as the tools of VIPSeg (92e1459) and UniVS (7415d31) compute it. The frames of a video are counted
once (`pair_segments`); windows are sums of these counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from singleout.errors import InputError
from singleout.evaluation.metrics.panoptic import FramePairs
from singleout.evaluation.metrics.pq import PanopticQuality, QualitySums, check_frames
from singleout.evaluation.metrics.pq_windows import match_windows

WINDOWS = (1, 2, 4, 6, 8)


@dataclass(frozen=True, slots=True)
class VideoQuality:
    """VPQ of a set. vpq, things, stuff: mean of the windows' PQ, as fractions; windows: frames to quality.

    A window size that no video is long enough for has NaN, and so has then the mean.
    """

    vpq: float
    things: float
    stuff: float
    windows: dict[int, PanopticQuality]


class VideoPanopticQuality:
    """VPQ over videos, added one after the other.

    categories: id to whether it is a thing. windows: numbers of frames. A quirk of the official tools is kept: of
    several crowd segments of a category they forgive a prediction only what lies on the last one; corrected: on all of
    them.
    """

    def __init__(
        self, categories: Mapping[int, bool], *, windows: Sequence[int] = WINDOWS, corrected: bool = False
    ) -> None:
        if not windows or min(windows) < 1:
            raise InputError(f"the windows of VPQ are numbers of frames from 1 on, got {tuple(windows)}")
        self._sums = {num_frames: QualitySums(categories) for num_frames in windows}
        self._categories = dict(categories)
        self._corrected = corrected

    def add(self, frames: Iterable[FramePairs], *, where: str = "video") -> None:
        """Count a video: its annotated frames in order. A window longer than the video counts nothing.

        where: the video, for messages. Raises InputError where the official tools stop: an id that only one of picture
        and list of a prediction has, a stated area of a prediction unlike its pixels, a category unknown to the truth.
        """
        frames = list(frames)
        check_frames(frames, self._categories, where)
        for num_frames, sums in self._sums.items():
            sums.add(match_windows(frames, num_frames, sums.numbers, every_crowd=self._corrected, where=where))

    def result(self) -> VideoQuality:
        """The scores of all videos so far."""
        windows = {num_frames: sums.result() for num_frames, sums in self._sums.items()}
        vpq, things, stuff = (
            float(np.mean([getattr(quality, part).pq for quality in windows.values()]))
            for part in ("all", "things", "stuff")
        )
        return VideoQuality(vpq, things, stuff, windows)
