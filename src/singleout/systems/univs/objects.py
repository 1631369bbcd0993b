"""Objects that are asked for by a mask, box or point in some frame or by a sentence, followed to the end of the video.

Masks are kept at the padded size, where the objects of a clip compete for its pixels. What leaves the clip is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from singleout.systems.univs.asked import Asked, Sentences, points_of_drawn
from singleout.systems.univs.clips import Clip
from singleout.systems.univs.following import Following
from singleout.systems.univs.geometry import Geometry
from singleout.systems.univs.heard import Heard, by_both, by_learnable, by_prompts
from singleout.systems.univs.memory import PromptPool
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.semantic import ClassVotes
from singleout.systems.univs.similarity import boxes_of, joined_mean, mask_overlaps, quality
from singleout.systems.univs.values import Decoded, DensePrompts
from singleout.systems.univs.visual_prompts import points_of_masks

Queries = Literal["prompt", "learn", "prompt+learn"]
_WON = 0.25  # share of its pixels that an object must win from the others
_LIKE_GIVEN = 0.15  # overlap with the given mask, for objects that are not small
_SMALL = 96 * 96  # pixels
_STUFF_LOGIT = 10.0  # of pixels whose class is that of an object of stuff


@dataclass(frozen=True)
class LeftObjects:
    """A frame that has left all clips.

    places: of the objects that are followed by then, in the list of those asked for. logits: (num_objects, *padded).
    scores: (num_objects,), 0 to 1, how sure each is.
    """

    number: int
    places: tuple[int, ...]
    logits: Tensor
    scores: Tensor


@dataclass(frozen=True)
class _Said:
    """What the prompts of some objects say of a clip.

    rows: of the objects. masks: (num, time, h, w) logits at stride 4. embeds: (num, time, width). sharp: (num,).
    """

    rows: Tensor
    masks: Tensor
    embeds: Tensor
    sharp: Tensor

    def of(self, which: Tensor) -> _Said:
        """What is said of some of them; which: (num,) bool."""
        return _Said(self.rows[which], self.masks[which], self.embeds[which], self.sharp[which])


class ObjectTracker:
    """See the module.

    asked: all objects. names: (num_names, text width), the classes of stuff, where there is any. sentences: where
    objects are asked for by these, one each, in the order of asked. queries: that say where an object is once it was
    shown; prompts always say it before. softly: of `heard.by_learnable`. `Following.corrected`: an object whose mask is
    given late in a clip is asked for by it in that clip already, where the published code has nothing to ask for it by.
    """

    def __init__(
        self,
        network: UniVSNetwork,
        geometry: Geometry,
        asked: Sequence[Asked],
        following: Following,
        *,
        names: Tensor | None = None,
        sentences: Sentences | None = None,
        queries: Queries = "prompt",
        softly: bool = False,
    ) -> None:
        self.network, self.geometry, self.asked = network, geometry, list(asked)
        self.names, self.sentences = names, sentences
        self.queries, self.softly = queries, softly
        self.following = following
        device = next(network.parameters()).device
        self._device = device
        # Of stuff also what was filled up is taken, as published: its points are then drawn from there as well.
        self._votes = ClassVotes(replace(geometry, seen=geometry.padded), device)
        self._pool = PromptPool(following.points, network.config.width, max(following.memory, following.length), device)
        self.places: list[int] = []
        self.start = 0
        self.prompt_masks: Tensor | None = None  # of the last clip, at stride 4
        self._logits = torch.zeros(0, 0, *geometry.padded, device=device)
        self._boxes = torch.zeros(0, 0, 4, device=device)
        self._embeds = torch.zeros(0, 0, network.config.width, device=device)
        self._scores = torch.zeros(0, 0, device=device)

    @property
    def first_clip(self) -> int:
        """The frame with which the first clip begins that shows an object."""
        late = max(min(one.frame for one in self.asked) - self.following.length + 1, 0)
        return -(-late // self.following.stride) * self.following.stride

    @torch.inference_mode()
    def step(self, clip: Clip) -> list[LeftObjects]:
        """Look at the next clip; returns the frames that have left."""
        left = self._advance(clip)
        self._join(clip)
        if not self.places:
            return left
        if self.sentences is not None:
            prompts = self.network.sentence_prompts(clip.features, self.sentences.sentences, self.sentences.words)
        else:
            self._remember(clip)
            prompts = self.network.visual_prompts(*self._pool.read(clip.frames))
        stuff = self.names is not None and any(self.asked[place].stuff is not None for place in self.places)
        decoded = self.network.decode(
            clip.features,
            prompts,
            self.names if stuff else None,
            attention=self.following.attention,
            learnable=stuff
            or self.sentences is not None
            or self.queries != "prompt"
            or self.following.attention in {"none", "sep-l2p"},
        )
        which = slice(decoded.num_learnable, None)
        self.prompt_masks = decoded.masks(which)
        labels = self._labels(decoded) if stuff else None
        self._take(clip, self.prompt_masks, decoded, labels)
        return left

    def finish(self) -> list[LeftObjects]:
        """The frames of the last clip."""
        return self._leave(self._logits.shape[1])

    def _leave(self, count: int) -> list[LeftObjects]:
        left = [
            LeftObjects(self.start + place, tuple(self.places), self._logits[:, place], self._scores[:, place])
            for place in range(count)
        ]
        self._logits, self._boxes = self._logits[:, count:], self._boxes[:, count:]
        self._scores = self._scores[:, count:]
        self.start += count
        return left

    def _advance(self, clip: Clip) -> list[LeftObjects]:
        if not self._logits.shape[1]:
            self.start = clip.start
        left = self._leave(clip.start - self.start)
        more = len(clip) - self._logits.shape[1]
        count = len(self.places)
        if self._embeds.shape[1]:
            expected = self._embeds[:, -self.following.stride :].mean(1, keepdim=True)
            self._embeds = torch.cat([self._embeds, expected.expand(-1, more, -1)], 1)
        else:
            self._embeds = self._embeds.new_zeros(count, more, self._embeds.shape[2])
        self._embeds = self._embeds[:, -max(self.following.memory, len(clip)) :]
        self._logits = torch.cat([self._logits, self._logits.new_zeros(count, more, *self.geometry.padded)], 1)
        self._boxes = torch.cat([self._boxes, self._boxes.new_zeros(count, more, 4)], 1)
        self._scores = torch.cat([self._scores, self._scores.new_zeros(count, more)], 1)
        return left

    def _join(self, clip: Clip) -> None:
        """Objects that are shown in this clip for the first time."""
        new = [place for place, one in enumerate(self.asked) if place not in self.places and one.frame < clip.stop]
        count = len(new)
        if not new:
            return
        self._pool.add([self.asked[place].frame for place in new])
        self.places += new
        self._embeds = torch.cat([self._embeds, self._embeds.new_zeros(count, *self._embeds.shape[1:])])
        self._scores = torch.cat([self._scores, self._scores.new_zeros(count, *self._scores.shape[1:])])
        self._boxes = torch.cat([self._boxes, self._boxes.new_zeros(count, *self._boxes.shape[1:])])
        self._logits = torch.cat([self._logits, self._logits.new_zeros(count, *self._logits.shape[1:])])
        for row in range(len(self.places) - count, len(self.places)):
            mask = self._given(row)
            if mask is not None:
                at = self.asked[self.places[row]].frame - clip.start
                self._logits[row, at] = mask
                self._boxes[row, at] = boxes_of(mask > 0)
                self._scores[row, at] = 1.0

    def _given(self, row: int) -> Tensor | None:
        mask = self.asked[self.places[row]].mask
        return None if mask is None else self.geometry.given(mask).to(self._device)

    def _remember(self, clip: Clip) -> None:
        """Points of the objects in the frames that are known: given ones, and those that the clip before answered."""
        begins = not self._pool.num_slots
        self._pool.extend(clip.stop if begins else self.following.stride)
        answered = len(clip) - self.following.stride if clip.start > 0 else 0
        for place in range(len(clip)):
            number = clip.start + place
            given = [row for row, one in enumerate(self.places) if self.asked[one].frame == number]
            if place < answered:
                self._write_masks(clip, place)
            elif given and (self.following.corrected or number == 0):
                self._write_masks(clip, place, given)
            self._write_drawn(clip, place, given)

    def _write_masks(self, clip: Clip, place: int, rows: Sequence[int] | None = None) -> None:
        masks, number = self._logits[:, place] > 0, clip.start + place
        shown = masks.flatten(1).any(1)
        if rows is not None:
            told = torch.zeros_like(shown)
            told[list(rows)] = True
            masks, shown = masks & told[:, None, None], shown & told
        prompts = points_of_masks(
            clip.features[place],
            masks.float(),
            self._boxes[:, place],
            frame_index=number,
            num_points=self.following.points,
            dice=self.following.dice,
        )
        self._pool.write(number, prompts, shown)

    def _write_drawn(self, clip: Clip, place: int, rows: Sequence[int]) -> None:
        """Boxes and points stay what they are however often their frame is looked at."""
        number = clip.start + place
        for row in rows:
            asked = self.asked[self.places[row]]
            found = points_of_drawn(asked, clip.features[place], number, self.following.points, self.following.dice)
            if found is None:
                continue
            which = torch.zeros(len(self.places), dtype=torch.bool, device=self._device)
            which[row] = True
            count = len(self.places)
            everyone = DensePrompts(found.features.expand(count, -1, -1), found.positions.expand(count, -1, -1))
            self._pool.write(number, everyone, which)

    def _labels(self, decoded: Decoded) -> Tensor:
        """The class at each pixel of each frame, (time, *padded)."""
        learnable = slice(0, decoded.num_learnable)
        masks = decoded.masks(learnable)
        assert decoded.logits is not None
        weights = decoded.logits[learnable].sigmoid() * quality(masks)[:, None]
        return torch.stack([self._votes.seen(masks[:, place], weights).labels for place in range(masks.shape[1])])

    def _take(self, clip: Clip, masks: Tensor, decoded: Decoded, labels: Tensor | None) -> None:
        """What is said of the objects, into the frames of the clip. masks: of their prompts."""
        embeds = decoded.embeds[decoded.num_learnable :]
        first = torch.tensor([self.asked[place].frame for place in self.places], device=self._device)
        rows = torch.arange(len(self.places), device=self._device)
        said = _Said(rows, masks, embeds, self.geometry.sharpness(masks))
        new = first >= clip.start
        if new.any():
            self._begin(clip, said.of(new), labels)
        if not new.all():
            self._go_on(clip, said.of(~new), decoded, labels)

    def _begin(self, clip: Clip, said: _Said, labels: Tensor | None) -> None:
        """Objects that are first shown in this clip: they are written behind the frame that shows them."""
        rows, masks, sharp = said.rows, said.masks, said.sharp
        asked = [self.asked[self.places[row]] for row in rows.tolist()]
        large = self.geometry.enlarge(masks)
        self._embeds[rows, -len(clip) :] = said.embeds
        if self.sentences is not None:
            self._logits[rows] = large
            self._scores[rows] = sharp[:, None]
            return
        at = [one.frame - clip.start for one in asked]
        given = [self._given(row) for row in rows.tolist()]
        weight = sharp.clone()
        for place, (mask, one) in enumerate(zip(given, at, strict=True)):
            if mask is not None:
                weight[place] *= _overlap(large[place, one] > 0, mask > 0) ** 2
        winner = (large.sigmoid() * weight[:, None, None, None]).argmax(0)
        winner = winner.where((large > 0).any(0), -1)
        boxes = boxes_of(masks > 0)
        for place, (row, one, mask) in enumerate(zip(rows.tolist(), at, given, strict=True)):
            label = asked[place].stuff
            begin = one
            if mask is not None:
                area = float((mask > 0).sum())
                like = _overlap(winner[one] == place, mask > 0)
                if label is None and not like > _LIKE_GIVEN * min(area / _SMALL, 1.0):
                    continue
                begin = one + 1
            self._logits[row, begin:] = large[place, begin:] * (winner[begin:] == place)
            self._boxes[row, begin:] = boxes[place, begin:]
            self._scores[row, begin:] = sharp[place]
            self._fill_stuff(row, begin, label, labels)

    def _fill_stuff(self, row: int, begin: int, label: int | None, labels: Tensor | None) -> None:
        if label is None or labels is None:
            return
        self._logits[row, begin:] = self._logits[row, begin:].masked_fill(labels[begin:] == label, _STUFF_LOGIT)

    def _go_on(self, clip: Clip, said: _Said, decoded: Decoded, labels: Tensor | None) -> None:
        """Objects that were there before the clip."""
        rows, heard = said.rows, self._heard(said, decoded)
        large = self.geometry.enlarge(heard.masks) * heard.sure[:, None, None, None]
        if self.sentences is None:
            weight = heard.weight.square() * heard.sharp
            shares = large.sigmoid()
            winner = (shares * weight[:, None, None, None]).argmax(0).where((large > 0).any(0), -1)
            for place in range(len(rows)):
                won = winner == place
                own = int((large[place] > 0).sum())
                if int(won.sum()) <= _WON * own:
                    won = torch.zeros_like(won)
                large[place] *= won
        self._logits[rows] += large
        self._scores[rows] = (heard.alike * heard.sharp).clamp(0, 1)[:, None]
        for place, row in enumerate(rows.tolist()):
            before = self._embeds[row, -len(clip) :]
            if heard.sure[place]:
                self._boxes[row] = heard.boxes[place]
                self._embeds[row, -len(clip) :] = joined_mean(before, heard.embeds[place])
            elif not self.following.corrected:
                # As published, an object that was not found is joined with nothing: what is remembered counts half.
                self._boxes[row] = 0.0
                self._embeds[row, -len(clip) :] = before / 2
            self._fill_stuff(row, 0, self.asked[self.places[row]].stuff, labels)

    def _heard(self, said: _Said, decoded: Decoded) -> Heard:
        stored = self._embeds[said.rows, -self.following.memory :]
        prompts = by_prompts(stored, said.masks, said.embeds, said.sharp)
        if self.queries == "prompt":
            return prompts
        learnable = by_learnable(stored, decoded, self.geometry, softly=self.softly)
        if self.queries == "learn":
            return learnable
        return by_both(prompts, learnable, self.geometry, corrected=self.following.corrected)


def _overlap(mask: Tensor, other: Tensor) -> float:
    return float(mask_overlaps(mask.reshape(1, 1, -1), other.reshape(1, 1, -1)))
