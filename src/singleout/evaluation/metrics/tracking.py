"""HOTA, CLEAR (MOTA) and identity (IDF1) scores of tracks, as TrackEval 12c8791 computes them.

HOTA: Luiten et al., IJCV 2021. CLEAR: Bernardin and Stiefelhagen, 2008, with sMOTA of Voigtlaender et al., "MOTS",
2019. Identity: Ristani et al., 2016.

Sums are kept of each video, and scores are computed from sums, so that those of a data set come from the sums of its
videos.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from singleout.data.records import Rle
from singleout.errors import InputError
from singleout.evaluation.metrics.rles import checked

Float: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
HotaSums: TypeAlias = dict[str, Float]
Counts: TypeAlias = dict[str, float]
_Sum = TypeVar("_Sum", float, Float)

ALPHAS: Float = np.arange(0.05, 0.99, 0.05)
_LEAST_IOU = 0.5
_ROUNDING = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Frame:
    """true_ids: (num_true,) and tracker_ids: (num_tracker,) whole numbers. similarity: (num_true, num_tracker), IoU."""

    true_ids: Ints
    tracker_ids: Ints
    similarity: Float

    def __post_init__(self) -> None:
        shape = (len(self.true_ids), len(self.tracker_ids))
        if self.similarity.shape != shape:
            raise InputError(f"the similarities of a frame are {self.similarity.shape}: expected {shape}")
        if not ((self.similarity >= -_ROUNDING) & (self.similarity <= 1 + _ROUNDING)).all():
            raise InputError("a similarity is not between 0 and 1")
        for ids in (self.true_ids, self.tracker_ids):
            if len(np.unique(ids)) < len(ids):
                raise InputError("an id appears twice in a frame: expected one mask for each object")


def frame_of_masks(truth: Mapping[int, Rle], tracker: Mapping[int, Rle]) -> Frame:
    """A frame from the masks of each id. Raises InputError where sizes differ or a code is damaged."""
    from pycocotools import mask as coco

    masks = checked([*truth.values(), *tracker.values()])
    num_true = len(truth)
    similarity = np.zeros((num_true, len(tracker)))
    if similarity.size:
        similarity = np.asarray(coco.iou(masks[:num_true], masks[num_true:], [0] * len(tracker)), np.float64)
    return Frame(np.array(list(truth), np.int64), np.array(list(tracker), np.int64), similarity)


def frame_of_lists(true_ids: Sequence[int], tracker_ids: Sequence[int], similarity: Sequence[Sequence[float]]) -> Frame:
    """A frame from plain lists. Raises InputError where they do not fit together."""
    shape = (len(true_ids), len(tracker_ids))
    if len(similarity) != shape[0] or any(len(row) != shape[1] for row in similarity):
        raise InputError(f"the similarities of a frame are not {shape[0]} lists of {shape[1]} numbers")
    return Frame(
        np.array(true_ids, np.int64), np.array(tracker_ids, np.int64), np.array(similarity, np.float64).reshape(shape)
    )


@dataclass(frozen=True)
class TrackingScores:
    """Scores as fractions and counts, by TrackEval's names.

    hota: (19,) arrays, one value for each of `ALPHAS`, and the scalars HOTA(0), LocA(0), HOTALocA(0). clear, identity:
    numbers.
    """

    hota: Mapping[str, Float | float]
    clear: Mapping[str, float]
    identity: Mapping[str, float]

    @property
    def hota_means(self) -> dict[str, float]:
        """The numbers that are reported: means over `ALPHAS`."""
        names = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")
        return {name: float(np.mean(self.hota[name])) for name in names}


class TrackingMetrics:
    """Scores videos one by one; ids of different videos are different objects."""

    def __init__(self) -> None:
        self._videos: dict[str, tuple[HotaSums, Counts, Counts]] = {}

    def add(self, video: str, frames: Sequence[Frame]) -> TrackingScores:
        """Score one video, frames in order, and return its scores. Raises InputError for one that was added before."""
        if video in self._videos:
            raise InputError(f"video {video!r} was scored before: give its frames all at once")
        numbered = _numbered(frames)
        sums = _hota_sums(*numbered), _clear_sums(*numbered), _identity_sums(*numbered)
        self._videos[video] = sums
        scores = _scores(*sums)
        if not numbered[1]:
            # For a video without truth TrackEval stops at the counts, while in a sum of videos they come to bear.
            return replace(scores, clear={**dict.fromkeys(scores.clear, 0.0), **sums[1], "MLR": 1.0})
        return scores

    def result(self) -> TrackingScores:
        """The scores of all videos that were added. Raises InputError if there were none."""
        if not self._videos:
            raise InputError("no video was scored: there is nothing to add up")
        hota, clear, identity = zip(*self._videos.values(), strict=True)
        return _scores(reduce(_added, hota), reduce(_added, clear), reduce(_added, identity))


def _added(one: dict[str, _Sum], other: dict[str, _Sum]) -> dict[str, _Sum]:
    return {name: one[name] + other[name] for name in one}


def _scores(hota: HotaSums, clear: Counts, identity: Counts) -> TrackingScores:
    return TrackingScores(_hota_scores(hota), _clear_scores(clear), _identity_scores(identity))


def _numbered(frames: Sequence[Frame]) -> tuple[list[Frame], int, int]:
    """The frames with ids 0, 1, 2, …, and how many there are of truths and of tracks."""
    kinds: tuple[Callable[[Frame], Ints], ...] = (lambda frame: frame.true_ids, lambda frame: frame.tracker_ids)
    true, tracker = (np.unique(np.concatenate([np.zeros(0, np.int64), *map(kind, frames)])) for kind in kinds)
    found = [
        Frame(np.searchsorted(true, each.true_ids), np.searchsorted(tracker, each.tracker_ids), each.similarity)
        for each in frames
    ]
    return found, len(true), len(tracker)


def _num_frames_of(frames: Sequence[Frame], num_true: int, num_tracker: int) -> tuple[Float, Float]:
    """In how many frames each id is: (num_true, 1) and (1, num_tracker), so that they add up to pairs."""
    true, tracker = np.zeros((num_true, 1)), np.zeros((1, num_tracker))
    for frame in frames:
        true[frame.true_ids, 0] += 1
        tracker[0, frame.tracker_ids] += 1
    return true, tracker


def _hota_sums(frames: Sequence[Frame], num_true: int, num_tracker: int) -> HotaSums:
    true, tracker = _num_frames_of(frames, num_true, num_tracker)
    potential = np.zeros((num_true, num_tracker))
    for frame in frames:
        all_of = frame.similarity.sum(0)[None] + frame.similarity.sum(1)[:, None] - frame.similarity
        share = np.divide(frame.similarity, all_of, out=np.zeros_like(all_of), where=all_of > _ROUNDING)
        potential[np.ix_(frame.true_ids, frame.tracker_ids)] += share
    alignment = potential / (true + tracker - potential)
    found = {name: np.zeros(len(ALPHAS)) for name in ("TP", "FN", "FP", "LocA", "AssA", "AssRe", "AssPr")}
    matched = np.zeros((len(ALPHAS), num_true, num_tracker))
    for frame in frames:
        pairs = np.ix_(frame.true_ids, frame.tracker_ids)
        # One assignment serves all thresholds: what is too far apart for one of them is dropped after it.
        rows, columns = linear_sum_assignment(alignment[pairs] * frame.similarity, maximize=True)
        similar = frame.similarity[rows, columns]
        close = similar >= ALPHAS[:, None] - _ROUNDING
        num_matched = close.sum(axis=1)
        found["TP"] += num_matched
        found["FN"] += len(frame.true_ids) - num_matched
        found["FP"] += len(frame.tracker_ids) - num_matched
        found["LocA"] += (close * similar).sum(axis=1)
        matched[:, frame.true_ids[rows], frame.tracker_ids[columns]] += close
    for name, all_of in (
        ("AssA", true + tracker - matched),
        ("AssRe", np.broadcast_to(true, matched.shape)),
        ("AssPr", np.broadcast_to(tracker, matched.shape)),
    ):
        found[name] = (matched * (matched / np.maximum(1, all_of))).sum(axis=(1, 2))
    return found


def _hota_scores(sums: HotaSums) -> dict[str, Float | float]:
    right, missed, wrong = sums["TP"], sums["FN"], sums["FP"]
    det_re, det_pr = right / np.maximum(1, right + missed), right / np.maximum(1, right + wrong)
    det_a = right / np.maximum(1, right + missed + wrong)
    ass_a, ass_re, ass_pr = (sums[name] / np.maximum(1, right) for name in ("AssA", "AssRe", "AssPr"))
    # Without a match the localisation counts as perfect.
    loc_a = np.maximum(1e-10, sums["LocA"]) / np.maximum(1e-10, right)
    hota = np.sqrt(det_a * ass_a)
    return {
        "HOTA": hota,
        "DetA": det_a,
        "AssA": ass_a,
        "DetRe": det_re,
        "DetPr": det_pr,
        "AssRe": ass_re,
        "AssPr": ass_pr,
        "LocA": loc_a,
        "OWTA": np.sqrt(det_re * ass_a),
        "HOTA_TP": right,
        "HOTA_FN": missed,
        "HOTA_FP": wrong,
        "HOTA(0)": float(hota[0]),
        "LocA(0)": float(loc_a[0]),
        "HOTALocA(0)": float(hota[0] * loc_a[0]),
    }


_CLEAR_SUMS = ("MOTP_sum", "CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "MT", "PT", "ML", "Frag", "CLR_Frames")


def _clear_sums(frames: Sequence[Frame], num_true: int, num_tracker: int) -> Counts:
    found = dict.fromkeys(_CLEAR_SUMS, 0.0)
    if not num_true or not num_tracker:
        # TrackEval returns early here: the frames of such a video do not count for FP_per_frame.
        found["CLR_FN"] = float(sum(len(frame.true_ids) for frame in frames))
        found["CLR_FP"] = float(sum(len(frame.tracker_ids) for frame in frames))
        found["ML"] = float(num_true)
        return found
    num_seen, num_matched, num_begun = np.zeros(num_true), np.zeros(num_true), np.zeros(num_true)
    # The track that a truth was matched to, ever and in the frame before; -1 for none.
    ever, before = np.full(num_true, -1), np.full(num_true, -1)
    for frame in frames:
        true, tracker, similarity = frame.true_ids, frame.tracker_ids, frame.similarity
        num_seen[true] += 1
        if not len(true) or not len(tracker):
            # `before` stays: the frame before is the last one that had both.
            found["CLR_FN"] += len(true)
            found["CLR_FP"] += len(tracker)
            continue
        # To stay with a track counts for more than any overlap.
        gain = 1000 * (tracker == before[true][:, None]) + similarity
        gain[similarity < _LEAST_IOU - _ROUNDING] = 0
        rows, columns = linear_sum_assignment(gain, maximize=True)
        taken = gain[rows, columns] > _ROUNDING
        rows, columns = rows[taken], columns[taken]
        held, by = true[rows], tracker[columns]
        found["IDSW"] += np.count_nonzero((ever[held] >= 0) & (ever[held] != by))
        num_matched[held] += 1
        num_begun[held] += before[held] < 0
        ever[held] = by
        before[:] = -1
        before[held] = by
        found["CLR_TP"] += len(held)
        found["CLR_FN"] += len(true) - len(held)
        found["CLR_FP"] += len(tracker) - len(held)
        found["MOTP_sum"] += similarity[rows, columns].sum()
    share = num_matched / num_seen
    found["MT"] = float(np.count_nonzero(share > 0.8))
    found["PT"] = np.count_nonzero(share >= 0.2) - found["MT"]
    found["ML"] = num_true - found["MT"] - found["PT"]
    found["Frag"] = (num_begun[num_begun > 0] - 1).sum()
    found["CLR_Frames"] = len(frames)
    return {name: float(value) for name, value in found.items()}


def _clear_scores(sums: Counts) -> dict[str, float]:
    right, missed, wrong, switches = (sums[name] for name in ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW"))
    num_true = max(1.0, right + missed)
    num_ids = max(1.0, sums["MT"] + sums["PT"] + sums["ML"])
    return {
        "MOTA": (right - wrong - switches) / num_true,
        "MOTP": sums["MOTP_sum"] / max(1.0, right),
        "MODA": (right - wrong) / num_true,
        "CLR_Re": right / num_true,
        "CLR_Pr": right / max(1.0, right + wrong),
        "MTR": sums["MT"] / num_ids,
        "PTR": sums["PT"] / num_ids,
        "MLR": sums["ML"] / num_ids,
        "sMOTA": (sums["MOTP_sum"] - wrong - switches) / num_true,
        "CLR_F1": right / max(1.0, right + 0.5 * missed + 0.5 * wrong),
        "FP_per_frame": wrong / max(1.0, sums["CLR_Frames"]),
        "MOTAL": (right - wrong - (math.log10(switches) if switches > 0 else 0.0)) / num_true,
        **sums,
    }


def _identity_sums(frames: Sequence[Frame], num_true: int, num_tracker: int) -> Counts:
    both = np.zeros((num_true, num_tracker))
    for frame in frames:
        rows, columns = np.nonzero(frame.similarity >= _LEAST_IOU)
        both[frame.true_ids[rows], frame.tracker_ids[columns]] += 1
    # What is missed and what is wrong are least where what is found is most.
    found = float(both[linear_sum_assignment(both, maximize=True)].sum())
    true, tracker = _num_frames_of(frames, num_true, num_tracker)
    return {"IDTP": found, "IDFN": float(true.sum()) - found, "IDFP": float(tracker.sum()) - found}


def _identity_scores(sums: Counts) -> dict[str, float]:
    right, missed, wrong = sums["IDTP"], sums["IDFN"], sums["IDFP"]
    return {
        "IDF1": right / max(1.0, right + 0.5 * wrong + 0.5 * missed),
        "IDR": right / max(1.0, right + missed),
        "IDP": right / max(1.0, right + wrong),
        **sums,
    }
