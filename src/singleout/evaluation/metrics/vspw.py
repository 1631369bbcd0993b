"""Video semantic segmentation as VSPW reports it: mIoU, and VC8 and VC16, how steady predictions are over time.

Miao et al., "VSPW: A Large-scale Dataset for Video Scene Parsing in the Wild", CVPR 2021; as VSPW_baseline 2dcd3fc and
UniVS 7415d31 compute it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.integer]

NUM_CLASSES = 124
WINDOWS = (8, 16)
_OTHER, _VOID = 0, 255


@dataclass(frozen=True, slots=True)
class MatrixScores:
    """Scores of a confusion matrix, as fractions; NaN if no pixel counts.

    pixel_accuracy: share of right pixels; class_accuracy and miou: means over the classes that occur in the truth;
    fwiou: IoU weighted by the pixels of the truth.
    """

    pixel_accuracy: float
    class_accuracy: float
    miou: float
    fwiou: float


@dataclass(frozen=True, slots=True)
class VideoConsistency:
    """One video alone. windows: number of frames to (num_windows,) float64, NaN where the truth has no steady pixel."""

    name: str
    scores: MatrixScores
    windows: dict[int, Floats]


@dataclass(frozen=True, slots=True)
class VideoSemanticQuality:
    """Scores of a set. scores: over all pixels; vc: number of frames to the mean over all windows of all videos.

    confusion: (num_classes, num_classes) int64 pixels, rows truth, columns prediction (with one more column, for what
    is beyond the classes, if corrected).
    """

    scores: MatrixScores
    vc: dict[int, float]
    videos: tuple[VideoConsistency, ...]
    confusion: Ints


class VideoSemanticSegmentation:
    """VSPW's scores over videos, added one after the other; at any time two frames and two counters a pixel are held.

    num_classes: classes of predictions are 0 … num_classes - 1. windows: numbers of frames of VC. merge_void: "other"
    (0) and void (255) of the truth are one value for VC, as in UniVS; the tool of VSPW keeps them apart.

    Quirks that are kept: VC leaves out the last window of each video, and videos as long as a window. A prediction of
    255 counts as 124 · truth + 255, which is a prediction of class 7 on the class after the next one; near the last
    classes the official evaluator fails, and so does this one. corrected: all windows count, and predictions beyond the
    classes are wrong and nothing else.
    """

    def __init__(
        self,
        num_classes: int = NUM_CLASSES,
        *,
        windows: Sequence[int] = WINDOWS,
        merge_void: bool = True,
        corrected: bool = False,
    ) -> None:
        if windows and not 1 <= min(windows) <= max(windows) < 255:
            raise InputError(f"the windows of VC are numbers of frames from 1 to 254, got {tuple(windows)}")
        self._num_classes = num_classes
        self._num_columns = num_classes + corrected
        self._windows = tuple(windows)
        self._merge_void = merge_void
        self._corrected = corrected
        self._confusion: Ints = np.zeros((num_classes, self._num_columns), np.int64)
        self._videos: list[VideoConsistency] = []

    def add(self, frames: Iterable[tuple[Labels, Labels]], *, name: str = "video") -> None:
        """Count a video.

        frames: truth and prediction of each annotated frame in order, (height, width) int: the truth as in its PNG (0
        other, 1 … num_classes, 255 void), the prediction 0 … num_classes - 1. Raises InputError for other labels and
        for sizes that differ.
        """
        confusion = np.zeros_like(self._confusion)
        values: dict[int, list[float]] = {num_frames: [] for num_frames in self._windows}
        steady = _Steady(max(self._windows, default=1))
        for number, (truth, prediction) in enumerate(frames):
            where = f"{name}, frame {number}"
            if truth.shape != prediction.shape or truth.ndim != 2:
                raise InputError(f"{where}: the truth is {truth.shape} but the prediction is {prediction.shape}")
            confusion += self._count(truth, prediction, where)
            if self._windows:
                steady.step(np.where(truth == _VOID, _OTHER, truth) if self._merge_void else truth, prediction, where)
                for num_frames, found in values.items():
                    if number >= num_frames - 1:
                        found.append(steady.share(num_frames))
        if not self._corrected:
            # The official loop runs to the number of frames minus that of the window, and so misses the last one.
            values = {num_frames: found[:-1] for num_frames, found in values.items()}
        self._confusion += confusion
        windows = {num_frames: np.array(found, np.float64) for num_frames, found in values.items()}
        self._videos.append(VideoConsistency(name, _scores(confusion), windows))

    def result(self) -> VideoSemanticQuality:
        """The scores of all videos so far; VC is NaN if no video is long enough."""
        vc = {
            num_frames: _mean(np.concatenate([[], *(video.windows[num_frames] for video in self._videos)]))
            for num_frames in self._windows
        }
        return VideoSemanticQuality(_scores(self._confusion), vc, tuple(self._videos), self._confusion.copy())

    def _count(self, truth: Labels, prediction: Labels, where: str) -> Ints:
        counts = (truth != _OTHER) & (truth != _VOID)
        true = truth[counts].astype(np.int64) - 1
        predicted = prediction[counts].astype(np.int64)
        if true.size and (true.min() < 0 or true.max() >= self._num_classes):
            raise InputError(f"{where}: the truth has labels that are neither 0, 255 nor 1 to {self._num_classes}")
        if self._corrected:
            beyond = (predicted < 0) | (predicted >= self._num_classes)
            predicted[beyond] = self._num_classes
        keys = true * self._num_columns + predicted
        if keys.size and (predicted.min() < 0 or keys.max() >= self._confusion.size):
            raise InputError(
                f"{where}: the prediction has label {int(predicted[keys.argmax()])}; classes are 0 to "
                f"{self._num_classes - 1}, the value of the truth minus 1"
            )
        return np.bincount(keys, minlength=self._confusion.size).reshape(self._confusion.shape).astype(np.int64)


class _Steady:
    """For how many frames each pixel has been the same, in truth and in prediction, up to a number of frames."""

    def __init__(self, most: int) -> None:
        self._most = np.uint8(most)
        self._before: tuple[Labels, Labels] | None = None
        self._since: list[npt.NDArray[np.uint8]] = []

    def step(self, truth: Labels, prediction: Labels, where: str) -> None:
        """Go on by one frame."""
        now = truth, prediction
        if self._before is None:
            self._since = [np.zeros(labels.shape, np.uint8) for labels in now]
            self._before = now
        if self._before[0].shape != truth.shape:
            raise InputError(f"{where}: the size changes from {self._before[0].shape} to {truth.shape}")
        for since, before, labels in zip(self._since, self._before, now, strict=True):
            np.multiply(since, before == labels, out=since)
            np.add(since, np.uint8(1), out=since)
            np.minimum(since, self._most, out=since)
        self._before = now

    def share(self, num_frames: int) -> float:
        """Of the pixels whose truth is steady in the last num_frames frames, the share whose prediction is; or NaN."""
        truth, prediction = (since >= num_frames for since in self._since)
        steady = np.count_nonzero(truth)
        return np.count_nonzero(truth & prediction) / steady if steady else np.nan


def _scores(confusion: Ints) -> MatrixScores:
    true = confusion.sum(axis=1)
    total = int(true.sum())
    if not total:
        return MatrixScores(np.nan, np.nan, np.nan, np.nan)
    occurs = true > 0
    hits = confusion.diagonal()
    predicted = confusion.sum(axis=0)[: len(true)]
    iou = hits[occurs] / (true + predicted - hits)[occurs]
    return MatrixScores(
        pixel_accuracy=float(hits.sum() / total),
        class_accuracy=float((hits[occurs] / true[occurs]).mean()),
        miou=float(iou.mean()),
        fwiou=float((iou * true[occurs]).sum() / total),
    )


def _mean(values: Floats) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan
