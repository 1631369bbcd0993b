"""What belongs to training: losses, whole steps, merged samples, rates."""

from __future__ import annotations

from collections.abc import Iterator

from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden

TRAINING = ("ce", "a_loss", "labels1")


def replay_training(golden: Golden, context: Context) -> Iterator[Comparison]:
    raise CannotReplayError("training")
    yield
