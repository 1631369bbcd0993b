"""ReferFormer as a `Segmenter`: what it can do beyond `SentenceSegmenter`."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from singleout.referring.candidates import Candidates, candidates_of
from singleout.referring.pictures import Picture, network_size, pad_batch, prepare
from singleout.referring.segmenter import SentenceSegmenter

_PICTURE_SHORT, _PICTURE_LONGEST = 360, 640


class ReferFormer(SentenceSegmenter):
    """The system with its weights. tokenizer: folder of its files, None where sentences come as token ids."""

    @torch.no_grad()
    def candidates(
        self, clips: Sequence[Sequence[Picture]], token_ids: Sequence[Sequence[int]], keep: Sequence[int] | None = None
    ) -> list[Candidates]:
        """All queries of each clip's sentence in one frame, as A2D, JHMDB and RefCOCO are evaluated.

        clips: of equal length, one for each sentence; together they are one batch, padded to the largest, as in the
        published evaluation (in twos). keep: the frame of each clip that is meant; the only one by default.
        """
        device = next(self.network.parameters()).device
        originals = [clip[0].shape[:2] for clip in clips]
        sizes = [network_size(size, _PICTURE_SHORT, _PICTURE_LONGEST) for size in originals]
        frames, padding = pad_batch([prepare(clip, size) for clip, size in zip(clips, sizes, strict=True)])
        sight = self.network.look(frames.to(device), padding.to(device), keep or [0] * len(clips))
        found = self.network(sight, self.read(token_ids), sizes)
        results = []
        for row, (seen, size) in enumerate(zip(sizes, originals, strict=True)):
            parts = found.logits[row, 0], found.boxes[row, 0], found.masks[row, 0]
            results.append(candidates_of(*parts, seen, size))
        return results
