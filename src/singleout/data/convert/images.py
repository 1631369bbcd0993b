"""COCO panoptic, LVIS and EntitySeg: images as videos of one frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from singleout.data import panoptic
from singleout.data.convert.document import Document, OnStep, one_frame
from singleout.data.files import a_part, an_id, first_of, read_object
from singleout.data.records import PanopticFrame
from singleout.errors import InputError
from singleout.exports.entries import entries_of, number
from singleout.vocabularies.categories import Category

_LONG_SIDE = 480


def coco_panoptic(root: Path, split: str, on_step: OnStep) -> Document:
    """One annotation for each segment with box and area; its mask stays in the PNG, which `pan_seg_file_names` names.

    Training drops images whose long side is below 480 pixels.
    """
    listed = panoptic.read_coco_panoptic(root, split=split)
    training = split.startswith("train")
    frames = [
        (key, frame)
        for key, frame in zip(listed.image_ids, listed.frames, strict=True)
        if not training or max(_size(frame)) >= _LONG_SIDE
    ]
    return _segment_document(frames, listed.categories, on_step)


def entityseg_panoptic(paths: Sequence[Path], pictures: Path, images: Path, on_step: OnStep) -> Document:
    """EntitySeg's panoptic files merged, images numbered anew. Raises InputError where their categories differ."""
    sets = [panoptic.read_images(path, pictures, images) for path in paths]
    for other in sets[1:]:
        if other.categories != sets[0].categories:
            raise InputError(f"{other.path} has other categories than {sets[0].path}: take files of one release")
    frames = [(key, frame) for listed in sets for key, frame in zip(listed.image_ids, listed.frames, strict=True)]
    return _segment_document(frames, sets[0].categories, on_step)


def lvis(root: Path, split: str, on_step: OnStep) -> Document:
    """LVIS v1 with its categories that were looked for in vain; no image is dropped."""
    name = f"lvis_v1_{split}.json"
    path = first_of(root, [name, f"annotations/{name}", f"lvis/{name}"], "the annotations")
    return instances(path, on_step)


def instances(path: Path, on_step: OnStep) -> Document:
    """Any file of COCO's form (LVIS, EntitySeg's instances): boxes, masks and areas as they are, in lists of one."""
    content = read_object(path)
    images = entries_of(path, content.get("images"), '"images"')
    ids = {an_id(image, "id", f"{path}: an image"): key for key, image in enumerate(images, 1)}
    videos = [_image_entry(path, key, image) for key, image in enumerate(images, 1)]

    def annotations() -> Iterator[dict[str, Any]]:
        for entry in entries_of(path, content.get("annotations"), '"annotations"'):
            image_id = an_id(entry, "image_id", f"{path}: an annotation")
            if image_id not in ids:
                raise InputError(f"{path}: an annotation is of image {image_id!r}, which is not listed")
            yield {
                "id": number(path, entry, "id"),
                "video_id": ids[image_id],
                "category_id": number(path, entry, "category_id"),
                "iscrowd": entry.get("iscrowd", 0),
                "bboxes": [entry.get("bbox")],
                "segmentations": [entry.get("segmentation")],
                "areas": [entry.get("area")],
            }
            on_step(str(entry["id"]))

    return Document(videos, annotations(), entries_of(path, content.get("categories"), '"categories"'))


def _image_entry(path: Path, key: int, image: Mapping[str, Any]) -> dict[str, Any]:
    name = image.get("file_name")
    if not isinstance(name, str):
        # LVIS names the address of the picture; its last two parts are split and file.
        name = "/".join(a_part(image, "coco_url", str, f"{path}: image {image.get('id')}").split("/")[-2:])
    kept = {each: image[each] for each in ("neg_category_ids", "not_exhaustive_category_ids") if each in image}
    return one_frame(key, name, (number(path, image, "height"), number(path, image, "width")), **kept)


def _segment_document(
    frames: Sequence[tuple[int | str, PanopticFrame]], listed: Sequence[Category], on_step: OnStep
) -> Document:
    videos = [
        one_frame(
            number_,
            frame.image.name if frame.image else f"{frame.name}.jpg",
            _size(frame),
            original_id=key,
            pan_seg_file_names=[frame.picture.name],
        )
        for number_, (key, frame) in enumerate(frames, 1)
    ]
    categories = [{"id": each.id, "name": each.name, "isthing": int(bool(each.thing))} for each in listed]

    def annotations() -> Iterator[dict[str, Any]]:
        numbers = count(1)
        for video_id, (_, frame) in enumerate(frames, 1):
            for segment in frame.segments:
                yield {
                    "id": next(numbers),
                    "video_id": video_id,
                    "category_id": segment.category_id,
                    "iscrowd": int(segment.iscrowd),
                    "segment_id": segment.id,
                    "bboxes": [None if segment.box is None else list(segment.box)],
                    "segmentations": [None],
                    "areas": [segment.area],
                }
            on_step(frame.name)

    return Document(videos, annotations(), categories)


def _size(frame: PanopticFrame) -> tuple[int, int]:
    if frame.height is None or frame.width is None:
        raise InputError(f"{frame.picture}: the file does not say how large the image is")
    return frame.height, frame.width
