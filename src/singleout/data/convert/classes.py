"""Pictures of classes as released to those that are scored: train ids from 0, and one value that is ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.data.convert.document import OnStep
from singleout.data.files import first_of, is_picture, read_names, the_folder
from singleout.data.panoptic import Numbers
from singleout.data.semantic import layout_of
from singleout.errors import InputError
from singleout.exports.pictures import read_numbers
from singleout.media.atomic import atomic_path
from singleout.vocabularies.categories import categories, number_table

_SHORT_SIDE = 512


@dataclass(frozen=True)
class Source:
    """A picture as released. target: name of the converted one, without suffix."""

    path: Path
    target: str


@dataclass(frozen=True)
class Recipe:
    """sources: the released pictures below a root. read: their numbers. table: train id of each number.

    drop_empty: leave out pictures without any class. image: makes the picture that belongs to it, where that changes.
    """

    sources: Callable[[Path], Iterator[Source]]
    read: Callable[[Path], Numbers]
    table: Callable[[], npt.NDArray[np.int64]]
    drop_empty: bool = False
    shrink: bool = False


def convert(root: Path, name: str, on_step: OnStep) -> int:
    """Write the pictures of truth of a semantic data set where its reader looks for them; returns how many.

    A picture that is there already is not made again. Raises InputError for missing sources and unknown numbers.
    """
    layout, recipe = layout_of(name), _RECIPES[name]
    table, made = recipe.table(), 0
    for source in recipe.sources(root):
        target = root / layout.truth / f"{source.target}{layout.suffix}"
        if not target.exists():
            numbers = recipe.read(source.path)
            if recipe.shrink:
                numbers = _shrunk_pair(source.path, numbers, root / layout.images / f"{source.target}.jpg")
            if numbers.min() < 0 or numbers.max() >= len(table):
                raise InputError(f"{source.path} has the number {numbers.max()}: the highest known is {len(table) - 1}")
            classes = table[numbers]
            if recipe.drop_empty and (classes == layout.ignore).all():
                continue
            _save(classes, target, sixteen_bit=layout.ignore > 255)
        made += 1
        on_step(source.target)
    if not made:
        raise InputError(f"{root} holds no picture to convert for {name}: download the data set")
    return made


def _save(classes: npt.NDArray[np.int64], target: Path, *, sixteen_bit: bool) -> None:
    from PIL import Image

    with atomic_path(target) as temporary:
        Image.fromarray(classes.astype(np.uint16 if sixteen_bit else np.uint8)).save(temporary)


def _shifted(count: int, ignore: int, also_ignored: int = 0) -> npt.NDArray[np.int64]:
    """Number - 1 for 1 to `count`, and `ignore` for everything else up to `also_ignored`."""
    table = np.full(max(count, also_ignored) + 1, ignore, np.int64)
    table[1 : count + 1] = np.arange(count)
    return table


def _in_folder(folder: str, pattern: str = "*.png") -> Callable[[Path], Iterator[Source]]:
    def sources(root: Path) -> Iterator[Source]:
        for path in sorted(the_folder(root / folder, "the pictures of classes as released").rglob(pattern)):
            if is_picture(path):
                yield Source(path, path.stem)

    return sources


def _in_list(listing: str, folder: str, suffix: str) -> Callable[[Path], Iterator[Source]]:
    def sources(root: Path) -> Iterator[Source]:
        for name in read_names(first_of(root, [listing], "the images of the split, one a line")):
            yield Source(root / folder / f"{name}{suffix}", name)

    return sources


def _ade_full(root: Path) -> Iterator[Source]:
    folder = the_folder(root / "ADE20K_2021_17_01" / "images" / "ADE" / "validation", "ADE20K as released")
    for path in sorted(folder.rglob("*_seg.png")):
        yield Source(path, path.stem.removesuffix("_seg"))


def _read_ade_full(path: Path) -> Numbers:
    """Index of the object at each pixel: red counts tens of 256, green the rest."""
    channels = _read_rgb(path).astype(np.int32)
    return channels[..., 0] // 10 * 256 + channels[..., 1]


def _read_matlab(path: Path) -> Numbers:
    from scipy.io import loadmat

    try:
        return np.asarray(loadmat(path, variable_names=["LabelMap"])["LabelMap"]).astype(np.int32)
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise InputError(f"{path} cannot be read as a MATLAB file with LabelMap ({error})") from error


def _read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode == "RGB":
                return np.asarray(picture)
            mode = picture.mode
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
    raise InputError(f"{path}: expected a picture in RGB, its mode is {mode}")


def _shrunk_pair(path: Path, numbers: Numbers, image: Path) -> Numbers:
    """Brings image and numbers to a short side of 512 pixels, and writes the image; smaller ones stay.

    The official script works with OpenCV, which takes the pixel up and left for "nearest" and does not smooth before
    it shrinks; Pillow would do either in another way.
    """
    from PIL import Image

    frame = _read_rgb(path.with_name(f"{path.stem.removesuffix('_seg')}.jpg"))
    height, width = numbers.shape
    if frame.shape[:2] != numbers.shape:
        raise InputError(f"{path} is {width}x{height}, but its image is {frame.shape[1]}x{frame.shape[0]}")
    if min(height, width) > _SHORT_SIDE:
        size = (_SHORT_SIDE, round(width / height * _SHORT_SIDE))
        if height > width:
            size = (round(height / width * _SHORT_SIDE), _SHORT_SIDE)
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, (height, width), strict=True))
        numbers, frame = numbers[np.ix_(rows, columns)], _bilinear(frame, size)
    with atomic_path(image) as temporary:
        Image.fromarray(frame).save(temporary)
    return numbers


def _bilinear(frame: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Two neighbours along each axis, pixel centres at halves, edges repeated: (height, width, 3)."""
    result: npt.NDArray[Any] = frame.astype(np.float32)
    for axis, new in enumerate(size):
        old = frame.shape[axis]
        place = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        below = np.floor(place).astype(np.int64)
        share = (place - below).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(3)])
        first, second = (np.take(result, np.minimum(below + step, old - 1), axis) for step in (0, 1))
        result = first * (1 - share) + second * share
    rounded: npt.NDArray[np.uint8] = np.rint(result).astype(np.uint8)
    return rounded


def _ade_full_table() -> npt.NDArray[np.int64]:
    # Indices of ADE20K go up to 3688 and every pair of colours that a picture can hold must find an entry.
    table = np.full(26 * 256, 65535, np.int64)
    for category in categories("ade20k_847"):
        if category.train_id is not None:
            table[category.id] = category.train_id
    return table


def _context_59_table() -> npt.NDArray[np.int64]:
    places = {category.name: place for place, category in enumerate(categories("pascal_context_59"))}
    listed = categories("pascal_context_459")
    return np.array([255, *(places.get(category.name, 255) for category in listed)], np.int64)


def _coco_stuff_table() -> npt.NDArray[np.int64]:
    table = np.full(256, -1, np.int64)
    for number, train_id in number_table("coco_stuff_raw").items():
        table[int(number)] = train_id
    # Numbers of categories that COCO-Stuff has taken out do not occur; they are ignored like 255.
    return np.where(table < 0, 255, table)


_VOC_2010, _VOC_2012 = "VOCdevkit/VOC2010", "VOCdevkit/VOC2012"
_context_sources = _in_list(f"{_VOC_2010}/pascalcontext_val.txt", f"{_VOC_2010}/trainval", ".mat")
_RECIPES: dict[str, Recipe] = {
    "ade20k_150": Recipe(
        _in_folder("ADEChallengeData2016/annotations/validation"), read_numbers, lambda: _shifted(150, 255)
    ),
    "ade20k_847": Recipe(_ade_full, _read_ade_full, _ade_full_table, shrink=True),
    "pascal_context_59": Recipe(_context_sources, _read_matlab, _context_59_table),
    "pascal_context_459": Recipe(_context_sources, _read_matlab, lambda: _shifted(459, 65535)),
    "pascal_voc_20": Recipe(
        _in_list(f"{_VOC_2012}/ImageSets/Segmentation/val.txt", f"{_VOC_2012}/SegmentationClassAug", ".png"),
        read_numbers,
        lambda: _shifted(20, 255, 255),
        drop_empty=True,
    ),
    "coco_stuff_171": Recipe(_in_folder("coco/stuffthingmaps/train2017"), read_numbers, _coco_stuff_table),
}
