"""Objects over time and what they are called: section 3.4 of OV2Seg's paper, by the rules of its code.

No frame is special: all queries of the first one are tracks, and each of them gets one query of every later frame, with
no threshold, no birth and no end. What a track is called, and where it is not to be seen, is decided for all frames
together, from means of logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from singleout.nn.losses.matching import assign
from singleout.systems.ov2seg.values import OBJECT, directions

KEPT = 0.7  # of a new frame in the memory
SUPPRESSED = 0.1  # of its score over all frames, below which a pair is not shown in a frame


@dataclass(frozen=True)
class Match:
    """queries: (num_tracks,), which query of the frame is put on each track. cosines: (num_queries, num_tracks)."""

    queries: Tensor
    cosines: Tensor


class Memory:
    """How each track looked lately, (num_tracks, width): an exponential mean, used for nothing but matching."""

    def __init__(self) -> None:
        self.embeds: Tensor | None = None

    def match(self, embeds: Tensor) -> Match:
        """Put the queries of the next frame on tracks, and remember them; embeds: (num_queries, width)."""
        if self.embeds is None:
            self.embeds = embeds
            queries = torch.arange(len(embeds), device=embeds.device)
            return Match(queries, directions(embeds) @ directions(embeds).t())
        cosines = directions(embeds) @ directions(self.embeds).t()
        queries = assign(1 - cosines)
        self.embeds = KEPT * embeds[queries] + (1 - KEPT) * self.embeds
        return Match(queries, cosines)


@dataclass(frozen=True)
class Pairs:
    """Tracks with names, best first. tracks, names: (num_pairs,), places in their lists. scores: (num_pairs,)."""

    tracks: Tensor
    names: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, places: Tensor) -> Pairs:
        return Pairs(self.tracks[places], self.names[places], self.scores[places])


def pair_scores(logits: Tensor, objects: Tensor) -> Tensor:
    """How surely there is an object and it has that name: the geometric mean of both.

    logits: (..., num_names). objects: (..., 1 or num_names, 2), see `OBJECT`. Returns the shape of logits.
    """
    return (logits.sigmoid() * objects.softmax(-1)[..., OBJECT]).sqrt()


def best_pairs(logits: Tensor, objects: Tensor, count: int, *, one_name: bool = False) -> Pairs:
    """The best pairs of a track and a name. logits: (num_tracks, num_names). objects: (num_tracks, 2).

    count: the most of them. one_name: each track only with its best name; by itself a track may have several.
    """
    scores = pair_scores(logits, objects[:, None])
    if one_name:
        best, names = scores.max(1)
        found, tracks = best.topk(min(count, len(best)))
        return Pairs(tracks, names[tracks], found)
    found, places = scores.flatten().topk(min(count, scores.numel()))
    return Pairs(places // scores.shape[1], places % scores.shape[1], found)


def hidden_in(pairs: Pairs, frame_scores: Tensor) -> Tensor:
    """Where pairs are not shown, (num_frames, num_pairs) bool; frame_scores: the same shape, `pair_scores`."""
    return frame_scores < SUPPRESSED * pairs.scores


@dataclass(frozen=True)
class Sharpness:
    """What `sharpness` needs of masks, sums that may be added up. inside: of probabilities of positive pixels.

    count: of these pixels.
    """

    inside: Tensor
    count: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> Sharpness:
        """logits: (..., h, w), reduced over both."""
        positive = logits > 0
        return cls((logits.sigmoid() * positive).sum((-2, -1)), positive.sum((-2, -1)).to(logits.dtype))

    def mean(self) -> Tensor:
        """The mean probability of positive pixels, in the shape of the sums; 0 where there is none."""
        return self.inside / (self.count + 1e-6)
