"""Marks carried through one shot: backwards first, into a spool, then forwards frame by frame."""

from __future__ import annotations

import torch
from torch import Tensor

from singleout.prompts import Mask
from singleout.segmenter import VideoLike
from singleout.systems.starter.clicks import masks_of_marks
from singleout.systems.starter.engine import Engine, pictures_backwards
from singleout.systems.starter.follow import Follower
from singleout.systems.starter.marks import Mark, Marks
from singleout.systems.starter.spool import Spool
from singleout.systems.starter.view import View

Rows = tuple[list[int], Tensor]  # object ids, (num_objects, height, width) probabilities


class MarkPass:
    """The objects of all marks of one shot, [start, stop).

    Call `advance` for each frame in order, from the one that `follower` stands before.
    """

    def __init__(
        self, engine: Engine, view: View, marks: Marks, shot: tuple[int, int], follower: Follower | None = None
    ) -> None:
        self.engine, self.view = engine, view
        self.start, self.stop = shot
        self.given = marks.within(*shot)
        self.first: dict[int, int] = {}
        for frame in sorted(self.given, reverse=True):
            self.first.update(dict.fromkeys(self.given[frame], frame))
        self.follower = follower or Follower(engine.network)
        self.spool: Spool | None = None

    @property
    def active(self) -> bool:
        """Whether the shot has any mark."""
        return bool(self.given)

    @torch.inference_mode()
    def look_back(self, video: VideoLike, begin: int) -> None:
        """Carry each object from its first mark back to frame `begin`, for `advance` to hand out."""
        if not self.first or max(self.first.values()) <= begin:
            return
        self.spool = Spool()
        follower = Follower(self.engine.network)
        for frame, picture in pictures_backwards(video, self.view, begin, max(self.first.values()) + 1):
            starting = [number for number, first in self.first.items() if first == frame]
            features = self.engine.encode(picture)
            masks = follower.advance(features)
            self.spool.put(frame, follower.ids, masks)
            given = {number: self.given[frame][number] for number in starting}
            marked = masks_of_marks(self.engine.network, features, self.view, given, {})
            follower.settle(features, masks, marked)

    @torch.inference_mode()
    def advance(self, frame: int, picture: Tensor) -> Rows:
        """Masks of all objects of the shot in `frame`; at the size of the video where it has a drawn mask."""
        given = self.given.get(frame, {})
        ids, masks = carry_on(self.engine, self.view, self.follower, picture, given)
        early = self.spool.get(frame) if self.spool is not None else None
        if early is not None:
            kept = [row for row, number in enumerate(early[0]) if number not in ids]
            ids, masks = ids + [early[0][row] for row in kept], torch.cat([masks, early[1][kept].to(masks.device)])
        return as_drawn(self.view, given, ids, masks)

    def close(self) -> None:
        """Give the spool's file back."""
        if self.spool is not None:
            self.spool.close()


def carry_on(engine: Engine, view: View, follower: Follower, picture: Tensor, given: dict[int, list[Mark]]) -> Rows:
    """One step of `follower` with the marks of the frame, at the resolution of the network."""
    if not follower.groups and not given:
        return [], torch.zeros(0, *view.mask_shape)
    features = engine.encode(picture)
    masks = follower.advance(features)
    present = dict(zip(follower.ids, masks, strict=True))
    marked = masks_of_marks(engine.network, features, view, given, present)
    masks = follower.settle(features, masks, marked)
    return follower.ids, masks


def as_drawn(view: View, given: dict[int, list[Mark]], ids: list[int], masks: Tensor) -> Rows:
    """Put masks that the user drew, and did not correct by clicks, in place of what the network keeps of them."""
    drawn = {
        number: given_marks[-1]
        for number, given_marks in given.items()
        if isinstance(given_marks[-1], Mask) and all(isinstance(mark, Mask) for mark in given_marks)
    }
    if not drawn:
        return ids, masks
    large = view.enlarge(masks)
    taken = torch.zeros(view.height, view.width, dtype=torch.bool)
    for number, mark in drawn.items():
        assert isinstance(mark, Mask)
        own = torch.from_numpy(mark.ids == number)
        large[ids.index(number)] = own.to(large)
        taken |= own
    for row, number in enumerate(ids):
        if number not in drawn:
            large[row] *= ~taken.to(large.device)
    return ids, large
