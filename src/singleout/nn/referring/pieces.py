"""Sentences and frames in pieces that go through a network at once, and results put together of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Piece:
    """Some sentences and some frames, which go through at once."""

    sentences: slice
    frames: slice


def pieces(count: int, frames: int, at_once: int | None) -> Iterator[Piece]:
    """All sentences and frames, sentence by sentence; at_once: frames, counted for each sentence, None for all."""
    sentences = count if at_once is None else min(at_once, count)
    step = frames if at_once is None else max(1, at_once // sentences)
    for first in range(0, count, sentences):
        for start in range(0, frames, step):
            yield Piece(slice(first, min(first + sentences, count)), slice(start, min(start + step, frames)))


class Whole:
    """A result of all sentences and frames, put together of those of pieces."""

    def __init__(self, count: int, frames: int) -> None:
        self._size = (count, frames)
        self._tensor: Tensor | None = None

    def put(self, part: Tensor, piece: Piece) -> None:
        """part: (sentences of the piece, frames of the piece, …)."""
        if part.shape[:2] == self._size:
            self._tensor = part
            return
        if self._tensor is None:
            self._tensor = part.new_empty(*self._size, *part.shape[2:])
        self._tensor[piece.sentences, piece.frames] = part

    @property
    def tensor(self) -> Tensor:
        """What was put in, whole."""
        assert self._tensor is not None
        return self._tensor
