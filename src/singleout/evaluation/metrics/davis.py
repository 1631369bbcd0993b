"""J&F of DAVIS: per frame, per object, and over a set, by the three protocols of the data set.

Semi-supervised and unsupervised: Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", 2017, and
Caelles et al., "The 2019 DAVIS Challenge on VOS: Unsupervised Multi-Object Segmentation", 2019; Ref-DAVIS: Khoreva et
al., "Video Object Segmentation with Language Referring Expressions", ACCV 2018. Values equal those of
davis2017-evaluation ac7c43f.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from singleout.errors import InputError
from singleout.evaluation.metrics.boundary import BOUND_TH
from singleout.evaluation.metrics.frames import Floats, Ids, all_similarities, object_similarity, same_size

VOID = 255
"""The id of pixels of the truth that belong to nothing in particular."""
MAX_PROPOSALS = 20
WRAPS_FROM = 256
"""From so many frames on the official evaluator's decay is wrong or NaN; see `statistics`."""
_NUM_QUARTERS = 4


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean, share of frames above 0.5 (recall), and loss from the first to the last quarter (decay), as fractions."""

    mean: float
    recall: float
    decay: float


@dataclass(frozen=True)
class VideoScores:
    """J and F in each evaluated frame of a video: (num_objects, num_frames) float64 each.

    object_ids: of the truth, one a row. proposal_ids: of the predictions that the objects were compared with.
    """

    object_ids: tuple[int, ...]
    proposal_ids: tuple[int, ...]
    j: Floats
    f: Floats


@dataclass(frozen=True)
class ObjectResult:
    """J and F of one object over its video. name: ``<video>_<row of its VideoScores, from 1>``, as official tables."""

    name: str
    video: str
    object_id: int
    j: Statistics
    f: Statistics


@dataclass(frozen=True)
class DavisResult:
    """Means over all objects (not videos) of a set.

    objects: the rows that they are made of; none where this is itself a mean of results.
    """

    j: Statistics
    f: Statistics
    objects: tuple[ObjectResult, ...] = ()

    @property
    def jf_mean(self) -> float:
        """J&F-Mean."""
        return (self.j.mean + self.f.mean) / 2

    def row(self) -> dict[str, float]:
        """The numbers by their official names, in the order of the official table."""
        names = [f"{letter}-{name}" for letter in "JF" for name in ("Mean", "Recall", "Decay")]
        return {"J&F-Mean": self.jf_mean, **dict(zip(names, (*astuple(self.j), *astuple(self.f)), strict=True))}


def statistics(values: Floats, *, wrap: bool = True) -> Statistics:
    """Mean, recall and decay of the values of one object: (num_frames,) float64; frames that are NaN are left out.

    wrap: the official evaluator keeps the borders of the quarters in eight bits, which wrap around with more than 256
    frames; kept, because published numbers have it. False for what is meant.
    """
    borders = np.round(np.linspace(1, len(values), _NUM_QUARTERS + 1) + 1e-10).astype(np.int64) - 1
    # Each quarter includes the frame at its end, so that neighbours share one. The evaluator adds 1 for that to the
    # border, 255 at exactly 256 frames, which numpy 1 does in more bits and numpy 2 in eight: the last quarter is empty
    # then. The official values that tests hold us to were made with numpy 2.
    starts, ends = borders[:-1], borders[1:] + 1
    if wrap:
        starts, ends = starts % 256, (borders[1:] % 256 + 1) % 256
    first, last = (values[starts[quarter] : ends[quarter]] for quarter in (0, -1))
    return Statistics(_mean(values), _mean(values > 0.5), _mean(first) - _mean(last))


def semi_supervised(
    frames: Iterable[tuple[Ids | None, Ids | None]], *, bound_th: float = BOUND_TH, where: str = "the video"
) -> VideoScores:
    """J and F of a video whose objects are given in its first frame.

    frames: prediction and truth of each frame in order, (height, width) ids. Objects are 1 to the largest id of the
    first truth; object k is compared with id k. The first and the last frame are left out: of them only the first truth
    is looked at, and the rest may be None. Void counts as background.

    Raises InputError, naming `where`, for fewer than three frames, a prediction of another size than its truth, and
    predicted ids beyond the objects, which the official evaluator refuses too.
    """
    numbered = iter(enumerate(frames))
    _, (_, opening) = next(numbered, (0, (None, None)))
    if opening is None:
        raise InputError(f"{where}: the true masks of the first frame are needed, which say what the objects are")
    object_ids = _objects(opening)
    rows = []
    for index, prediction, truth in _all_but_last(numbered, where):
        same_size(prediction, truth, f"{where}, frame {index}")
        _check_ids(prediction, len(object_ids), "objects", f"{where}, frame {index}")
        rows.append(object_similarity(prediction, truth, object_ids, bound_th=bound_th))
    if not rows:
        raise InputError(f"{where}: at least three frames are needed, because the first and the last are not evaluated")
    j, f = (np.stack(values, axis=1) for values in zip(*rows, strict=True))
    return VideoScores(object_ids, object_ids, j, f)


def unsupervised(
    frames: Iterable[tuple[Ids, Ids]],
    *,
    max_proposals: int = MAX_PROPOSALS,
    bound_th: float = BOUND_TH,
    where: str = "the video",
) -> VideoScores:
    """J and F of a video in which objects have to be found; each is compared with the proposal that suits best.

    frames: prediction and truth of each frame in order, (height, width) ids. Objects are 1 to the largest id of the
    first truth, proposals 1 to the largest predicted id. Void pixels are left out. Rows follow the proposals in
    ascending order, as in the official evaluator, and so need not be in the order of the objects.

    Raises InputError, naming `where`, for no frames, a prediction of another size than its truth, and more proposals
    than `max_proposals`.
    """
    object_ids: tuple[int, ...] = ()
    proposal_ids: tuple[int, ...] = ()
    num_proposals = 0
    rows = []
    for index, (prediction, truth) in enumerate(frames):
        if not index:
            object_ids = _objects(truth)
            proposal_ids = tuple(range(1, max(max_proposals, len(object_ids)) + 1))
        same_size(prediction, truth, f"{where}, frame {index}")
        largest = _check_ids(prediction, max_proposals, "proposals", f"{where}, frame {index}")
        num_proposals = max(num_proposals, largest)
        known = np.where(truth == VOID, 0, prediction)
        rows.append(all_similarities(known, truth, proposal_ids, object_ids, bound_th=bound_th))
    if not rows:
        raise InputError(f"{where}: there are no frames")
    # With fewer proposals than objects the missing ones are empty, as those beyond the largest id are already.
    wanted = max(num_proposals, len(object_ids))
    j, f = (np.stack(values, axis=2)[:wanted] for values in zip(*rows, strict=True))
    chosen, matched = assign(j, f)
    return VideoScores(
        tuple(object_ids[column] for column in matched),
        tuple(int(row) + 1 for row in chosen),
        j[chosen, matched],
        f[chosen, matched],
    )


def assign(j: Floats, f: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Which proposals (ascending) go with which objects, so that the sum of their mean J&F is largest.

    j, f: (num_proposals, num_objects, num_frames) float64.
    """
    rows, columns = linear_sum_assignment(-(np.mean(j, axis=2) + np.mean(f, axis=2)) / 2)
    return rows, columns


class Davis:
    """Gathers the scores of the videos of a set. wrap: as of `statistics`."""

    def __init__(self, *, wrap: bool = True) -> None:
        self.wrap = wrap
        self.objects: list[ObjectResult] = []

    def add(self, video: str, scores: VideoScores) -> tuple[ObjectResult, ...]:
        """Count a video by its name; the results of its objects."""
        added = tuple(
            ObjectResult(
                f"{video}_{row}", video, object_id, statistics(j, wrap=self.wrap), statistics(f, wrap=self.wrap)
            )
            for row, (object_id, j, f) in enumerate(zip(scores.object_ids, scores.j, scores.f, strict=True), 1)
        )
        self.objects += added
        return added

    def result(self) -> DavisResult:
        """The means over all objects so far; NaN where there are none."""
        j, f = _average([each.j for each in self.objects]), _average([each.f for each in self.objects])
        return DavisResult(j, f, tuple(self.objects))


def ref_davis(annotators: Sequence[DavisResult]) -> DavisResult:
    """The number of Ref-DAVIS17: the mean of the results with the sentences of each of the (four) annotators."""
    return DavisResult(_average([each.j for each in annotators]), _average([each.f for each in annotators]))


def _all_but_last(
    numbered: Iterator[tuple[int, tuple[Ids | None, Ids | None]]], where: str
) -> Iterator[tuple[int, Ids, Ids]]:
    held = next(numbered, None)
    for following in numbered:
        assert held is not None
        index, (prediction, truth) = held
        if prediction is None or truth is None:
            raise InputError(f"{where}, frame {index}: prediction and truth are needed")
        yield index, prediction, truth
        held = following


def _objects(truth: Ids) -> tuple[int, ...]:
    return tuple(range(1, int(np.max(truth, where=truth != VOID, initial=0)) + 1))


def _check_ids(prediction: Ids, most: int, what: str, where: str) -> int:
    largest = int(prediction.max(initial=0))
    if largest > most:
        raise InputError(
            f"{where}: the largest predicted id is {largest}, but there may be {most} {what} at most: ids must be 0 to "
            f"{most}"
        )
    return largest


def _average(results: Sequence[Statistics]) -> Statistics:
    table = np.array([astuple(each) for each in results], dtype=np.float64).reshape(-1, 3)
    # Unlike frames, an object whose decay is NaN makes the mean NaN: the official evaluator does not leave it out.
    return Statistics(*(float(np.mean(column)) if column.size else float("nan") for column in table.T))


def _mean(values: Floats | npt.NDArray[np.bool_]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(np.nanmean(values))
