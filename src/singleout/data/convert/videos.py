"""VIPSeg to coloured panoptic pictures with their JSON, and VSPW to a JSON of videos."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from singleout.data import panoptic, vspw
from singleout.data.convert.document import Document, OnStep, picture_size, video_entry
from singleout.data.panoptic import RAW_CATEGORIES, Numbers, decode_raw
from singleout.data.records import MaskedVideo
from singleout.errors import InputError
from singleout.exports.pictures import read_numbers
from singleout.media.atomic import atomic_folder
from singleout.vocabularies.categories import categories

_NEAR = 30
_STEP = 5


class Colors:
    """Colours, which are the ids, of the segments of one video: the same raw number has the same one in all frames.

    Stuff has the colour of its category, a thing that of its category or one near it that is not taken. The official
    converter draws near colours at random; here the nearest one comes first, so that two conversions are equal.
    """

    def __init__(self) -> None:
        self._listed = categories("vipseg")
        self._stuff = {each.color for each in self._listed if not each.thing}
        self._given: dict[int, tuple[int, int, int]] = {}
        self._taken: set[tuple[int, int, int]] = {(0, 0, 0)}

    def of(self, number: int) -> tuple[int, int, int]:
        """The colour of a raw number. Raises InputError where 2000 colours near that of the category are taken."""
        if number not in self._given:
            category = self._listed[(number if number <= RAW_CATEGORIES else number // 100) - 1]
            color = self._free(category.color or (0, 0, 0), bool(category.thing))
            self._given[number] = color
            self._taken.add(color)
        return self._given[number]

    def _free(self, wish: tuple[int, int, int], thing: bool) -> tuple[int, int, int]:
        # A thing must not take the colour of stuff that a later frame may show. One colour is that of two categories.
        for red, green, blue in _offsets():
            color = (wish[0] + red, wish[1] + green, wish[2] + blue)
            if min(color) < 0 or max(color) > 255 or color in self._taken:
                continue
            if color == wish or color not in self._stuff:
                return color
        raise InputError(f"there are too many segments of one category: no colour near {wish} is free")


def vipseg(root: Path, to: Path, split: str, on_step: OnStep, *, height: int | None = None) -> dict[str, Any]:
    """Write ``panomasksRGB`` of a split below `to`, and give the content of ``panoptic_gt_VIPSeg_<split>.json``.

    height: None keeps the sizes; a number, usually 720, brings every frame to it, with width int(height * w / h), masks
    by the nearest pixel, and frames, bilinear, into ``images``. Pictures of a video that is there are not made again.
    Raises InputError for a missing mask and for a number of no category.
    """
    videos, annotations = [], []
    for video in panoptic.read_raw_vipseg(root, split=split):
        if not video.frame_names:
            raise InputError(f"{root / 'panomasks' / video.name} holds no mask: download the data set again")
        colors, images, frames = Colors(), [], []
        made = [_vipseg_frame(path, colors, height) for path in video.masks]
        first = to / "panomasksRGB" / video.name / video.masks[0].name
        if not first.is_file() or picture_size(first) != made[0][0].shape[:2]:
            _write_pictures(video, to, made, height)
        for name, (coded, segments) in zip(video.frame_names, made, strict=True):
            file = f"{name}.png"
            images.append({"id": name, "width": coded.shape[1], "height": coded.shape[0], "file_name": file})
            frames.append({"image_id": name, "file_name": file, "segments_info": segments})
        videos.append({"video_id": video.name, "images": images})
        annotations.append({"video_id": video.name, "annotations": frames})
        on_step(video.name)
    listed = [
        {"id": each.id, "name": each.name, "isthing": int(bool(each.thing)), "color": list(each.color or ())}
        for each in categories("vipseg")
    ]
    return {"videos": videos, "annotations": annotations, "categories": listed}


def vspw_videos(root: Path, split: str, on_step: OnStep) -> Document:
    """Videos only, "annotations" null; the id of a video is its name, frames are ``<video>/origin/*.jpg``."""
    videos = []
    for video in vspw.read(root, split=split):
        if not video.images or not video.images[0].is_file():
            raise InputError(f"{root / 'data' / video.name / 'origin'} holds no frame: sizes are read from them")
        size = picture_size(video.images[0])
        videos.append(video_entry(video.name, video, size, top=f"{video.name}/origin"))
        on_step(video.name)
    listed = [{"id": each.id, "name": each.name, "isthing": int(bool(each.thing))} for each in categories("vspw")]
    return Document(videos, None, listed)


Frame = tuple[np.ndarray[Any, np.dtype[np.uint8]], list[Mapping[str, Any]]]


def _vipseg_frame(path: Path, colors: Colors, height: int | None) -> Frame:
    numbers = read_numbers(path)
    if height is not None:
        numbers = _nearest(numbers, height)
    if (decode_raw(numbers)[0] > RAW_CATEGORIES).any():
        raise InputError(f"{path} has the number {numbers.max()}, whose category is none of 1 to {RAW_CATEGORIES}")
    areas = np.bincount(numbers.reshape(-1))
    palette = np.zeros((len(areas), 3), np.uint8)
    segments: list[Mapping[str, Any]] = []
    # The order counts: STQ takes the first segment that is listed for a crowd, and the official list ascends.
    for value in np.flatnonzero(areas).tolist():
        if value == 0:
            continue
        red, green, blue = palette[value] = colors.of(value)
        category = (value if value <= RAW_CATEGORIES else value // 100) - 1
        key = red + 256 * green + 65536 * blue
        segments.append({"id": key, "category_id": category, "iscrowd": 0, "area": int(areas[value])})
    return palette[numbers], segments


def _write_pictures(video: MaskedVideo, to: Path, made: list[Frame], height: int | None) -> None:
    from PIL import Image

    if height is not None:
        with atomic_folder(to / "images" / video.name, overwrite=True) as folder:
            for path in video.images:
                with Image.open(path) as picture:
                    size = (int(height * picture.width / picture.height), height)
                    # Saved with Pillow's own quality, as the official script does: models were trained on those.
                    picture.resize(size, Image.Resampling.BILINEAR).save(folder / path.name)
    with atomic_folder(to / "panomasksRGB" / video.name, overwrite=True) as folder:
        for path, (coded, _) in zip(video.masks, made, strict=True):
            Image.fromarray(coded).save(folder / path.name)


def _nearest(numbers: Numbers, height: int) -> Numbers:
    from PIL import Image

    rows, columns = numbers.shape
    picture = Image.fromarray(numbers).resize((int(height * columns / rows), height), Image.Resampling.NEAREST)
    return np.asarray(picture).astype(np.int32)


@cache
def _offsets() -> tuple[tuple[int, int, int], ...]:
    steps = range(-_NEAR, _NEAR + 1, _STEP)
    return tuple(sorted(product(steps, steps, steps), key=lambda offset: (sum(map(abs, offset)), offset)))
