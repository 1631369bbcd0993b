"""From objects and their frames to instances: what each is, how sure that is, and which results are given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
        self._windows: list[tuple[Tensor, Tensor]] = []

    def add(self, scores: Tensor, seen: Tensor) -> None:
        """scores: (num_objects, num_names). seen: (num_objects,) bool, whether in any frame of the window."""
        self._windows.append((scores, seen))

    def result(self) -> Tensor:
        """The scores of all objects that there are by now: (num_objects, num_names)."""
        if not self._windows:
            return torch.zeros(0, 0)
        count = len(self._windows[-1][0])
        total: Tensor = torch.zeros_like(self._windows[-1][0])
        windows = torch.zeros(count, 1, device=total.device)
        before: Tensor | None = None
        for scores, found in self._windows:
            # Objects that came later have no scores in earlier windows.
            missing = count - len(scores)
            seen = torch.cat([found.float(), found.new_zeros(missing).float()])
            steady = seen if before is None else (before + seen) / 2
            weighted = torch.cat([scores, scores.new_zeros(missing, scores.shape[1])]) * (seen * steady)[:, None]
            total += weighted
            windows += (weighted != 0).any(1, keepdim=True)
            before = seen
        return total / windows.clamp(min=1)


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
