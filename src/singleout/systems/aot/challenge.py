"""One object's masks made better by following its best one, as the winners of a Ref-YouTube-VOS challenge did.

After the post-processing of RobertLuo1/iccv2023_RVOS_Challenge (2023): the mask of the key frame, which some other
system is surest of, is carried to the end of the video and then back to its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from singleout.segmenter import VideoLike
from singleout.systems.aot.options import Options
from singleout.systems.aot.tracker import Tracker

Bool = npt.NDArray[np.bool_]
PUBLISHED = Options(flip=True, scales=(0.8, 1.0, 1.2), shortest=0, joint=True)


def refine(
    start: Callable[[Options], Tracker], video: VideoLike, key: int, mask: Bool, options: Options = PUBLISHED
) -> Iterator[tuple[int, Bool]]:
    """Frame number and mask, (height, width), of every frame: the key frame, then those after it, then those before.

    start: gives a tracker with open identities. mask: of the key frame. Where it is empty nothing is given, and the
    masks that were there stand.
    """
    if not mask.any():
        return
    tracker = start(replace(options, davis=False))
    drawn = mask.astype(np.int32)
    yield key, mask.copy()
    if key + 1 < video.num_frames:
        _give(tracker, video, key, drawn)
        for number, frame in enumerate(video.frames(key + 1), key + 1):
            tracker.see(frame)
            yield number, (tracker.labels > 0).cpu().numpy()
        tracker.commit()
    if key == 0:
        return
    # The same memory goes on: it holds all that was met on the way forward, and the key frame twice.
    _give(tracker, video, key, drawn, restart_gap=True)
    for number in range(key - 1, -1, -1):
        tracker.see(video[number])
        yield number, (tracker.labels > 0).cpu().numpy()
    tracker.commit()


def _give(
    tracker: Tracker, video: VideoLike, key: int, drawn: npt.NDArray[np.int32], *, restart_gap: bool = False
) -> None:
    tracker.see(video[key], look_for=False)
    tracker.mark(drawn)
    tracker.commit(restart_gap=restart_gap)
