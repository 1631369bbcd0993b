"""Semantic segmentation: ``<video>/<frame>.png``, a class number at each pixel, and ``classes.json`` with their names.

As VSPW and ADE20K evaluate it: numbers from 0, 255 where nothing is known. With a number above 254 the PNGs have 16
bits and 65535 takes the place of 255.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from singleout.errors import InputError
from singleout.exports.flat import Flat
from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, read_json, write_shared
from singleout.exports.pictures import Ids, index_picture, pictures_in, read_numbers, read_tracks, video_folder
from singleout.media.atomic import atomic_folder

if TYPE_CHECKING:
    from singleout.tracks import Tracks

_CLASSES = "classes.json"


def write(tracks: Tracks, where: Destination) -> list[Path]:
    """Write a PNG of class numbers a frame, counted from 0 where `categories` is None; objects of a class become one.

    Raises InputError for numbers above 65534.
    """
    numbers = numbering(tracks, where.categories, first=0)
    largest = max(numbers.values(), default=0)
    if largest > 65534:
        raise InputError(f"the class number {largest} does not fit the format semantic: at most 65534")
    sixteen_bit = largest > 254
    ignore = 65535 if sixteen_bit else 255
    target, classes = where.folder / where.video_name, where.folder / _CLASSES
    check_free([target], overwrite=where.overwrite)
    write_shared(classes, json.dumps(numbers, ensure_ascii=False, indent=1) + "\n", overwrite=where.overwrite)

    known = np.array([0, *tracks.ids])
    class_of = np.array([ignore, *(numbers[label_of(tracks.objects[key])] for key in tracks.ids)])
    flat = Flat(tracks, "semantic")
    with atomic_folder(target, overwrite=where.overwrite) as temporary:
        for frame, name in enumerate(where.frame_names):
            picture = class_of[np.searchsorted(known, flat.ids(frame))]
            index_picture(picture, sixteen_bit=sixteen_bit).save(temporary / f"{name}.png")
    flat.warn()
    return [target, classes]


def read(
    path: Path, *, categories: Mapping[str, int] | None = None, frame_names: Sequence[str] | None = None
) -> Tracks:
    """The tracks in a folder of PNGs: one object a class, its id the class number + 1.

    categories: number of each name; None takes ``classes.json`` beside or in the folder, or names them "class 3".
    frame_names: the frames that must be there. Raises InputError for RGB pictures, other sizes, missing frames and
    numbers without a name.
    """
    from singleout.tracks import ObjectInfo

    folder = video_folder(path)
    if categories is None:
        listed = next((place / _CLASSES for place in (folder, folder.parent) if (place / _CLASSES).is_file()), None)
        categories = None if listed is None else _names(listed)
    paths = pictures_in(folder, frame_names)
    ignore = _ignored(paths)
    names = None if categories is None else {number: name for name, number in categories.items()}

    def read_picture(picture: Path) -> Ids:
        numbers = read_numbers(picture)
        return np.where(numbers == ignore, np.int32(0), numbers + np.int32(1))

    tracks = read_tracks(folder, paths, read_picture)
    described = {}
    for key in tracks.ids:
        if names is not None and key - 1 not in names:
            raise InputError(f"{folder}: class {key - 1} has no name among the {len(names)} categories")
        label = f"class {key - 1}" if names is None else names[key - 1]
        described[key] = ObjectInfo(key, label=label, thing=False)
    return tracks.describe(described)


def _ignored(paths: Sequence[Path]) -> int:
    from PIL import Image

    try:
        with Image.open(paths[0]) as picture:
            return 65535 if picture.mode.startswith("I") else 255
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{paths[0]} cannot be read as a picture: {error}") from error


def _names(path: Path) -> dict[str, int]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(type(number) is int for number in content.values()):
        raise InputError(f"{path}: expected a JSON object of class names and their numbers")
    return content
