"""YouTube-VOS 2018 and 2019, and MOSE, which has the same folders without a meta file.

``<split>/{JPEGImages,Annotations}/<video>/<frame>.{jpg,png}`` and ``<split>/meta.json`` with the objects of each video,
their categories and the frames in which they are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singleout.data.files import (
    a_part,
    an_object,
    base_split,
    paths_for,
    read_object,
    stems,
    strings,
    subfolders,
    the_folder,
)
from singleout.data.records import ObjectVideo, VideoObject
from singleout.errors import InputError
from singleout.exports.layout import check_name
from singleout.exports.pictures import natural_key


def read(
    root: Path, *, split: str = "valid", all_frames: bool = False, truth: Path | None = None
) -> tuple[ObjectVideo, ...]:
    """The videos of a split in the order of meta.json.

    all_frames: frames of ``<split>_all_frames`` (30 a second) in place of every fifth; scores are several points higher
    so (xmlyqing00/AFB-URR#5). truth: a folder ``<video>/<frame>.png`` to score with; None takes the Annotations of a
    training split, and none elsewhere, because those of the validation hold each object in its first frame only
    (yoxu515/aot-benchmark#64). Raises InputError for a missing or damaged meta file.
    """
    folder = the_folder(root / base_split(split), "JPEGImages and Annotations")
    part = split.removeprefix(base_split(split))
    meta = folder / f"meta{part}.json"
    videos = a_part(read_object(meta), "videos", dict, str(meta))
    frames = root / f"{base_split(split)}_all_frames" if all_frames else folder
    if all_frames:
        the_folder(frames / "JPEGImages", "the frames of every video at full rate")
    if truth is None and base_split(split) == "train":
        truth = folder / "Annotations"
    found = []
    for name, entry in videos.items():
        where = f"{meta}: video {name}"
        check_name(name, f"name of a video in {meta}")
        found.append(_video(folder, frames, truth, name, objects_of(an_object(entry, where), where)))
    return tuple(found)


def read_folders(root: Path, *, split: str = "valid") -> tuple[ObjectVideo, ...]:
    """The videos of MOSE: those that have a folder, in its order; objects are known from the pictures only."""
    folder = the_folder(root / base_split(split), "JPEGImages and Annotations")
    the_folder(folder / "JPEGImages", "a folder for each video")
    videos = []
    for name in subfolders(folder / "JPEGImages"):
        names = stems(folder / "JPEGImages" / name)
        pictures = dict(zip(names, paths_for(folder / "Annotations" / name, names, ".png"), strict=True))
        given = {names[0]: pictures[names[0]]} if names else {}
        images = paths_for(folder / "JPEGImages" / name, names, ".jpg")
        truth = pictures if base_split(split) == "train" else {}
        videos.append(ObjectVideo(name, names, images, given=given, truth=truth))
    return tuple(videos)


def seen_categories(root: Path) -> frozenset[str]:
    """The categories that training shows (65 by the paper); all others count as unseen.

    Raises InputError where ``train/meta.json`` is missing.
    """
    return frozenset(
        entry.category for video in read(root, split="train") for entry in video.objects if entry.category is not None
    )


def objects_of(entry: Mapping[str, Any], where: str) -> tuple[VideoObject, ...]:
    """The objects of one video of a meta file. Raises InputError for a number or frames that are none."""
    found = []
    for key, each in a_part(entry, "objects", dict, where).items():
        about = f"{where}, object {key}"
        if not key.isascii() or not key.isdecimal() or int(key) < 1:
            raise InputError(f"{about}: expected a whole number from 1 as the number of an object")
        content = an_object(each, about)
        frames = strings(content.get("frames"), f"{about}, frames")
        if not frames:
            raise InputError(f"{about} lists no frame: take it out, or download the file again")
        category = content.get("category")
        found.append(VideoObject(int(key), frames, category if isinstance(category, str) else None))
    return tuple(found)


def _video(folder: Path, frames: Path, truth: Path | None, name: str, objects: tuple[VideoObject, ...]) -> ObjectVideo:
    listed = {frame for each in objects for frame in each.frames}
    pictures = frames / "JPEGImages" / name
    names = tuple(sorted({*stems(pictures), *listed}, key=natural_key))
    first = sorted({each.frames[0] for each in objects})
    return ObjectVideo(
        name,
        names,
        paths_for(pictures, names, ".jpg"),
        given={frame: folder / "Annotations" / name / f"{frame}.png" for frame in first},
        truth={} if truth is None else {frame: truth / name / f"{frame}.png" for frame in sorted(listed)},
        objects=objects,
    )
