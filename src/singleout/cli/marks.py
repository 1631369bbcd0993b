"""Marks as they are typed, ``--mask``, ``--box`` and ``--point``, turned into prompts of one video.

What is typed counts in frames and pixels of the original file; a prompt counts in those of the opened `Video`,
which may keep only some frames (``--start``, ``--end``, ``--every``) and be smaller (``--resize``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from singleout.errors import InputError
from singleout.prompts import Box, Categories, Mask, Phrase, Points, Prompt

if TYPE_CHECKING:
    from singleout.media import Video

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_HEAD = r"(?:(?P<id>\d+)@)?(?:(?P<frame>\d+):)?"
_MASK = re.compile(_HEAD + r"(?P<file>.+)")
_BOX = re.compile(_HEAD + rf"(?P<xyxy>{_NUMBER}(?:,{_NUMBER}){{3}})")
_POINT = re.compile(_HEAD + rf"(?P<x>{_NUMBER}),(?P<y>{_NUMBER})(?:,(?P<sign>[+-]))?")


@dataclass(frozen=True)
class Click:
    """One ``--point``: x, y in pixels of the original; positive says "here", otherwise "not here"."""

    frame: int
    x: float
    y: float
    positive: bool
    object_id: int | None


@dataclass(frozen=True)
class Marks:
    """Everything that was asked on the command line, checked but not yet tied to a video."""

    phrases: tuple[Phrase, ...] = ()
    names: tuple[str, ...] = ()
    masks: tuple[Mask, ...] = ()
    boxes: tuple[Box, ...] = ()
    clicks: tuple[Click, ...] = ()

    def require(self) -> None:
        """Raise InputError where nothing is asked."""
        if not any((self.phrases, self.names, self.masks, self.boxes, self.clicks)):
            raise InputError(
                'nothing to look for: give --say "the white dog", --names dog,car, --mask 0:first.png, '
                "--box 0:left,top,right,bottom or --point 0:x,y"
            )

    def prompts(self, video: Video, original_size: tuple[int, int]) -> list[Prompt]:
        """The prompts for one opened video. original_size: (height, width) of the file.

        Raises InputError for a mark on a frame that the file does not have or that was not kept.
        """
        asked: list[Prompt] = list(self.phrases)
        if self.names:
            asked.append(Categories(self.names))
        fit = _Fit(video, original_size)
        asked += [fit.mask(mask) for mask in self.masks]
        asked += [fit.box(box) for box in self.boxes]
        asked += [fit.points(group) for group in _merged(self.clicks)]
        return asked


def read_marks(
    say: Sequence[str], names: Sequence[str], mask: Sequence[str], box: Sequence[str], point: Sequence[str]
) -> Marks:
    """Parse the values of the prompt options; mask pictures are read here. Raises InputError for what is unclear."""
    categories = Categories(",".join(names)).names if names else ()
    clicks = tuple(read_click(text) for text in point)
    boxes = tuple(read_box(text) for text in box)
    masks = tuple(read_mask(text) for text in mask)
    marked = {one.object_id for one in boxes} | {one for each in masks for one in each.object_ids}
    for object_id in {click.object_id for click in clicks}:
        mine = [click for click in clicks if click.object_id == object_id]
        alone = [click for click in mine if not click.positive] if object_id is None else mine
        if alone and object_id not in marked - {None} and not any(click.positive for click in alone):
            which = "without an id" if object_id is None else f"of object {object_id}"
            raise InputError(
                f'--point: the points {which} only say "not here"; give a point on the object too, with the same id, '
                "for example --point 1@0:180,90 --point 1@0:20,20,-"
            )
    return Marks(tuple(Phrase(text) for text in say), categories, masks, boxes, clicks)


def read_mask(text: str) -> Mask:
    """``[ID@]FRAME:FILE``; frame 0 where it is left out."""
    from singleout.media import read_ids

    found = _MASK.fullmatch(text)
    if not found:
        raise InputError(f"--mask {text!r}: expected FRAME:FILE, for example 0:first.png")
    frame, file = int(found["frame"] or 0), found["file"]
    return Mask(read_ids(file), frame=frame, object_id=_id(found), source=file)


def read_box(text: str) -> Box:
    """``[ID@]FRAME:left,top,right,bottom``; frame 0 where it is left out."""
    found = _BOX.fullmatch(text.replace(" ", ""))
    if not found:
        raise InputError(f"--box {text!r}: expected [ID@]FRAME:left,top,right,bottom, for example 0:120,40,260,250")
    left, top, right, bottom = (float(value) for value in found["xyxy"].split(","))
    return Box((left, top, right, bottom), frame=int(found["frame"] or 0), object_id=_id(found))


def read_click(text: str) -> Click:
    """``[ID@]FRAME:x,y[,-]``; frame 0 where it is left out."""
    found = _POINT.fullmatch(text.replace(" ", ""))
    if not found:
        raise InputError(f"--point {text!r}: expected [ID@]FRAME:x,y or [ID@]FRAME:x,y,- for example 1@0:180,90")
    positive = found["sign"] != "-"
    return Click(int(found["frame"] or 0), float(found["x"]), float(found["y"]), positive, _id(found))


def _id(found: re.Match[str]) -> int | None:
    if found["id"] is None:
        return None
    if not 1 <= int(found["id"]) < 2**31:
        raise InputError(f"object id {found['id']} in {found[0]!r} must be 1 or larger")
    return int(found["id"])


def _merged(clicks: Sequence[Click]) -> list[list[Click]]:
    """Clicks of one id on one frame belong together; one without an id is an object of its own."""
    groups: dict[object, list[Click]] = {}
    for index, click in enumerate(clicks):
        key = ("alone", index) if click.object_id is None else (click.object_id, click.frame)
        groups.setdefault(key, []).append(click)
    return list(groups.values())


class _Fit:
    """Brings frames and pixels of the original file to those of the opened video."""

    def __init__(self, video: Video, original_size: tuple[int, int]) -> None:
        self.index_of = {int(source): index for index, source in enumerate(video.source_indices)}
        self.size = (video.height, video.width)
        self.original = original_size
        self.scale_y: float = video.height / original_size[0]
        self.scale_x: float = video.width / original_size[1]
        self.name = video.name

    def mask(self, mask: Mask) -> Mask:
        frame = self.frame(mask.frame, f"--mask {mask.source}")
        ids = mask.ids
        if ids.shape != self.original:
            raise InputError(
                f"{mask.source}: the mask is {ids.shape[1]}x{ids.shape[0]} but the video is "
                f"{self.original[1]}x{self.original[0]}; give a mask of the video's size"
            )
        if ids.shape != self.size:
            rows = ((np.arange(self.size[0]) + 0.5) / self.scale_y).astype(int).clip(0, ids.shape[0] - 1)
            columns = ((np.arange(self.size[1]) + 0.5) / self.scale_x).astype(int).clip(0, ids.shape[1] - 1)
            ids = ids[rows][:, columns]
        return Mask(ids, frame=frame, object_id=None, source=mask.source)

    def box(self, box: Box) -> Box:
        frame = self.frame(box.frame, "--box")
        left, top, right, bottom = box.xyxy
        xyxy = (self.x(left), self.y(top), self.x(right), self.y(bottom))
        return Box(xyxy, frame=frame, object_id=box.object_id)

    def points(self, clicks: Sequence[Click]) -> Points:
        frame = self.frame(clicks[0].frame, "--point")
        for click in clicks:
            if not (0 <= click.x < self.original[1] and 0 <= click.y < self.original[0]):
                raise InputError(
                    f"--point {click.x:g},{click.y:g} lies outside the picture, which is "
                    f"{self.original[1]}x{self.original[0]}"
                )
        # A click on the outermost pixel may fall half a pixel outside once the picture is smaller.
        xy = tuple(
            (min(max(self.x(click.x), 0.0), self.size[1] - 1.0), min(max(self.y(click.y), 0.0), self.size[0] - 1.0))
            for click in clicks
        )
        return Points(xy, tuple(click.positive for click in clicks), frame=frame, object_id=clicks[0].object_id)

    def frame(self, frame: int, what: str) -> int:
        if frame in self.index_of:
            return self.index_of[frame]
        kept = sorted(self.index_of)
        if frame > kept[-1] or len(kept) == kept[-1] + 1:
            raise InputError(f"{what} on frame {frame}: the frames taken of {self.name} are {kept[0]} to {kept[-1]}")
        near = min(kept, key=lambda one: abs(one - frame))
        raise InputError(
            f"{what} on frame {frame}: --start, --end or --every leave this frame of {self.name} out; the nearest "
            f"that is kept is {near}"
        )

    # Pixel centres are whole numbers, so the picture reaches from -0.5 to width - 0.5.
    def x(self, value: float) -> float:
        return (value + 0.5) * self.scale_x - 0.5

    def y(self, value: float) -> float:
        return (value + 0.5) * self.scale_y - 0.5
