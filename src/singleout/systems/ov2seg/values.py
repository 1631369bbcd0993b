"""What the network of OV2Seg says of a frame."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

OBJECT = 0  # column of the logits that say object or nothing; the other one is nothing


@dataclass(frozen=True)
class Head:
    """What is read off the queries of one frame at one place of the decoder.

    embeds: (num_queries, width), by which objects are followed. objects: (num_queries, 2) logits, see `OBJECT`. spoken:
    (num_queries, text width), the direction in the space of words, of any length. mask_embeds: (num_queries, width).
    """

    embeds: Tensor
    objects: Tensor
    spoken: Tensor
    mask_embeds: Tensor


@dataclass(frozen=True)
class Seen(Head):
    """What the last head says of a frame, and the earlier ones where they were asked for.

    finest: (h, w, width), what masks are read from, at stride 4 of the padded frame. earlier: the heads before, the
    first of them before any layer.
    """

    finest: Tensor
    earlier: tuple[Head, ...] = ()

    def masks(self, which: slice | Tensor = slice(None), *, head: Head | None = None) -> Tensor:
        """Mask logits at stride 4, (num_queries, h, w). which: of these queries only. head: an earlier one."""
        embeds = (self if head is None else head).mask_embeds[which]
        masks: Tensor = (embeds @ self.finest.flatten(0, 1).t()).unflatten(-1, self.finest.shape[:2])
        return masks


def directions(vectors: Tensor) -> Tensor:
    """Vectors (..., width) brought to length 1; those of zeros stay as they are."""
    return F.normalize(vectors, dim=-1, eps=1e-12)


def name_logits(spoken: Tensor, classifier: Tensor, sharpness: float) -> Tensor:
    """How well names fit, (..., num_names). spoken: (..., text width). classifier: (num_names, text width)."""
    return sharpness * directions(spoken) @ directions(classifier).t()
