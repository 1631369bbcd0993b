"""Annotation JSON of COCO's form: COCO, LVIS, LV-VIS's image oracle, A2D and JHMDB, converted RefCOCO; and results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singleout.data.files import a_box, a_code, a_number, an_id, base_split, by_id, first_of, read_object
from singleout.data.records import ImageAnnotation, ImageResult, ImageSet, ListedImage
from singleout.errors import InputError
from singleout.exports.entries import entries_of, number
from singleout.exports.layout import read_json, without_collection
from singleout.vocabularies.categories import parse


def read_coco(root: Path, *, split: str = "val2017") -> ImageSet:
    """COCO instances: ``annotations/instances_<split>.json`` and ``<split>/*.jpg``."""
    path = first_of(root, [f"annotations/instances_{split}.json", f"instances_{split}.json"], "the annotations")
    return read(path, root / base_split(split))


def read_lvis(root: Path, *, split: str = "val") -> ImageSet:
    """LVIS v1: ``lvis_v1_<split>.json`` and the COCO 2017 images in root, both ``train2017`` and ``val2017``."""
    name = f"lvis_v1_{split}.json"
    return read(first_of(root, [name, f"annotations/{name}", f"lvis/{name}"], "the annotations"), root)


def read_lvvis_oracle(root: Path, *, split: str = "val") -> ImageSet:
    """LV-VIS frame by frame: ``image_<split>_instances.json`` and ``<split>/JPEGImages``."""
    path = first_of(root, [f"image_{split}_instances.json"], "the annotations of single frames")
    return read(path, root / base_split(split) / "JPEGImages")


@without_collection()
def read(path: Path, images: Path | None = None) -> ImageSet:
    """Any file of this form. images: the folder of the pictures; None takes the one of the file.

    Raises InputError, naming file and entry, for what is missing, damaged or unknown.
    """
    content = read_object(path)
    folder = path.parent if images is None else images
    listed = tuple(_image(entry, folder, path) for entry in entries_of(path, content.get("images"), '"images"'))
    known = by_id(listed, path, "images")
    found = parse(content.get("categories", []), str(path))
    numbers = {category.id for category in found}
    entries = entries_of(path, content.get("annotations"), '"annotations"')
    return ImageSet(path, found, listed, tuple(_annotation(entry, known, numbers, path) for entry in entries))


@without_collection()
def read_results(path: Path, truth: ImageSet, *, part: bool = False) -> tuple[ImageResult, ...]:
    """Predictions for a data set, a list of ``{image_id, category_id, score, segmentation, bbox}``.

    Masks and boxes may be missing, not both. part: truth is a development part, and results of images that it does not
    have are left out. Raises InputError for a truncated file, an unknown image or category, and
    a score that is not a finite number.
    """
    known = {image.id: image for image in truth.images}
    numbers = {category.id for category in truth.categories}
    found = []
    for index, entry in enumerate(entries_of(path, read_json(path), "results")):
        where = f"{path}: result {index}"
        if part and an_id(entry, "image_id", where) not in known:
            continue
        image = _the_image(entry, known, where)
        code, box = entry.get("segmentation"), entry.get("bbox")
        if code is None and box is None:
            raise InputError(f'{where}: has neither "segmentation" nor "bbox"')
        category = number(path, entry, "category_id")
        if numbers and category not in numbers:
            raise InputError(f"{where}: category {category} is not in {truth.path}")
        found.append(
            ImageResult(
                image.id,
                category,
                a_number(entry, "score", where),
                None if code is None else a_code(code, image.height, image.width, where),
                None if box is None else a_box(box, where),
            )
        )
    return tuple(found)


def _image(entry: Mapping[str, Any], folder: Path, path: Path) -> ListedImage:
    key = an_id(entry, "id", f"{path}: an image")
    name = entry.get("file_name")
    if not isinstance(name, str):
        # LVIS names the address of the picture; its last two parts are split and file.
        name = "/".join(str(entry.get("coco_url", "")).split("/")[-2:])
    if not name and "coco_url" not in entry:
        raise InputError(f'{path}: image {key} has neither "file_name" nor "coco_url"')
    caption, dataset = entry.get("caption"), entry.get("dataset_name")
    return ListedImage(
        key,
        folder / name,
        number(path, entry, "height"),
        number(path, entry, "width"),
        _numbers(entry, "neg_category_ids", path),
        _numbers(entry, "not_exhaustive_category_ids", path),
        caption=None if caption is None else str(caption),
        original_id=entry.get("original_id"),
        dataset_name=None if dataset is None else str(dataset),
    )


def _annotation(
    entry: Mapping[str, Any], known: Mapping[int | str, ListedImage], numbers: set[int], path: Path
) -> ImageAnnotation:
    key = number(path, entry, "id")
    where = f"{path}: annotation {key}"
    image = _the_image(entry, known, where)
    category = number(path, entry, "category_id")
    if numbers and category not in numbers:
        raise InputError(f'{where}: category {category} is not among the "categories" of the file')
    code = entry.get("segmentation")
    return ImageAnnotation(
        key,
        image.id,
        category,
        None if code is None else a_code(code, image.height, image.width, where),
        a_box(entry.get("bbox"), where),
        a_number(entry, "area", where),
        bool(entry.get("iscrowd", 0)),
    )


def _the_image(entry: Mapping[str, Any], known: Mapping[int | str, ListedImage], where: str) -> ListedImage:
    key = an_id(entry, "image_id", where)
    if key not in known:
        raise InputError(f"{where}: there is no image {key!r}")
    return known[key]


def _numbers(entry: Mapping[str, Any], key: str, path: Path) -> tuple[int, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        raise InputError(f'{path}: expected a list of whole numbers as "{key}", got {value!r:.40}')
    return tuple(value)
