"""Key frames: from which frame of a sentence its mask is carried to all others. Each rule is a small function.

A rule gets a `Look` and its settings, and gives the place of a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from singleout.evaluation.metrics.region import region_similarity
from singleout.fusion.bits import Bool
from singleout.fusion.store import Scores


@dataclass(frozen=True)
class Look:
    """A sentence, to choose a frame from.

    scores: (num_frames,), None where there are none. mask: gives the mask of a frame, (height, width) bool. others: the
    same of each member that the pipeline names.
    """

    scores: Scores | None
    num_frames: int
    mask: Callable[[int], Bool]
    others: Sequence[Callable[[int], Bool]]


Rule = Callable[..., int]


def highest(look: Look) -> int:
    """The frame of highest score, the first of equal ones, as published: the size of the mask plays no part."""
    return 0 if look.scores is None else int(np.argmax(look.scores))


def surest(look: Look, *, tolerance: float = 0.02) -> int:
    """Of the frames that show something and whose score is nearly the highest, the one with the largest mask.

    Scores of neighbouring frames often differ by less than rounding and chance do, and a large mask is whole. Where
    nothing is shown in any frame, the one of highest score.
    """
    areas = np.array([np.count_nonzero(look.mask(frame)) for frame in range(look.num_frames)])
    shown = areas > 0
    if not shown.any() or look.scores is None:
        return highest(look)
    near = shown & (look.scores >= look.scores[shown].max() - tolerance)
    return int(np.argmax(np.where(near, areas, -1)))


def agreed(look: Look) -> int:
    """Of the frames that show something, the one whose mask is most like the members'; the first of equal ones.

    Where nothing is shown in any frame, the one of highest score.
    """
    values = np.full(look.num_frames, -1.0)
    for frame in range(look.num_frames):
        mask = look.mask(frame)
        if mask.any():
            values[frame] = np.mean([region_similarity(mask, other(frame)) for other in look.others])
    return int(np.argmax(values)) if values.max() >= 0 else highest(look)


RULES: dict[str, Rule] = {"highest": highest, "surest": surest, "agreed": agreed}
