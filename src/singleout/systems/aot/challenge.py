"""One object's masks made better by following its best one, as the winners of a Ref-YouTube-VOS challenge did.

After the post-processing of RobertLuo1/iccv2023_RVOS_Challenge (2023): the mask of the key frame, which some other
system is surest of, is carried to the end of the video and then back to its start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.prompts import Mask, Prompt
from singleout.segmenter import Stream, VideoLike
from singleout.systems.aot.marks import describe, notes
from singleout.systems.aot.options import Options
from singleout.systems.aot.tracker import Tracker
from singleout.tracks import Answer, FrameMasks, ObjectInfo

Bool = npt.NDArray[np.bool_]
PUBLISHED = Options(flip=True, scales=(0.8, 1.0, 1.2), shortest=0, joint=True)


class RefinedStream(Stream):
    """`refine` as a `Stream`, for the options keep_memory and open_ids; it cannot go on from a saved state.

    start: gives a tracker. Raises InputError for more than one object.
    """

    def __init__(
        self, start: Callable[[Options], Tracker], video: VideoLike, prompts: Sequence[Prompt], options: Options
    ) -> None:
        super().__init__(frames=self._run())
        marks = [prompt for prompt in prompts if isinstance(prompt, Mask)]
        if len(marks) != 1 or len(marks[0].object_ids) != 1:
            raise InputError("keep_memory and open_ids are for one object in one frame: ask for each object by itself")
        self._mark, (self._id,) = marks[0], marks[0].object_ids
        self._start, self._video, self._options = start, video, options
        self.answers.append(Answer(describe(self._mark), (self._id,), threshold=0.0, message=notes(self._mark)))
        self.objects[self._id] = ObjectInfo(self._id, prompt=describe(self._mark))

    def _run(self) -> Iterator[FrameMasks]:
        size = (self._video.height, self._video.width)
        keep = self._options.keep_memory
        found = refine(self._start, self._video, self._mark.frame, self._mark.ids > 0, self._options, keep_memory=keep)
        ids = np.array([self._id], np.int32)
        for frame, mask in found:
            yield FrameMasks(frame, ids, np.array([mask.any()], np.float32), mask[None], *size)


def refine(
    start: Callable[[Options], Tracker],
    video: VideoLike,
    key: int,
    mask: Bool,
    options: Options = PUBLISHED,
    *,
    keep_memory: bool = True,
) -> Iterator[tuple[int, Bool]]:
    """Frame number and mask, (height, width), of every frame: the key frame, then those after it, then those before.

    start: gives a tracker, as published with open identities. mask: of the key frame. Where it is empty nothing is
    given, and the masks that were there stand. keep_memory: as published, the way back begins with what was met on the
    way forward; otherwise with the key frame alone.
    """
    if not mask.any():
        return
    options = replace(options, davis=False)
    tracker = start(options)
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
    if keep_memory:
        # The same memory goes on: it holds all that was met on the way forward, and the key frame twice.
        _give(tracker, video, key, drawn, restart_gap=True)
    else:
        tracker = start(options)
        _give(tracker, video, key, drawn)
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
