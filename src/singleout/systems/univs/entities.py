"""Objects that are found by learnable queries and from then on asked for again: instances and panoptic segments.

In every clip, the known objects are asked for by points of their masks in the frames before, and whatever the learnable
queries find besides is matched with them or becomes a new object ("unified inference" in the official code).
Masks are kept at stride 4, of the frames of the clip alone; what leaves the clip is final and handed out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from singleout.systems.univs.candidates import Rules
from singleout.systems.univs.clips import Clip
from singleout.systems.univs.following import Following
from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.memory import PromptPool
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.similarity import (
    bi_softmax,
    boxes_of,
    consistency,
    joined_mean,
    mask_overlaps,
    quality,
)
from singleout.systems.univs.values import Decoded, DensePrompts
from singleout.systems.univs.visual_prompts import Seen, points_of_seen

_LAST_STEPS = 3
_SAME_MASK = 0.5
_NEARLY = -1e-3  # a logit whose probability may be 0.5 once it is rounded


@dataclass(frozen=True)
class Left:
    """A frame that has left all clips.

    logits: (num_objects, h, w), sums of what the clips said, at stride 4; zero where an object was not seen.
    occurrence: (num_objects,), how many clips saw it.
    """

    number: int
    logits: Tensor
    occurrence: Tensor


class EntityTracker:
    """See the module.

    names: (num_names, text width), embeddings. `Following.corrected`: a video in whose first clip nothing was found may
    still get objects, which the published code never gives it.
    """

    def __init__(
        self,
        network: UniVSNetwork,
        geometry: Geometry,
        names: Tensor,
        rules: Rules,
        following: Following,
    ) -> None:
        self.network, self.geometry, self.names, self.rules = network, geometry, names, rules
        self.following = following
        self.steps = max(following.memory // following.stride, _LAST_STEPS)
        device = names.device
        width = network.config.width
        self._kept_slots = max(following.memory, following.length)
        self._pool: PromptPool | None = None
        self._device, self._width = device, width
        self.first_frames: list[int] = []
        self.num_steps = 1
        self.past = torch.zeros(0, len(names), device=device)  # sum of the class scores of finished steps
        self.scores = torch.zeros(0, len(names), device=device)  # class scores of the present step
        self.embeds = torch.zeros(0, 1, width, device=device)
        self.quality = torch.zeros(0, device=device)
        self.start = 0
        self._logits = torch.zeros(0, 0, *geometry.coarse, device=device)
        self._occurrence = torch.zeros(0, 0, device=device)
        self._boxes = torch.zeros(0, 0, 4, device=device)
        self._before: tuple[Tensor, Tensor] | None = None  # logits and boxes of what left last, until there is a pool

    @property
    def num_objects(self) -> int:
        """Objects found so far."""
        return len(self.first_frames)

    @property
    def mean_scores(self) -> Tensor:
        """Class scores averaged over all steps so far, (num_objects, num_names)."""
        return (self.past + self.scores) / self.num_steps

    @property
    def sharpness(self) -> Tensor:
        """How sharp the masks of each object were, as a share of the largest, (num_objects,)."""
        return self.quality / (int(self.quality.max()) + 1) if len(self.quality) else self.quality

    @torch.inference_mode()
    def step(self, clip: Clip) -> list[Left]:
        """Look at the next clip; returns the frames that have left."""
        left = self._advance(clip)
        prompts = None
        if self.num_objects and clip.start > 0:
            self._remember(clip)
            assert self._pool is not None
            prompts = self.network.visual_prompts(*self._pool.read(clip.frames))
        decoded = self.network.decode(clip.features, prompts, self.names, attention=self.following.attention)
        if prompts is not None:
            self._follow(clip, decoded)
        self._find(clip, decoded)
        return left

    def finish(self) -> list[Left]:
        """The frames of the last clip."""
        return self._leave(self._logits.shape[1])

    def _leave(self, count: int) -> list[Left]:
        left = [Left(self.start + place, self._logits[:, place], self._occurrence[:, place]) for place in range(count)]
        self._logits, self._occurrence = self._logits[:, count:], self._occurrence[:, count:]
        self._boxes = self._boxes[:, count:]
        self.start += count
        return left

    def _advance(self, clip: Clip) -> list[Left]:
        """Let frames go that are in no clip any more, and make room for those of this one."""
        if clip.start > 0:
            # A new step begins with what was known.
            self.past, self.num_steps = self.past + self.scores, self.num_steps + 1
            expected = self.embeds[:, -_LAST_STEPS:].mean(1, keepdim=True)
            self.embeds = torch.cat([self.embeds, expected], 1)[:, -self.steps :]
            if self._pool is None:
                gone = clip.start - self.start
                self._before = self._logits[:, :gone], self._boxes[:, :gone]
        left = self._leave(clip.start - self.start)
        count, more = self.num_objects, len(clip) - self._logits.shape[1]
        self._logits = torch.cat([self._logits, self._logits.new_zeros(count, more, *self.geometry.coarse)], 1)
        self._occurrence = torch.cat([self._occurrence, self._occurrence.new_zeros(count, more)], 1)
        self._boxes = torch.cat([self._boxes, self._boxes.new_zeros(count, more, 4)], 1)
        return left

    def _remember(self, clip: Clip) -> None:
        """Points of the known objects in the frames that the clip before has answered already."""
        if self._pool is None:
            self._pool = PromptPool(self.following.points, self._width, self._kept_slots, self._device)
            self._pool.add(self.first_frames)
            self._pool.extend(clip.start - self.following.stride + self.following.length)
            self._remember_before(clip)
        self._pool.extend(self.following.stride)
        for place in range(len(clip) - self.following.stride):
            masks = self._logits[:, place]
            cells, present = self.geometry.shown(masks)
            seen = Seen(cells.float(), present, partial(self._whole, masks))
            self._pool.write(clip.start + place, self._points(clip, place, seen, self._boxes[:, place]), present)

    def _remember_before(self, clip: Clip) -> None:
        """The first time also of the frames before the clip.

        Their features are gone, so the published code looks at the clip's own first frames in their place.
        """
        assert self._pool is not None and self._before is not None
        (before, boxes), self._before = self._before, None
        for place in range(before.shape[1]):
            number = clip.start - before.shape[1] + place
            cells, present = self.geometry.shown(before[:, place])
            present &= torch.tensor([first <= number for first in self.first_frames], device=self._device)
            seen = Seen((cells & present[:, None]).float(), present, partial(self._whole, before[:, place]))
            self._pool.write(number, self._points(clip, place, seen, boxes[:, place], point_number=number))

    def _whole(self, masks: Tensor, rows: Tensor) -> Tensor:
        return (self.geometry.enlarge(masks[rows]) > 0).float()

    def _points(
        self, clip: Clip, place: int, seen: Seen, boxes: Tensor, *, point_number: int | None = None
    ) -> DensePrompts:
        return points_of_seen(
            clip.features[place],
            seen,
            boxes,
            frame_index=clip.start + place,
            num_points=self.following.points,
            dice=self.following.dice,
            point_index=point_number,
        )

    def _follow(self, clip: Clip, decoded: Decoded) -> None:
        """What the prompts of known objects say."""
        which = slice(decoded.num_learnable, None)
        masks, embeds = decoded.masks(which), decoded.embeds[which]
        alike = consistency(self.embeds, embeds)
        limit = self.rules.consistency * (0.5 if clip.start < self.following.length else 1.0)
        sharp = self.geometry.sharpness(masks)
        kept = (alike > limit).nonzero()[:, 0]
        if self.rules.overlap is not None and len(kept):
            weight = self.mean_scores.amax(1) * alike * sharp
            kept = kept[self._stands_out(masks[kept], weight[kept], self.rules.overlap)]
        self._add(kept, masks[kept], sharp[kept])
        for place in range(len(clip)):
            self._boxes[kept, place] = self.geometry.boxes_above(self._logits[kept, place])
        self.embeds[kept, -1] = joined_mean(self.embeds[kept, -1], embeds[kept].mean(1))

    def _add(self, places: Tensor, masks: Tensor, sharp: Tensor) -> None:
        self._logits[places] += masks
        self._occurrence[places] += (masks > 0).flatten(2).any(2)
        self.quality[places] += sharp

    def _stands_out(self, masks: Tensor, weight: Tensor, least: float) -> Tensor:
        """Whether each object wins enough of its own pixels from the others, (num,) bool."""
        own, won, both = (torch.zeros(len(masks), device=masks.device) for _ in range(3))
        rows = torch.arange(len(masks), device=masks.device)[:, None, None]
        for place in range(masks.shape[1]):
            shares = self.geometry.crop_part(*self.geometry.enlarge_part(masks[:, place], _NEARLY)).sigmoid()
            mine = shares >= 0.5
            winner = (shares * weight[:, None, None]).argmax(0).where(mine.any(0), -1)
            winning = winner == rows
            own += mine.flatten(1).sum(1)
            won += winning.flatten(1).sum(1)
            both += (winning & mine).flatten(1).sum(1)
        return (both > 0) & (won > least * own)

    def _find(self, clip: Clip, decoded: Decoded) -> None:
        """What the learnable queries say."""
        learnable = slice(0, decoded.num_learnable)
        masks, embeds = decoded.masks(learnable), decoded.embeds[learnable]
        assert decoded.logits is not None
        sharp = quality(masks)
        scores = decoded.logits[learnable].sigmoid() * sharp[:, None]
        chosen = self.rules.select(scores, sharp, masks, first=clip.start == 0)
        scores, masks, embeds, sharp = scores[chosen], masks[chosen], embeds[chosen], sharp[chosen]
        best = scores.amax(1) if len(scores) else sharp
        if clip.start == 0 or (self.following.corrected and not self.num_objects):
            new = best > self.rules.first_score
        elif self.num_objects and len(chosen):
            new = ~self._match(scores, masks, embeds, sharp) & (best > self.rules.later_score)
            if new.any():
                new[new.clone()] = self._unlike(clip, masks[new])
        else:
            return
        self._admit(clip, scores[new], masks[new], embeds[new], sharp[new])

    def _match(self, scores: Tensor, masks: Tensor, embeds: Tensor, sharp: Tensor) -> Tensor:
        """Bring known objects up to date by candidates; which of these are surely known, (num_candidates,) bool."""
        alike = bi_softmax(self.embeds[:, -_LAST_STEPS:], embeds)
        alike = alike.where(alike >= self.rules.match, 0.0)
        pairs = linear_sum_assignment(1 - alike.cpu().numpy())
        rows, columns = (torch.as_tensor(one, device=alike.device) for one in pairs)
        found = alike[rows, columns]
        known = torch.zeros(len(scores), dtype=torch.bool, device=alike.device)
        like = found > self.rules.match
        row, column = rows[like], columns[like]
        self.scores[row] = (self.scores[row] + scores[column]) / 2
        self.embeds[row, -1] = joined_mean(self.embeds[row, -1], embeds[column].mean(1))
        sure = found > self.rules.sure_match
        row, column = rows[sure], columns[sure]
        self._add(row, masks[column], sharp[column])
        known[column] = True
        return known

    def _unlike(self, clip: Clip, masks: Tensor) -> Tensor:
        """Whether candidates cover no known object in any frame, (num,) bool."""
        unlike = torch.ones(len(masks), dtype=torch.bool, device=masks.device)
        for place in range(len(clip)):
            _, part = self.geometry.enlarge_part(torch.cat([masks[:, place], self._logits[:, place]]))
            inside = (part > 0).flatten(1)[:, None]
            overlap = mask_overlaps(inside[: len(masks)], inside[len(masks) :])
            unlike &= overlap.flatten(1).amax(1) < _SAME_MASK
        return unlike

    def _admit(self, clip: Clip, scores: Tensor, masks: Tensor, embeds: Tensor, sharp: Tensor) -> None:
        count = len(scores)
        if not count:
            return
        self.first_frames += [clip.start] * count
        if self._pool is not None:
            self._pool.add([clip.start] * count)
        self.past = torch.cat([self.past, torch.zeros_like(scores)])
        self.scores = torch.cat([self.scores, scores])
        history = embeds.new_zeros(count, self.embeds.shape[1] - 1, self._width)
        self.embeds = torch.cat([self.embeds, torch.cat([history, embeds.mean(1, keepdim=True)], 1)])
        self.quality = torch.cat([self.quality, sharp])
        self._logits = torch.cat([self._logits, masks])
        self._occurrence = torch.cat([self._occurrence, (masks > 0).flatten(2).any(2).float()])
        self._boxes = torch.cat([self._boxes, boxes_of(masks > 0)])
