"""Annotation JSON of YouTube-VIS's form: YouTube-VIS 2019 and 2021, OVIS, LV-VIS, and results for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singleout.data.files import (
    a_box,
    a_number,
    a_part,
    an_id,
    base_split,
    by_id,
    first_of,
    read_object,
    strings,
)
from singleout.data.records import ListedVideo, Rle, TrackAnnotation, TrackResult, TrackSet
from singleout.errors import InputError
from singleout.exports.entries import entries_of, number
from singleout.exports.layout import read_json, without_collection
from singleout.exports.rle import all_from_json
from singleout.vocabularies.categories import parse

_VIDEO_KEYS = {"id", "width", "height", "length", "file_names"}
_TRACK_KEYS = {
    "id",
    "video_id",
    "category_id",
    "iscrowd",
    "segmentations",
    "bboxes",
    "areas",
    "width",
    "height",
    "length",
}


def read_ytvis(root: Path, *, split: str = "valid") -> TrackSet:
    """YouTube-VIS or OVIS: ``<split>.json`` and ``<split>/JPEGImages``, or the names that the challenges give them."""
    base = base_split(split)
    path = first_of(
        root,
        [f"{split}.json", f"{split}/instances.json", f"annotations_{split}.json", f"instances_{split}.json"],
        "the annotation file of the split",
    )
    images = root / base / "JPEGImages"
    return read(path, images if images.is_dir() else root / base if (root / base).is_dir() else images)


def read_lvvis(root: Path, *, split: str = "val") -> TrackSet:
    """LV-VIS: ``<split>_instances.json`` and ``<split>/JPEGImages``."""
    path = first_of(
        root, [f"{split}_instances.json", f"{split}/{split}_instances.json"], "the annotation file of the split"
    )
    return read(path, root / base_split(split) / "JPEGImages")


@without_collection()
def read(path: Path, images: Path | None = None) -> TrackSet:
    """Any file of this form. images: the folder that `file_names` start in; None takes the one of the file.

    Raises InputError, naming file and entry, for what is missing, of another length than its video, or unknown.
    """
    content = read_object(path)
    folder = path.parent if images is None else images
    videos = tuple(_video(entry, folder, path) for entry in entries_of(path, content.get("videos"), '"videos"'))
    known = by_id(videos, path, "videos")
    listed = parse(content.get("categories", []), str(path))
    numbers = {category.id for category in listed}
    annotations = None
    if content.get("annotations") is not None:
        entries = entries_of(path, content["annotations"], '"annotations"')
        annotations = tuple(_annotation(entry, known, numbers, path) for entry in entries)
    return TrackSet(path, listed, videos, annotations)


@without_collection()
def read_results(path: Path, truth: TrackSet, *, part: bool = False) -> tuple[TrackResult, ...]:
    """Predictions for a data set, ``results.json``.

    part: truth is a development part, and results of videos that it does not have are left out. Raises InputError for a
    truncated file, an unknown video or category, a score that is not a finite number, and an entry whose segmentations
    are not as many as the frames of its video.
    """
    known = {video.id: video for video in truth.videos}
    numbers = {category.id for category in truth.categories}
    found = []
    for index, entry in enumerate(entries_of(path, read_json(path), "results")):
        where = f"{path}: result {index}"
        if part and an_id(entry, "video_id", where) not in known:
            continue
        video = _the_video(entry, known, where)
        category = number(path, entry, "category_id")
        if category not in numbers:
            raise InputError(f"{where}: category {category} is not in {truth.path}")
        codes = _codes(entry, video, where)
        found.append(TrackResult(video.id, category, a_number(entry, "score", where), codes))
    return tuple(found)


def _video(entry: Mapping[str, Any], folder: Path, path: Path) -> ListedVideo:
    key = an_id(entry, "id", f"{path}: a video")
    where = f"{path}: video {key}"
    files = strings(entry.get("file_names"), f"{where}, file_names")
    height, width, length = (number(path, entry, part) for part in ("height", "width", "length"))
    if length != len(files):
        raise InputError(f'{where}: "length" is {length}, but {len(files)} file names are listed')
    for file in files:
        if file.startswith("/") or ".." in file.split("/"):
            raise InputError(f"{where}: the file name {file!r} leaves the folder of the data set")
    paths = tuple(folder / file for file in files)
    return ListedVideo(
        files[0].partition("/")[0] if files and "/" in files[0] else str(key),
        tuple(path.stem for path in paths),
        paths,
        key,
        height,
        width,
        {part: value for part, value in entry.items() if part not in _VIDEO_KEYS},
    )


def _annotation(
    entry: Mapping[str, Any], known: Mapping[int | str, ListedVideo], numbers: set[int], path: Path
) -> TrackAnnotation:
    key = number(path, entry, "id")
    where = f"{path}: annotation {key}"
    video = _the_video(entry, known, where)
    category = number(path, entry, "category_id")
    if numbers and category not in numbers:
        raise InputError(f'{where}: category {category} is not among the "categories" of the file')
    boxes, areas = (_per_frame(entry, part, video, where) for part in ("bboxes", "areas"))
    return TrackAnnotation(
        key,
        video.id,
        category,
        # Conversions of sentences whose truth is not public have none.
        _codes(entry, video, where) if entry.get("segmentations") is not None else (None,) * video.length,
        tuple(None if box is None else a_box(box, where) for box in boxes),
        tuple(None if area is None else a_number({"areas": area}, "areas", where) for area in areas),
        bool(entry.get("iscrowd", 0)),
        {part: value for part, value in entry.items() if part not in _TRACK_KEYS},
    )


def _the_video(entry: Mapping[str, Any], known: Mapping[int | str, ListedVideo], where: str) -> ListedVideo:
    key = an_id(entry, "video_id", where)
    if key not in known:
        raise InputError(f"{where}: there is no video {key!r}")
    return known[key]


def _codes(entry: Mapping[str, Any], video: ListedVideo, where: str) -> tuple[Rle | None, ...]:
    size = [video.height, video.width]
    codes = all_from_json(_per_frame(entry, "segmentations", video, where), video.height, video.width, where)
    return tuple([None if code is None else {"size": size, "counts": code} for code in codes])


def _per_frame(entry: Mapping[str, Any], key: str, video: ListedVideo, where: str) -> list[Any]:
    if key != "segmentations" and entry.get(key) is None:
        return [None] * video.length
    values: list[Any] = a_part(entry, key, list, where)
    if len(values) != video.length:
        raise InputError(f'{where}: {len(values)} entries in "{key}" for the {video.length} frames of video {video.id}')
    return values
