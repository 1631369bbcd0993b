"""Instances that are followed by what was said of them in the clips before, by embeddings and by overlapping masks.

The way of MDQE (Li et al. 2023), which the published code has for instances beside those of `entities` and `minvis`.
Few queries of a clip are looked at: those that are surely known objects, and those that are sure of a class and unlike
all of these and each other. They are matched with the known objects; what is left over and not seen twice is new.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.univs.clips import Clip
from singleout.systems.univs.instances import WindowScores
from singleout.systems.univs.minvis import Mean
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.similarity import likeness, quality

_SURE, _KNOWN, _TWICE = 0.9, 0.75, 0.65  # cosines: of a known object, of the same as one, of another candidate
_MATCH, _LIKE, _OVERLAP = 0.65, 0.6, 0.4  # sum of both similarities for a match; each alone for one seen twice
_LATER = 1.284  # e to the power of 1/4: how much more the present clip counts than the one before
_FORGOTTEN = 10  # frames after which an object that was not seen is not looked for any more
_WINDOW = 5  # clips whose class scores are averaged before those of windows are


@dataclass(frozen=True)
class _Found:
    """Candidates of a clip. masks: (num, time, h, w) logits. scores: (num, num_names). embeds: (num, width)."""

    masks: Tensor
    scores: Tensor
    embeds: Tensor

    def of(self, which: Tensor) -> _Found:
        return _Found(self.masks[which], self.scores[which], self.embeds[which])


class MemoryTracker:
    """See the module.

    names: (num_names, text width), embeddings. score: of a class that a candidate must have. most: candidates of a
    clip. stride: frames from one clip to the next. `presence`: the windows in which each object was seen,
    (num_objects,), of `num_windows`.
    """

    def __init__(self, network: UniVSNetwork, names: Tensor, *, score: float, most: int, stride: int) -> None:
        self.network, self.names, self.score, self.most = network, names, score, most
        self.forgotten = max(_FORGOTTEN // stride, 1)
        self.start, self.num_clips, self.num_windows = 0, 0, 0
        self._stop = 0  # of the clip before
        device, width = names.device, network.config.width
        self._sums: Tensor | None = None  # of masks, (num_objects, time, h, w)
        self._counts = torch.zeros(0, 0, device=device)
        self._memory = torch.zeros(0, width, device=device)
        self._last = torch.zeros(0, width, device=device)  # of the clip before, zero where it was not seen there
        self._unseen = torch.zeros(0, device=device)  # clips since an object was seen
        self._window = torch.zeros(0, len(names), device=device)  # sum of class scores
        self._seen = torch.zeros(0, device=device)  # clips of the window in which it was seen
        self._windows = WindowScores()
        self.presence = torch.zeros(0, device=device)

    @property
    def num_objects(self) -> int:
        """Objects found so far."""
        return len(self._memory)

    @property
    def scores(self) -> Tensor:
        """Class scores of the whole video, (num_objects, num_names); to be asked for when all clips were seen."""
        return self._windows.result()

    @torch.inference_mode()
    def step(self, clip: Clip) -> list[Mean]:
        """Look at the next clip; returns the frames that have left."""
        left = self._leave(clip.start - self.start)
        if self.num_clips and self.num_clips % _WINDOW == 0:
            self._close()
        self.num_clips += 1
        found = self._candidates(clip)
        self._open(clip, found)
        places = self._places(found, self._stop - clip.start)
        self._write(found.of(places >= 0), places[places >= 0])
        self._stop = clip.stop
        return left

    def finish(self) -> list[Mean]:
        """The frames of the last clip."""
        self._close()
        return self._leave(self._counts.shape[1])

    def _leave(self, count: int) -> list[Mean]:
        if self._sums is None or not count:
            return []
        counts = self._counts.clamp(min=1)
        left = [Mean(self.start + place, self._sums[:, place] / counts[:, place, None, None]) for place in range(count)]
        self._sums, self._counts = self._sums[:, count:], self._counts[:, count:]
        self.start += count
        return left

    def _close(self) -> None:
        """End a window."""
        self.num_windows += 1
        self._windows.add(self._window / self._seen.clamp(min=1)[:, None], self._seen > 0)
        self.presence = self.presence + (self._seen > 0)
        self._window, self._seen = torch.zeros_like(self._window), torch.zeros_like(self._seen)

    def _candidates(self, clip: Clip) -> _Found:
        decoded = self.network.decode(clip.features, None, self.names)
        assert decoded.logits is not None
        masks = decoded.masks()
        scores = decoded.logits.sigmoid() * quality(masks)[:, None]
        best, embeds = scores.amax(1), decoded.embeds.mean(1)
        order = best.argsort(descending=True, stable=True)
        places = order[: max(int((best > self.score).sum()), 1)]
        known = places[:0]
        active = self._unseen < self.forgotten
        if active.any():
            alike = likeness(self._memory[active][:, None], decoded.embeds)
            rows, columns = linear_sum_assignment(1 - alike.cpu().numpy())
            sure = alike[rows, columns] > _SURE
            known = torch.as_tensor(columns, device=places.device)[sure]
        unit = F.normalize(embeds, dim=-1)
        if len(known):
            places = places[(unit[places] @ unit[known].t()).amax(1) < _KNOWN]
        if len(places):
            alike = unit[places] @ unit[places].t()
            places = places[alike.triu(1).amax(0) < _TWICE]
        chosen = torch.cat([known, places[: self.most]]).unique()
        return _Found(masks[chosen], scores[chosen], embeds[chosen])

    def _open(self, clip: Clip, found: _Found) -> None:
        """Make room for the frames of the clip."""
        if self._sums is None:
            self._sums = found.masks.new_zeros(0, 0, *found.masks.shape[2:])
        more = len(clip) - self._counts.shape[1]
        self._sums = F.pad(self._sums, (0, 0, 0, 0, 0, more))
        self._counts = F.pad(self._counts, (0, more))

    def _places(self, found: _Found, shared: int) -> Tensor:
        """The object that each candidate is, a number beyond the known ones for a new one, -1 for one that is dropped.

        shared: frames that the clip before has seen, too.
        """
        count, device = self.num_objects, found.embeds.device
        places = torch.full((len(found.embeds),), -1, device=device)
        fresh = torch.ones(len(places), dtype=torch.bool, device=device)
        if count:
            like, overlap = self._like(found), self._overlap(found, shared)
            together = like + overlap
            together = together.where(together > _MATCH, 0.0)
            rows, columns = linear_sum_assignment(together.cpu().numpy(), maximize=True)
            for row, column in zip(rows, columns, strict=True):
                if together[row, column] > 0:
                    places[column] = int(row)
                    # That it is like its own object does not make it one that is seen twice.
                    like[row, column], overlap[row, column] = 0.0, -1.0
            twice = (overlap.amax(0) > _OVERLAP) | (like.amax(0) > _LIKE)
            fresh = (places < 0) & ~twice & (found.scores.amax(1) > self.score)
        places[fresh] = count + torch.arange(int(fresh.sum()), device=device)
        return places

    def _like(self, found: _Found) -> Tensor:
        """By embeddings, (num_objects, num_candidates): the mean of two softmaxes, 0 for objects long out of sight."""
        active = self._unseen < self.forgotten
        like = torch.zeros(self.num_objects, len(found.embeds), device=active.device)
        dots = self._memory[active] @ found.embeds.t()
        # Of a single one on either side a softmax would say nothing.
        parts = [dots.softmax(axis) for axis in (0, 1) if dots.shape[axis] > 1] or [dots.softmax(0)]
        like[active] = torch.stack(parts).mean(0)
        return like

    def _overlap(self, found: _Found, shared: int) -> Tensor:
        """IoU of masks over the frames that the clip before has seen, too: (num_objects, num_candidates)."""
        assert self._sums is not None
        one = (self._sums[:, :shared] > 0).flatten(1).float()
        other = (found.masks[:, :shared] > 0).flatten(1).float()
        both = one @ other.t()
        return both / (one.sum(1)[:, None] + other.sum(1)[None] - both).clamp(min=1)

    def _write(self, found: _Found, places: Tensor) -> None:
        assert self._sums is not None
        more = int(places.max()) + 1 - self.num_objects if len(places) else 0
        if more > 0:
            self._sums = F.pad(self._sums, (0, 0, 0, 0, 0, 0, 0, more))
            self._counts, self._window = (F.pad(each, (0, 0, 0, more)) for each in (self._counts, self._window))
            self._memory, self._last = (F.pad(each, (0, 0, 0, more)) for each in (self._memory, self._last))
            self._unseen, self._seen = (F.pad(each, (0, more)) for each in (self._unseen, self._seen))
            self.presence = F.pad(self.presence, (0, more))
        self._sums[places] += found.masks
        self._counts[places] += 1
        self._window[places] += found.scores
        self._seen[places] += 1
        self._unseen += 1
        self._unseen[places] = 0
        before = self._last[places]
        known = (before != 0).any(1, keepdim=True)
        joined = (before + _LATER * found.embeds) / (1 + _LATER)
        self._memory[places] = torch.where(known, joined, found.embeds)
        self._last = torch.zeros_like(self._last)
        self._last[places] = found.embeds
