"""From objects and their frames to instances: what each is, how sure that is, and which results are given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_LEAST_SCORE = 0.005  # of a class for a result of its own
_LIKELY_SCORE = 0.05
_MORE = 1.5  # results, for each one that is likely


@dataclass(frozen=True)
class Result:
    """One result: an object taken for one class. place: of the object in the list of objects. label: of the class."""

    place: int
    label: int
    score: float


class WindowScores:
    """Class scores of objects over windows of the video, which are averaged in the end.

    A window counts by whether the object is seen in it, and by half if it was not seen in the one before.
    """

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._windows = self._before = torch.zeros(0)

    def add(self, scores: Tensor, seen: Tensor) -> None:
        """scores: (num_objects, num_names). seen: (num_objects,) bool, whether in any frame of the window."""
        found = seen.float()
        if self._total is None:
            self._total, self._windows = torch.zeros_like(scores), torch.zeros_like(found)
            steady = found
        else:
            # Objects that come later have no scores in earlier windows.
            more = len(scores) - len(self._total)
            self._total = F.pad(self._total, (0, 0, 0, more))
            self._windows, self._before = (F.pad(each, (0, more)) for each in (self._windows, self._before))
            steady = (self._before + found) / 2
        weighted = scores * (found * steady)[:, None]
        self._total = self._total + weighted
        self._windows = self._windows + (weighted != 0).any(1)
        self._before = found

    def result(self) -> Tensor:
        """The scores of all objects that there are by now: (num_objects, num_names)."""
        return torch.zeros(0, 0) if self._total is None else self._total / self._windows.clamp(min=1)[:, None]


def results_of(scores: Tensor, sharpness: Tensor, detections: int) -> list[Result]:
    """All results that the published evaluation writes down, by object and then by class.

    scores: (num_objects, num_names). sharpness: (num_objects,), which scores are multiplied by in the end. detections:
    how many results at least, of those that reach 0.005 before; half more than are likely where those are more. An
    object comes once for each class that it may be.
    """
    flat = scores.flatten()
    final = (scores * sharpness[:, None]).flatten()
    kept = flat >= _LEAST_SCORE
    count = max(int(_MORE * int((flat > _LIKELY_SCORE).sum())), detections)
    if count < int(kept.sum()):
        kept &= final >= final[kept].topk(count).values[-1]
    names = scores.shape[1]
    return [Result(place // names, place % names, float(final[place])) for place in kept.nonzero()[:, 0].tolist()]
