"""What passes between the parts of a network in which sentences are queries."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from singleout.nn.referring.pieces import Piece
from singleout.nn.vision_language import Words

MASK_STRIDE = 4


@dataclass(frozen=True)
class Sight:
    """What the network sees of some videos before any word is read.

    finest: (num_videos, time, h, w, width) at stride 4, already through the wordless half of its pyramid level.
    levels: four maps at strides 8, 16, 32 and 64, (num_videos, time, h, w, width). paddings and positions: of finest
    and levels, (…, h, w) bool and (…, h, w, width), their first two sizes 1 where nothing is padded, which `padded`
    says.
    """

    finest: Tensor
    levels: list[Tensor]
    paddings: list[Tensor]
    positions: list[Tensor]
    padded: bool

    @property
    def num_frames(self) -> int:
        """Frames of each video."""
        return self.finest.shape[1]

    def part(self, piece: Piece) -> Sight:
        """What a piece looks at; the videos of its sentences, or the one video that all are about."""
        rows = piece.sentences if len(self.finest) > 1 else slice(None)
        own = (rows, piece.frames) if self.padded else (slice(None), slice(None))
        return Sight(
            self.finest[rows, piece.frames],
            [level[rows, piece.frames] for level in self.levels],
            [padding[own] for padding in self.paddings],
            [positions[own] for positions in self.positions],
            self.padded,
        )


@dataclass(frozen=True)
class Sentences:
    """Encoded sentences. words: their word features. vectors: (num_sentences, width)."""

    words: Words
    vectors: Tensor

    def part(self, start: int, stop: int) -> Sentences:
        """The sentences from start to stop (not included)."""
        here = slice(start, stop)
        return Sentences(self.words.part(here), self.vectors[here])


@dataclass(frozen=True)
class Contrast:
    """What should be alike for the right query and no other.

    queries: (num_sentences, num_queries, width), those of the whole video. sentences: (num_sentences, width).
    """

    queries: Tensor
    sentences: Tensor


@dataclass(frozen=True)
class Predictions:
    """What one decoder layer says.

    logits: (num_sentences, time, num_queries, num_classes). boxes: (…, 4), centre, width and height in 0..1.
    masks: (…, h, w) logits at stride 4. points: (…, 2), where the last layer looked from, x first, in 0..1. contrast:
    where a network is trained by it and all layers are asked for. earlier: the same for the decoder layers before.
    """

    logits: Tensor
    boxes: Tensor
    masks: Tensor
    points: Tensor
    contrast: Contrast | None = None
    earlier: list[Predictions] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """The best query of each sentence.

    scores: (num_sentences, num_queries), averaged over time. query: (num_sentences,). masks: logits at stride 4 of that
    query, (num_sentences, time, h, w). logits, boxes and points: of all queries, as in `Predictions`.
    """

    scores: Tensor
    query: Tensor
    masks: Tensor
    logits: Tensor
    boxes: Tensor
    points: Tensor

    @property
    def frame_scores(self) -> Tensor:
        """The score of the query in each frame, (num_sentences, time)."""
        rows = torch.arange(len(self.query), device=self.query.device)
        return self.logits[rows, :, self.query].sigmoid().amax(-1)
