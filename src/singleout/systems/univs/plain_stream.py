"""A pass of UniVS in which objects are followed by their queries alone, and named when the video is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from singleout.exports.flat import coded
from singleout.nn.mask2former.geometry import Enlarger
from singleout.systems.univs.clip_memory import MemoryTracker
from singleout.systems.univs.contest import contest, segments_of
from singleout.systems.univs.instances import Result, results_of
from singleout.systems.univs.minvis import Mean, QueryTracker
from singleout.systems.univs.panoptic import Segments
from singleout.systems.univs.similarity import CONFIDENT
from singleout.systems.univs.stream import WINDOW, UniVSStream
from singleout.tracks import FrameCodes
from singleout.tracks import codes as run_length

_LEAST_SHARPNESS = 0.1
_LEAST_PRESENCE = 0.1
_MEASURED = 10  # frames of a video, about, in which masks are measured
_EVERY = 5  # of a panoptic result, which of the frames are
_SHARE = 0.5  # of sharpness, in what a segment counts
_LEAST_RESULTS = 5
_MDQE_RESULTS = 25


class PlainStream(UniVSStream):
    """See the module and `Stream`; frames come in order, those of instances after the last one was seen."""

    def _means(self, tracker: QueryTracker | MemoryTracker) -> Iterator[Mean]:
        for clip in self._clips():
            yield from tracker.step(clip)
        yield from tracker.finish()

    def _query_tracker(self) -> QueryTracker:
        names = self._embeddings(self._named)
        sharp = bool(self.settings.stability)
        return QueryTracker(self._system.network, names, sharp=sharp, pooled=self.task == "panoptic")

    def _measure(self, masks: Tensor) -> Tensor:
        """Of the masks of a frame at the size in the network, the pixels that surely and that may be in: (2, num)."""
        geometry = self.geometry
        parts = (geometry.crop_part(*geometry.enlarge_part(mask[None], -CONFIDENT)) for mask in masks)
        counts = [[int((one > CONFIDENT).sum()), int((one > -CONFIDENT).sum())] for one in parts]
        return torch.tensor(counts, dtype=torch.float32).reshape(-1, 2).t()

    # Instances

    def _instances(self) -> Iterator[FrameCodes]:
        minvis = self._options.tracker == "minvis"
        kept, results = self._queries() if minvis else self._remembered()
        if not self._options.spreads:
            results = [one for one in _best(results) if one.score > self.settings.score]
        yield from self._spread(results, kept)
        self._answer()

    def _queries(self) -> tuple[list[FrameCodes], list[Result]]:
        tracker = self._query_tracker()
        step = max(self._video.num_frames // _MEASURED, 1)
        kept: list[FrameCodes] = []
        enlarger = Enlarger(self.geometry, self._device)
        measured = []
        for mean in self._means(tracker):
            kept.append(self._visible(mean, enlarger))
            if mean.number % step == 0:
                measured.append(self._measure(mean.logits))
        sharpness = _sharpness(measured).clamp(min=_LEAST_SHARPNESS)
        return kept, _most_likely(tracker.scores, sharpness, self.settings.detections)

    def _remembered(self) -> tuple[list[FrameCodes], list[Result]]:
        chosen = self.settings
        tracker = MemoryTracker(
            self._system.network,
            self._embeddings(self._named),
            score=chosen.score,
            most=chosen.detections,
            stride=self.stride,
        )
        enlarger = Enlarger(self.geometry, self._device)
        kept = [self._visible(mean, enlarger) for mean in self._means(tracker)]
        # The published code divides windows by frames, which makes all scores a fifth of what they might be.
        whole = tracker.num_windows if self._options.mends else self._video.num_frames
        presence = (tracker.presence / whole).clamp(min=_LEAST_PRESENCE)
        return kept, results_of(tracker.scores, presence, _MDQE_RESULTS)

    def _visible(self, mean: Mean, enlarger: Enlarger) -> FrameCodes:
        ids, codes = [], []
        for place, mask in enumerate(mean.logits):
            (rows, columns), values = enlarger(mask)
            pixels = (values > 0).cpu().numpy()
            if pixels.any():
                ids.append(place + 1)
                codes.append(run_length.encode(pixels, top=rows.start, left=columns.start, size=self.geometry.original))
        return self._coded(mean.number, ids, [1.0] * len(ids), codes, exclusive=False)

    # Panoptic segments

    def _panoptic(self) -> Iterator[FrameCodes]:
        tracker, segments = self._query_tracker(), Segments()
        waiting: list[Mean] = []
        # The published code decides all frames together, for which it keeps the masks of a whole video.
        together = self._video.num_frames if self._options.mode == "published" else WINDOW
        for mean in self._means(tracker):
            waiting.append(mean)
            if len(waiting) == together:
                yield from self._decide(waiting, tracker.scores, segments)
                waiting = []
        yield from self._decide(waiting, tracker.scores, segments)
        self._answer()

    def _decide(self, frames: Sequence[Mean], scores: Tensor, segments: Segments) -> Iterator[FrameCodes]:
        if not frames:
            return
        best, labels = scores.max(1)
        # As published, the last of the best ones is never kept.
        least = best.topk(min(self.settings.detections, len(best))).values[-1].clamp(min=self.settings.score)
        places = (best > least).nonzero()[:, 0]
        masks = [frame.logits[places] for frame in frames]
        sharpness = _sharpness([self._measure(each) for each in masks[::_EVERY]])
        weights = (best[places].cpu() + _SHARE * sharpness).tolist()
        found = [contest(self.geometry, each, weights, at_last=True) for each in masks]
        classes = labels[places].tolist()
        overlap = self.settings.overlap or 0.0
        numbers = segments_of(found, places.tolist(), classes, things=self.things, overlap=overlap, segments=segments)
        for number, label, place in zip(numbers, classes, places.tolist(), strict=True):
            if number:
                known = self.objects.get(number)
                self._segment(number, label, max(float(best[place]), 0.0 if known is None else known.score))
        table, shown = np.array([0, *numbers], np.int32), dict(zip(numbers, weights, strict=True))
        for frame, one in zip(frames, found, strict=True):
            ids, codes = coded(table[one.owner.cpu().numpy() + 1])
            yield self._coded(frame.number, ids, [min(shown[number], 1.0) for number in ids], codes, exclusive=True)


def _sharpness(measured: Sequence[Tensor]) -> Tensor:
    """`similarity.quality` of masks that were measured in some frames, (num,)."""
    total = torch.stack(list(measured)).sum(0)
    sharpness: Tensor = total[0] / total[1].clamp(min=1)
    return sharpness


def _most_likely(scores: Tensor, sharpness: Tensor, detections: int) -> list[Result]:
    """The best pairs of an object and a class, as the published evaluation writes them for queries that are matched.

    scores: (num_objects, num_names). sharpness: (num_objects,), by which scores are multiplied once they are chosen.
    """
    names = scores.shape[1]
    places = scores.amax(1).argsort(descending=True, stable=True)[:detections]
    flat = scores[places].flatten()
    # A class is likely that is twice as likely as by chance.
    count = min(detections, max(int((flat > 2 / names).sum()), _LEAST_RESULTS), len(flat))
    chosen = flat.topk(count)
    found = [
        (int(places[index // names]), index % names, float(value))
        for index, value in zip(chosen.indices.tolist(), chosen.values.tolist(), strict=True)
    ]
    return [Result(place, label, score * float(sharpness[place])) for place, label, score in found]


def _best(results: Sequence[Result]) -> list[Result]:
    """Of each object the result of its best class, best first."""
    best: dict[int, Result] = {}
    for one in sorted(results, key=lambda result: -result.score):
        best.setdefault(one.place, one)
    return list(best.values())
