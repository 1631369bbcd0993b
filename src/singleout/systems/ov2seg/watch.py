"""What is known of all tracks of a video, frame after frame, in memory that does not grow with its length."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from singleout.systems.ov2seg.store import MaskStore
from singleout.systems.ov2seg.tracking import Match, Memory, Pairs, Sharpness, best_pairs, hidden_in, pair_scores
from singleout.systems.ov2seg.values import Seen, directions

_IN_MEMORY = 1 << 27  # bytes of directions, 650 frames of 100 queries, before they go to disk


class Watch:
    """Takes what the network sees, frame by frame; afterwards tells what the tracks are called and where they are.

    Logits of names are linear in the directions in the space of words. Only the mean of these is compared with all
    names, and those of a frame with the names of the chosen pairs, so thousands of names cost no more than a few.
    """

    def __init__(self, store: MaskStore, sharpness: float) -> None:
        self.store, self.memory, self._by = store, Memory(), sharpness
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it lives as long as what it is of
        self._spoken: Tensor | None = None
        self._objects: list[Tensor] = []
        self._sharp: list[Sharpness] = []

    @property
    def num_frames(self) -> int:
        """Frames so far."""
        return len(self._objects)

    def add(self, seen: Seen) -> Match:
        """Take the next frame."""
        match = self.memory.match(seen.embeds)
        order = match.queries
        spoken = directions(seen.spoken[order])
        self._spoken = spoken.clone() if self._spoken is None else self._spoken.add_(spoken)
        self._file.write(spoken.cpu().numpy().tobytes())
        self._objects.append(seen.objects[order])
        self._sharp.append(self.store.add(seen.masks(order)))
        return match

    def objects(self) -> Tensor:
        """The mean logits of object or nothing, (num_tracks, 2)."""
        return torch.stack(self._objects).mean(0)

    def logits(self, classifier: Tensor) -> Tensor:
        """The mean logits of names, (num_tracks, num_names). classifier: (num_names, width), rows of length 1."""
        assert self._spoken is not None
        return self._by * (self._spoken / self.num_frames) @ classifier.t()

    def pairs(self, classifier: Tensor, count: int, *, one_name: bool) -> Pairs:
        """The best pairs of track and name, of all frames together; see `best_pairs`."""
        return best_pairs(self.logits(classifier), self.objects(), count, one_name=one_name)

    def frame_scores(self, pairs: Pairs, classifier: Tensor) -> Tensor:
        """The score of each pair in each frame, (num_frames, num_pairs)."""
        rows = classifier[pairs.names]
        found = [
            pair_scores(self._by * (spoken[pairs.tracks] * rows).sum(-1), objects[pairs.tracks])
            for spoken, objects in zip(self._read(), self._objects, strict=True)
        ]
        return torch.stack(found)

    def final(self, pairs: Pairs, hidden: Tensor) -> Tensor:
        """Scores of pairs times the sharpness of their masks where they are shown; hidden: of `hidden_in`."""
        shown = (~hidden).float()
        inside = (torch.stack([one.inside[pairs.tracks] for one in self._sharp]) * shown).sum(0)
        count = (torch.stack([one.count[pairs.tracks] for one in self._sharp]) * shown).sum(0)
        return pairs.scores * Sharpness(inside, count).mean()

    def close(self) -> None:
        """Let go of everything."""
        self._file.close()
        self.store.close()

    def _read(self) -> Iterator[Tensor]:
        """The directions of each frame again, (num_tracks, text width)."""
        assert self._spoken is not None
        self._file.seek(0)
        for _ in range(self.num_frames):
            values = np.frombuffer(self._file.read(self._spoken.numel() * 4), np.float32).copy()
            yield torch.from_numpy(values).view(self._spoken.shape).to(self._spoken.device)


class Verdict:
    """Which pairs are results, by a threshold on their final score.

    pairs: best first by it. scores: (num_pairs,). hidden: (num_frames, num_pairs) bool, where they are not shown.
    frame_scores: the same shape.
    """

    def __init__(self, watch: Watch, classifier: Tensor, *, count: int, one_name: bool, threshold: float) -> None:
        found = watch.pairs(classifier, count, one_name=one_name)
        own = watch.frame_scores(found, classifier)
        hidden = hidden_in(found, own)
        final = watch.final(found, hidden)
        #: the best final score of each name that any pair has
        self.best: dict[int, float] = {}
        for name, score in zip(found.names.tolist(), final.tolist(), strict=True):
            self.best[name] = max(score, self.best.get(name, 0.0))
        order = final.argsort(descending=True, stable=True)
        order = order[final[order] >= threshold]
        self.pairs, self.scores = found[order], final[order]
        self.hidden, self.frame_scores = hidden[:, order], own[:, order]
