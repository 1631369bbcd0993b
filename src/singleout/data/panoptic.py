"""Panoptic truth and results: VIPSeg raw and converted, and COCO's panoptic JSON of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from singleout.data.files import (
    a_box,
    a_number,
    a_part,
    an_id,
    base_split,
    first_of,
    paths_for,
    read_names,
    read_object,
    stems,
    the_folder,
)
from singleout.data.records import MaskedVideo, PanopticFrame, PanopticImageSet, PanopticSet, PanopticVideo, Segment
from singleout.errors import InputError
from singleout.exports.entries import entries_of, number
from singleout.exports.layout import check_name
from singleout.vocabularies.categories import parse

Numbers = npt.NDArray[np.integer[Any]]
# Raw VIPSeg: 1 to 124 is stuff, or a thing whose instance is not told; a thing's instance is category * 100 + number.
RAW_CATEGORIES = 124


def read_raw_vipseg(root: Path, *, split: str = "val") -> tuple[MaskedVideo, ...]:
    """VIPSeg as released: ``imgs/<video>/*.jpg``, ``panomasks/<video>/*.png`` (16 bits) and ``<split>.txt``.

    Frames are those of imgs and panomasks together. Raises InputError where list or folders are missing.
    """
    names = read_names(first_of(root, [f"{split}.txt"], "the videos of the split, one a line"))
    the_folder(root / "panomasks", "a folder of 16-bit PNGs for each video")
    return tuple(_raw_video(root, name) for name in names)


def decode_raw(values: Numbers) -> tuple[Numbers, Numbers]:
    """Category 1 to 124, 0 for void, and instance number of each pixel of a raw VIPSeg mask, 0 where it has none."""
    thing = values > RAW_CATEGORIES
    return np.where(thing, values // 100, values), np.where(thing, values % 100, 0)


def read_vipseg(root: Path, *, split: str = "val") -> PanopticSet:
    """Converted VIPSeg: ``panoptic_gt_VIPSeg_<split>.json``, ``panomasksRGB/<video>/*.png``, ``images/<video>``."""
    path = first_of(root, [f"panoptic_gt_VIPSeg_{split}.json"], "the converted truth: singleout data convert vipseg")
    images = next((root / name for name in ("images", "imgs") if (root / name).is_dir()), root / "images")
    return read_videos(path, root / "panomasksRGB", images)


def read_videos(path: Path, pictures: Path, images: Path | None = None) -> PanopticSet:
    """A panoptic JSON of videos, truth or results (``pred.json`` with pictures in ``pan_pred``).

    Sizes are known where the file has "videos". Raises InputError, naming file and entry, for what is missing or
    damaged, a segment that is listed twice in a frame, and a category that the file does not know.
    """
    content = read_object(path)
    categories = parse(content.get("categories", []), str(path))
    numbers = {category.id for category in categories}
    sizes = _sizes(content, path)
    videos: dict[str, PanopticVideo] = {}
    for entry in entries_of(path, content.get("annotations"), '"annotations"'):
        name = str(an_id(entry, "video_id", f"{path}: a video"))
        check_name(name, f"name of a video in {path}")
        if name in videos:
            raise InputError(f"{path}: video {name} is listed twice")
        frames: dict[str, PanopticFrame] = {}
        for each in entries_of(path, entry.get("annotations"), f"the frames of video {name}"):
            file = a_part(each, "file_name", str, f"{path}: video {name}")
            stem = PurePosixPath(file).stem
            check_name(stem, f"name of a frame in {path}")
            if stem in frames:
                raise InputError(f"{path}: video {name} lists frame {stem} twice")
            height, width = sizes.get((name, stem), (None, None))
            segments = _segments(each, numbers, f"{path}: video {name}, frame {stem}")
            picture = pictures / name / f"{stem}.png"
            image = None if images is None else images / name / f"{stem}.jpg"
            frames[stem] = PanopticFrame(stem, picture, segments, height, width, image)
        videos[name] = PanopticVideo(name, tuple(frames.values()))
    return PanopticSet(path, categories, tuple(videos.values()))


def read_coco_panoptic(root: Path, *, split: str = "val2017") -> PanopticImageSet:
    """COCO panoptic: ``annotations/panoptic_<split>.json``, its PNGs in the folder of that name, ``<split>/*.jpg``."""
    path = first_of(root, [f"annotations/panoptic_{split}.json", f"panoptic_{split}.json"], "the panoptic truth")
    name = f"panoptic_{base_split(split)}"
    pictures = next((each for each in (path.parent / name, root / name) if each.is_dir()), path.parent / name)
    return read_images(path, pictures, root / base_split(split))


def read_images(path: Path, pictures: Path, images: Path) -> PanopticImageSet:
    """A panoptic JSON of images. Raises InputError as `read_videos` does, and for an image without annotation."""
    content = read_object(path)
    categories = parse(content.get("categories", []), str(path))
    numbers = {category.id for category in categories}
    listed = {
        an_id(entry, "id", f"{path}: an image"): entry for entry in entries_of(path, content.get("images"), '"images"')
    }
    ids, frames = [], []
    for entry in entries_of(path, content.get("annotations"), '"annotations"'):
        key = an_id(entry, "image_id", f"{path}: an annotation")
        if key not in listed:
            raise InputError(f'{path}: an annotation is of image {key!r}, which "images" does not list')
        where = f"{path}: image {key}"
        picture = pictures / a_part(entry, "file_name", str, where)
        image = listed[key]
        height, width = number(path, image, "height"), number(path, image, "width")
        source = images / a_part(image, "file_name", str, where)
        ids.append(key)
        frames.append(PanopticFrame(picture.stem, picture, _segments(entry, numbers, where), height, width, source))
    return PanopticImageSet(path, categories, tuple(ids), tuple(frames))


def _raw_video(root: Path, name: str) -> MaskedVideo:
    images, masks = root / "imgs" / name, root / "panomasks" / name
    names = stems(images, masks)
    return MaskedVideo(name, names, paths_for(images, names, ".jpg"), paths_for(masks, names, ".png"))


def _sizes(content: Mapping[str, Any], path: Path) -> dict[tuple[str, str], tuple[int, int]]:
    sizes = {}
    for video in entries_of(path, content.get("videos", []), '"videos"'):
        name = str(an_id(video, "video_id", f"{path}: a video"))
        for image in entries_of(path, video.get("images"), f"the images of video {name}"):
            stem = PurePosixPath(a_part(image, "file_name", str, f"{path}: video {name}")).stem
            sizes[name, stem] = (number(path, image, "height"), number(path, image, "width"))
    return sizes


def _segments(entry: Mapping[str, Any], numbers: set[int], where: str) -> tuple[Segment, ...]:
    found: dict[int, Segment] = {}
    for each in a_part(entry, "segments_info", list, where):
        if not isinstance(each, dict):
            raise InputError(f"{where}: expected a JSON object as a segment, got {each!r:.40}")
        key, category = (a_part(each, part, int, where) for part in ("id", "category_id"))
        if key in found:
            raise InputError(f"{where}: segment {key} is listed twice")
        if numbers and category not in numbers:
            raise InputError(f'{where}: category {category} is not among the "categories" of the file')
        area = None if each.get("area") is None else a_number(each, "area", where)
        box = None if each.get("bbox") is None else a_box(each["bbox"], where)
        found[key] = Segment(key, category, bool(each.get("iscrowd", 0)), area, box)
    return tuple(found.values())
