"""Drawn masks in order: what is given in which frame."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.prompts import Mask

Ids = npt.NDArray[np.int32]


@dataclass
class Marks:
    """by_frame: the masks of each frame, in the order given. first: of each object the first frame with a mask."""

    by_frame: dict[int, list[Mask]] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)

    def add(self, mask: Mask, max_objects: int) -> None:
        """Sort in one mask. Raises InputError for more objects than may be."""
        for number in mask.object_ids:
            self.first[number] = min(mask.frame, self.first.get(number, mask.frame))
        if len(self.first) > max_objects:
            raise InputError(
                f"{mask.source}: {len(self.first)} objects are asked for, and at most {max_objects} are followed at "
                "once: mark fewer, or raise max_objects"
            )
        self.by_frame.setdefault(mask.frame, []).append(mask)

    def drawn(self, frame: int) -> Ids:
        """The masks of a frame as one picture of ids; of two at a pixel the later one counts."""
        masks = self.by_frame[frame]
        joined = masks[0].ids.copy()
        for mask in masks[1:]:
            np.copyto(joined, mask.ids, where=mask.ids > 0)
        return joined


def describe(mask: Mask) -> str:
    """A mask as the user would type it."""
    return f"mask {mask.frame}:{mask.source}"


def notes(mask: Mask) -> str:
    """What the user may not expect of a mask, in a line; "" for an ordinary one."""
    ids = mask.object_ids
    if len(ids) > 1 and ids[-1] - ids[0] + 1 > len(ids):
        listed = ", ".join(map(str, ids[:10])) + (", …" if len(ids) > 10 else "")
        return f"{mask.source}: its object ids have gaps ({listed}); they are kept as they are"
    return ""
