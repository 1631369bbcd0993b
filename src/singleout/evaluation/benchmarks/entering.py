"""What YouTube-VOS and ViPOSeg share: objects that enter in different frames and are scored from then on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from singleout.data.records import ObjectVideo
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Job
from singleout.evaluation.benchmarks.looks import look_at, one_id
from singleout.evaluation.benchmarks.pairs import another_number, same_size, side_by_side
from singleout.evaluation.benchmarks.predictions import IdReader, Ids
from singleout.evaluation.metrics.frames import Floats
from singleout.evaluation.report.values import ObjectResult
from singleout.exports.pictures import read_numbers
from singleout.prompts import Mask, Prompt


def job(video: ObjectVideo, keep: tuple[str, ...]) -> Job:
    """A video with a mask for each frame in which objects enter. keep: the frames whose masks are predictions."""
    return Job.of_video(video, partial(entering, video), keep=keep)


def entering(video: ObjectVideo) -> list[tuple[Prompt, ...]]:
    """The masks that a model is given: in each frame those objects that are first shown there.

    Raises InputError where no object is shown.
    """
    prompts: list[Prompt] = []
    met: set[int] = set()
    listed = {each.id: each.frames[0] for each in video.objects if each.frames}
    names = {each.id: each.category for each in video.objects if each.category}
    for frame, path in sorted(video.given.items(), key=lambda item: video.frame_names.index(item[0])):
        ids = read_numbers(path).astype(np.int32)
        new = [one for one in np.unique(ids).tolist() if one and one not in met and listed.get(one, frame) == frame]
        met.update(new)
        if new:
            shown = np.where(np.isin(ids, new), ids, np.int32(0))
            labels = {one: names[one] for one in new if one in names}
            prompts.append(Mask(shown, frame=video.frame_names.index(frame), source=str(path), labels=labels))
    if not prompts:
        raise InputError(f"no object of {video.name} is shown in the frames in which the data set says that they enter")
    return [tuple(prompts)]


def pairs(
    video: ObjectVideo, frames: Sequence[str], read: IdReader, *, needed: Collection[str]
) -> Iterator[tuple[Ids | None, Ids]]:
    """Prediction and truth of each frame; no prediction of frames that are not needed.

    Raises InputError, naming the file, for another size than the truth's and for an id that the video does not have.
    """
    known = [0, *(each.id for each in video.objects)]

    def predicted(frame: str) -> Ids | None:
        return read(video.name, frame) if frame in needed else None

    both = side_by_side(frames, predicted, partial(true_ids, video))
    for frame, (found, true) in zip(frames, both, strict=True):
        if found is not None:
            where = read.where(video.name, frame)
            same_size(found, true, where)
            strange = another_number(found, known)
            if strange is not None:
                raise InputError(f"{where} has the object id {strange}, which the video does not have")
        yield found, true


def result(
    video: ObjectVideo,
    frames: Sequence[str],
    read: IdReader,
    number: int,
    *,
    name: str,
    values: Mapping[str, float],
    series: Mapping[str, Floats],
) -> ObjectResult:
    """The line of the report for one object, whose score is the first of its values."""
    images = dict(zip(video.frame_names, video.images, strict=True))
    truth, found = one_id(partial(true_ids, video), number), one_id(partial(read, video.name), number)
    look = look_at(frames, images, truth, found)
    return ObjectResult(video.name, name, values, next(iter(values.values())), series, tuple(frames), look)


def true_ids(video: ObjectVideo, frame: str) -> Ids:
    """The ids of the truth in a frame."""
    return read_numbers(video.truth[frame])
