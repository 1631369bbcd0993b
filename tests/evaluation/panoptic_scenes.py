"""Small panoptic videos drawn from a seed, with everything that the definitions treat apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from singleout.evaluation.metrics.panoptic import FramePairs, PanopticFrame, Segment, pair_segments

# Category to whether it is a thing; the numbers have gaps, as those of data sets do.
CATEGORIES = {2: True, 3: True, 7: False, 11: False}
HEIGHT, WIDTH = 12, 17


@dataclass(frozen=True)
class Scene:
    """Truth and prediction of one video."""

    truth: list[PanopticFrame]
    prediction: list[PanopticFrame]

    def pairs(self) -> list[FramePairs]:
        return [pair_segments(one, other) for one, other in zip(self.truth, self.prediction, strict=True)]


def draw(seed: int, num_frames: int = 9) -> Scene:
    """Segments that come and go, void, crowds (two of a category), wrong categories, identity switches."""
    rng = np.random.default_rng(seed)
    names = rng.choice(2**24 - 1, 9, replace=False) + 1
    categories = {int(name): int(rng.choice(list(CATEGORIES))) for name in names}
    crowds = {int(name) for name in names if rng.random() < 0.3}
    corners = {name: rng.integers(0, (HEIGHT - 4, WIDTH - 5), 2) for name in names.tolist()}
    truth, prediction = [], []
    for _ in range(num_frames):
        ids, found = np.zeros((HEIGHT, WIDTH), np.int32), np.zeros((HEIGHT, WIDTH), np.int32)
        for name in names.tolist():
            top, left = corners[name] = np.clip(corners[name] + rng.integers(-1, 2, 2), 0, (HEIGHT - 4, WIDTH - 5))
            if rng.random() < 0.9:
                ids[top : top + 5, left : left + 6] = name
            top, left = top + rng.integers(0, 2), left + rng.integers(0, 2)
            if rng.random() < 0.85:
                # Now and then under another identity; 99 is an id that the truth does not have.
                found[top : top + 5, left : left + 6] = rng.choice([name, name, name, name, names[0], 99])
        truth.append(PanopticFrame(ids, listing(ids, categories, crowds, rng)))
        other = {**categories, 99: 7, **{int(names[1]): 3, int(names[2]): int(rng.choice(list(CATEGORIES)))}}
        prediction.append(PanopticFrame(found, [replace(s, area=None) for s in listing(found, other, set(), rng)]))
    return Scene(truth, prediction)


def listing(
    ids: np.ndarray, categories: dict[int, int], crowds: set[int], rng: np.random.Generator | None = None
) -> list[Segment]:
    """The list of a map of ids, in any order if there is a generator."""
    names, areas = np.unique(ids[ids > 0], return_counts=True)
    order = rng.permutation(len(names)) if rng is not None else np.arange(len(names))
    return [
        Segment(int(names[index]), categories[int(names[index])], int(names[index]) in crowds, int(areas[index]))
        for index in order
    ]


def frame(rows: list[list[int]], categories: dict[int, int], crowds: set[int] | None = None) -> PanopticFrame:
    """A frame from written out ids."""
    ids = np.array(rows, np.int32)
    return PanopticFrame(ids, listing(ids, categories, crowds or set()))
