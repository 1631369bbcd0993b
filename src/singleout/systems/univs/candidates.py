"""Which of the learnable queries are worth a look as new objects, by the published rules of instances and panoptic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from singleout.systems.univs.similarity import box_overlaps, boxes_of, mask_overlaps, unsuppressed

_MOST = 100  # queries that a panoptic result looks at in the first clip
_MOST_THINGS, _MOST_STUFF = 70, 30
_STUFF_OVERLAP = 0.6
_LEAST_FIRST = 0.1


@dataclass(frozen=True)
class Rules:
    """How objects are found and kept.

    score: of a class that a new object must have. match: similarity at which a query is a known object. consistency:
    cosine that a known object must keep, half of it as long as the first clip lasts. box_overlap: from which on the
    worse of two candidates is dropped. stability: sharpness of a candidate's masks, None where it does not matter.
    overlap: share of its pixels that an object must win from the others to be kept, None where all are. detections:
    the most candidates of a clip. things: (num_names,) bool, of panoptic results, None for instances.
    """

    score: float
    match: float
    consistency: float
    box_overlap: float
    stability: float | None = None
    overlap: float | None = None
    detections: int = _MOST
    things: Tensor | None = None

    @property
    def first_score(self) -> float:
        """Score that an object needs in the first clip."""
        return self.score if self.things is not None else max(self.score, _LEAST_FIRST)

    @property
    def later_score(self) -> float:
        """Score that an object needs which comes up later."""
        return 2 * self.score if self.things is not None else self.score

    @property
    def sure_match(self) -> float:
        """Similarity at which a query also adds to the masks of a known object."""
        return self.match if self.things is not None else 2 * self.match

    def select(self, scores: Tensor, sharpness: Tensor, masks: Tensor, *, first: bool = True) -> Tensor:
        """Places of the candidates among the queries.

        scores: (num_queries, num_names). sharpness: (num_queries,). masks: (num_queries, time, h, w) logits. first: in
        the first clip, where panoptic results look at the best 100 alone.
        """
        best, label = scores.max(1)
        if self.things is None:
            return self._instances(best, sharpness, masks)
        return self._segments(best, self.things[label], masks, first=first)

    def _instances(self, best: Tensor, sharpness: Tensor, masks: Tensor) -> Tensor:
        places = torch.arange(len(best), device=best.device)
        if self.stability is not None:
            places = places[sharpness > self.stability]
        places = places[best[places].argsort(descending=True, stable=True)][: self.detections]
        return places[self._boxes_apart(masks[places])]

    def _segments(self, best: Tensor, thing: Tensor, masks: Tensor, *, first: bool) -> Tensor:
        places = best.argsort(descending=True, stable=True)[: _MOST if first else None]
        things, stuff = places[thing[places]][:_MOST_THINGS], places[~thing[places]][:_MOST_STUFF]
        things = things[self._boxes_apart(masks[things])]
        shapes = (masks[stuff, :1] > 0).flatten(2)
        stuff = stuff[unsuppressed(mask_overlaps(shapes, shapes)[..., 0], _STUFF_OVERLAP)]
        return torch.cat([things, stuff])

    def _boxes_apart(self, masks: Tensor) -> Tensor:
        boxes = boxes_of(masks > 0)
        if not len(boxes):
            return torch.zeros(0, dtype=torch.bool, device=masks.device)
        return unsuppressed(box_overlaps(boxes, boxes).amax(-1), self.box_overlap)
