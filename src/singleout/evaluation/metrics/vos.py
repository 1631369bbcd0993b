"""YouTube-VOS (G), Ref-YouTube-VOS and MeViS (J&F).

YouTube-VOS: Xu et al., "YouTube-VOS: A Large-Scale Video Object Segmentation Benchmark", 2018; Ref-YouTube-VOS: Seo et
al., "URVOS", ECCV 2020; MeViS: Ding et al., "MeViS", ICCV 2023. The code of the servers is not public: sentences follow
MeViS's evaluator (7c0620b), objects what is published about the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from singleout.errors import InputError
from singleout.evaluation.metrics.boundary import BOUND_TH, Bool, similarity
from singleout.evaluation.metrics.davis import VideoScores
from singleout.evaluation.metrics.frames import Floats, Ids, object_similarity, same_size


@dataclass(frozen=True, slots=True)
class YouTubeVosResult:
    """Means over the objects of seen and of unseen categories, as fractions; NaN where there are none of a kind."""

    j_seen: float
    j_unseen: float
    f_seen: float
    f_unseen: float

    @property
    def g(self) -> float:
        """The overall score: the mean of the four."""
        return (self.j_seen + self.j_unseen + self.f_seen + self.f_unseen) / 4


@dataclass(frozen=True, slots=True)
class ReferringResult:
    """Means over sentences, as fractions. num_missing: sentences without a prediction, which count 0."""

    j: float
    f: float
    num_sentences: int
    num_missing: int

    @property
    def jf(self) -> float:
        """J&F."""
        return (self.j + self.f) / 2


def object_scores(
    frames: Iterable[tuple[Ids | None, Ids]],
    enters: Mapping[int, int],
    *,
    bound_th: float = BOUND_TH,
    where: str = "the video",
) -> VideoScores:
    """J and F of each object of a YouTube-VOS video, from the frame after the one in which it is given, to the end.

    frames: prediction and truth of each annotated frame in order, (height, width) ids; a prediction may be None up to
    the first frame in which an object is given. enters: object id to the index, in `frames`, of the frame in which it
    is given. Values are NaN in frames that do not count for an object. No frame is left out at the end.

    Raises InputError, naming `where`, for no frames and for a prediction that is missing or of another size than its
    truth.
    """
    object_ids = tuple(sorted(enters))
    rows = []
    for index, (prediction, truth) in enumerate(frames):
        values = np.full((2, len(object_ids)), np.nan)
        here = [row for row, number in enumerate(object_ids) if enters[number] < index]
        if here:
            if prediction is None:
                raise InputError(f"{where}, frame {index}: there is no prediction")
            same_size(prediction, truth, f"{where}, frame {index}")
            values[:, here] = object_similarity(prediction, truth, [object_ids[row] for row in here], bound_th=bound_th)
        rows.append(values)
    if not rows:
        raise InputError(f"{where}: there are no frames")
    j, f = np.stack(rows, axis=2)
    return VideoScores(object_ids, object_ids, j, f)


class YouTubeVos:
    """Gathers the objects of a set by whether their category is one of the training set (seen)."""

    def __init__(self) -> None:
        self._values: dict[bool, list[tuple[float, float]]] = {True: [], False: []}

    def add(self, scores: VideoScores, seen: Mapping[int, bool]) -> None:
        """Count the objects of a video; one that is given in its last frame has no value and does not count.

        seen: by object id. Raises KeyError for an object that `seen` lacks.
        """
        for number, j, f in zip(scores.object_ids, scores.j, scores.f, strict=True):
            if np.isnan(j).all():
                continue
            self._values[seen[number]].append((float(np.nanmean(j)), float(np.nanmean(f))))

    def result(self) -> YouTubeVosResult:
        """The means over all objects so far."""
        (j_seen, f_seen), (j_unseen, f_unseen) = (_means(self._values[kind]) for kind in (True, False))
        return YouTubeVosResult(j_seen, j_unseen, f_seen, f_unseen)


def sentence_scores(
    frames: Iterable[tuple[Bool, Bool]], *, bound_th: float = BOUND_TH, where: str = "the sentence"
) -> tuple[Floats, Floats]:
    """J and F of one sentence in each of its frames, none left out: (num_frames,) float64 each.

    frames: prediction and truth, (height, width) bool. Raises InputError, naming `where`, for no frames and for a
    prediction of another size than its truth.
    """
    rows = []
    for index, (prediction, truth) in enumerate(frames):
        same_size(prediction, truth, f"{where}, frame {index}")
        rows.append(similarity(prediction, truth, bound_th=bound_th))
    if not rows:
        raise InputError(f"{where}: there are no frames")
    j, f = np.array(rows, dtype=np.float64).T
    return j, f


class Referring:
    """Gathers the sentences of Ref-YouTube-VOS or MeViS; each counts the same, however long its video."""

    def __init__(self) -> None:
        self._values: list[tuple[float, float]] = []
        self._num_missing = 0

    def add(self, j: Floats, f: Floats) -> tuple[float, float]:
        """Count a sentence by its J and F in each frame, (num_frames,) float64; the means of both."""
        self._values.append((float(np.mean(j)), float(np.mean(f))))
        return self._values[-1]

    def add_missing(self) -> None:
        """Count a sentence of a video that has no predictions: 0, as in MeViS's evaluator."""
        self._values.append((0.0, 0.0))
        self._num_missing += 1

    def result(self) -> ReferringResult:
        """The means over all sentences so far; NaN where there are none."""
        j, f = _means(self._values)
        return ReferringResult(j, f, len(self._values), self._num_missing)


def _means(values: list[tuple[float, float]]) -> tuple[float, float]:
    if not values:
        return float("nan"), float("nan")
    j, f = np.mean(np.array(values), axis=0)
    return float(j), float(f)
