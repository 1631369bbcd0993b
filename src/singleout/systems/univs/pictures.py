"""A single picture by UniVS: what the learnable queries see, by the published rules for COCO and ADE20K."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from singleout.exports.flat import coded
from singleout.nn.mask2former.geometry import Enlarger
from singleout.systems.univs.contest import contest, segments_of
from singleout.systems.univs.instances import Result
from singleout.systems.univs.panoptic import Segments
from singleout.systems.univs.picture_votes import PictureVotes
from singleout.systems.univs.stream import UniVSStream
from singleout.tracks import FrameCodes
from singleout.tracks import codes as run_length

_TEMPERATURE = 0.06  # of the softmax over class scores
_VOTING = 200  # the most queries that have a say in the classes of pixels


@dataclass(frozen=True)
class _Seen:
    """masks: (num, h, w) logits at stride 4. scores: (num, num_names), of classes times sharpness."""

    masks: Tensor
    scores: Tensor

    def of(self, which: Tensor) -> _Seen:
        return _Seen(self.masks[which], self.scores[which])


class PictureStream(UniVSStream):
    """See the module and `Stream`."""

    def _see(self) -> _Seen:
        names = self._embeddings(self._named)
        (clip,) = self._clips()
        decoded = self._system.network.decode(clip.features, None, names)
        assert decoded.logits is not None
        masks = decoded.masks()[:, 0]
        # What was filled up counts here, as published.
        sharp = self.geometry.sharpness(masks[:, None], padded=True)
        seen = _Seen(masks, decoded.logits.sigmoid() * sharp[:, None])
        return seen.of(sharp > self.settings.stability) if self.settings.stability else seen

    @torch.inference_mode()
    def _instances(self) -> Iterator[FrameCodes]:
        seen = self._apart(self._see(), self.settings.box_overlap)
        names = len(self._named.names)
        best = seen.scores.flatten().topk(min(self.settings.detections, seen.scores.numel()))
        results = [
            Result(index // names, index % names, score)
            for index, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
        if not self._options.spreads:
            likely = seen.scores.argmax(1).tolist()
            results = [one for one in results if one.label == likely[one.place] and one.score > self.settings.score]
        enlarger = Enlarger(self.geometry, self._device)
        places = sorted({one.place for one in results})
        ids, codes = [], []
        for place in places:
            (rows, columns), values = enlarger(seen.masks[place])
            pixels = (values > 0).cpu().numpy()
            if pixels.any():
                ids.append(place + 1)
                codes.append(run_length.encode(pixels, top=rows.start, left=columns.start, size=self.geometry.original))
        yield from self._spread(results, [self._coded(0, ids, [1.0] * len(ids), codes, exclusive=False)])
        self._answer()

    @torch.inference_mode()
    def _panoptic(self) -> Iterator[FrameCodes]:
        seen = self._apart(self._see(), self.settings.box_overlap)
        seen = seen.of(seen.scores.amax(1) > self.settings.score)
        best, labels = (seen.scores / _TEMPERATURE).softmax(1).max(1)
        weights, classes = best.tolist(), labels.tolist()
        found, segments = contest(self.geometry, seen.masks, weights, at_last=False), Segments()
        overlap = self.settings.overlap or 0.0
        numbers = segments_of(
            [found], range(len(classes)), classes, things=self.things, overlap=overlap, segments=segments
        )
        for number, label, weight in zip(numbers, classes, weights, strict=True):
            if number and number not in self.objects:
                self._segment(number, label, weight)
        ids, codes = coded(np.array([0, *numbers], np.int32)[found.owner.cpu().numpy() + 1])
        yield self._coded(0, ids, [self.objects[number].score for number in ids], codes, exclusive=True)
        self._answer()

    @torch.inference_mode()
    def _semantic(self) -> Iterator[FrameCodes]:
        seen = self._see()
        seen = seen.of(seen.scores.amax(1).topk(min(_VOTING, len(seen.scores))).indices)
        weights = (seen.scores / _TEMPERATURE).softmax(1)
        found = PictureVotes(self.geometry, self._device)(seen.masks, weights)
        labels = found.labels + 1
        if self._options.background > 0:
            labels = labels.where(found.votes >= self._options.background, 0)
        yield self._class_codes(0, labels.cpu().numpy().astype(np.int32), found.votes)
        self._answer()

    def _apart(self, seen: _Seen, limit: float) -> _Seen:
        """Best first, without those whose box overlaps that of a better one of the same class by more than `limit`."""
        best, labels = seen.scores.max(1)
        order = best.argsort(descending=True, stable=True)
        boxes = torch.stack([self._box(mask) for mask in seen.masks[order]])
        rivals = (_overlaps(boxes) > limit) & (labels[order][:, None] == labels[order])
        rivals, kept = rivals.cpu(), torch.ones(len(order), dtype=torch.bool)
        for place in range(len(order)):
            if kept[place]:
                kept[place + 1 :] &= ~rivals[place, place + 1 :]
        return seen.of(order[kept.to(order.device)])

    def _box(self, mask: Tensor) -> Tensor:
        """First and last column and row of the picture where a mask (h, w) lies above 0, (4,); zeros if nowhere."""
        (rows, columns), part = self.geometry.enlarge_part(mask[None])
        inside = (self.geometry.crop_part((rows, columns), part)[0] > 0).nonzero()
        if not len(inside):
            return mask.new_zeros(4)
        (top, left), (bottom, right) = inside.amin(0).tolist(), inside.amax(0).tolist()
        return mask.new_tensor([left + columns.start, top + rows.start, right + columns.start, bottom + rows.start])


def _overlaps(boxes: Tensor) -> Tensor:
    """IoU of boxes in pixels with each other; not a number between two that are empty."""
    low, high = boxes[:, None, :2].maximum(boxes[:, :2]), boxes[:, None, 2:].minimum(boxes[:, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    overlaps: Tensor = both / (areas[:, None] + areas - both)
    return overlaps
