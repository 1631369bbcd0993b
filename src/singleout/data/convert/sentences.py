"""Ref-YouTube-VOS, Ref-DAVIS17 and RefCOCO: sentences to annotations that carry them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from singleout.data import refcoco, referring
from singleout.data.convert.document import Document, OnStep, one_frame, picture_size, tracks_in, video_entry
from singleout.data.records import ImageAnnotation, ImageSet, Reference, ReferringVideo
from singleout.errors import InputError
from singleout.exports.rle import as_rle

_SEEN_AT_LEAST = 5
_LONG_SIDE = 360


def ref_youtube_vos(root: Path, split: str, on_step: OnStep) -> Document:
    """An annotation for each sentence: its text as `expressions` and a number or key as `exp_id`.

    Training: masks of the object that is meant, exp_id counts on, and objects in fewer than 5 frames are dropped, as
    the official converter does. Validation (the test videos taken out): no masks, exp_id is the key of the sentence.
    """
    videos = referring.read_ref_ytvos(root, split=split)
    training = split.startswith("train")
    if training and not all(video.truth for video in videos):
        raise InputError(f"{root}: the sentences of {split} do not say which object they mean: download them again")
    entries = [video_entry(key, video, _size_of(video)) for key, video in enumerate(videos, 1)]

    def annotations() -> Iterator[dict[str, Any]]:
        numbers = count(1)
        for video_id, video in enumerate(videos, 1):
            found = tracks_in(video, _present(video))[1] if training else {}
            for sentence in video.sentences:
                about = {"video_id": video_id, "category_id": 1, "iscrowd": 0, "expressions": [sentence.text]}
                if not training:
                    yield {"id": next(numbers), **about, "exp_id": sentence.id}
                    continue
                parts = found.get(sentence.object_ids[0])
                if parts is None or parts.num_visible < _SEEN_AT_LEAST:
                    continue
                key = next(numbers)
                # The official converter gives the number of the object as the id, so sentences of one object share it.
                yield {**about, "id": sentence.object_ids[0], "exp_id": key, **parts.entry()}
            on_step(video.name)

    return Document(entries, annotations())


def ref_davis_meta(root: Path, split: str, on_step: OnStep) -> dict[str, Any]:
    """meta_expressions.json of Ref-DAVIS17 from its text files: sentence e of object e // 4 + 1, annotator e % 4."""
    videos = {}
    for video in referring.read_ref_davis(root, split=split):
        sentences = {
            each.id: {"exp": each.text, "obj_id": str(each.object_ids[0])}
            for each in video.sentences
            if each.object_ids
        }
        videos[video.name] = {"expressions": sentences, "frames": list(video.frame_names)}
        on_step(video.name)
    return {"videos": videos}


def ref_davis(root: Path, annotator: int, split: str, on_step: OnStep) -> Document:
    """The sentences of one annotator, 0 to 3, as UniVS's ``valid_<annotator>.json``; exp_id is the object from 0."""
    videos = referring.read_ref_davis(root, split=split)
    entries = [video_entry(key, video, _size_of(video)) for key, video in enumerate(videos, 1)]

    def annotations() -> Iterator[dict[str, Any]]:
        numbers = count(1)
        for video_id, video in enumerate(videos, 1):
            for sentence in video.sentences:
                if sentence.annotator == annotator:
                    about = {"id": next(numbers), "video_id": video_id, "category_id": 1, "iscrowd": 0}
                    yield {**about, "exp_id": sentence.object_ids[0] - 1, "expressions": [sentence.text]}
            on_step(video.name)

    return Document(entries, annotations())


def refcoco_sentences(root: Path, name: str, split: str, on_step: OnStep) -> dict[str, Any]:
    """``instances_<name>_<split>.json``: an image entry for each sentence, with one annotation."""
    listed, references = refcoco.read_raw(root, name)
    if split not in {reference.split for reference in references}:
        raise InputError(f"{root / name} has no split {split!r}: choose one of {', '.join(refcoco.SPLITS[name])}")
    pictures = {image.id: image for image in listed.images}
    known = {annotation.id: annotation for annotation in listed.annotations}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for reference in references:
        if reference.split != split:
            continue
        image = pictures[reference.image_id]
        for sentence in reference.sentences:
            key = len(images) + 1
            about = {"id": key, "file_name": image.path.name, "height": image.height, "width": image.width}
            told = {"original_id": image.id, "caption": sentence.text, "dataset_name": name}
            images.append({**about, **told})
            annotations.append(
                {**_mask(known[reference.annotation_id], image.height, image.width), "id": key, "image_id": key}
            )
        on_step(str(reference.id))
    categories = [{"supercategory": "object", "id": 1, "name": "object"}]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def refcoco_videos(root: Path, split: str, on_step: OnStep) -> Document:
    """The three sets mixed as videos of one frame, an annotation for each sentence, numbered anew.

    Images whose long side is below 360 pixels are dropped. An image that several sets use is one video.
    """
    videos: dict[int | str, dict[str, Any]] = {}
    found: list[tuple[ImageSet, Reference]] = []
    for name in refcoco.SPLIT_BY:
        if not (root / name).is_dir():
            raise InputError(f"{root / name} is missing: the mix is of {', '.join(refcoco.SPLIT_BY)}")
        listed, references = refcoco.read_raw(root, name)
        pictures = {image.id: image for image in listed.images}
        for reference in references:
            image = pictures[reference.image_id]
            if reference.split == split and max(image.height, image.width) >= _LONG_SIDE:
                found.append((listed, reference))
                size = (image.height, image.width)
                videos.setdefault(image.id, one_frame(len(videos) + 1, image.path.name, size, original_id=image.id))

    def annotations() -> Iterator[dict[str, Any]]:
        numbers, known = count(1), _annotations_of(found)
        for listed, reference in found:
            video = videos[reference.image_id]
            mask = _mask(known[str(listed.path), reference.annotation_id], video["height"], video["width"])
            per_frame = {
                "bboxes": [mask["bbox"]],
                "segmentations": [mask["segmentation"]],
                "areas": [mask["area"]],
            }
            for sentence in reference.sentences:
                key = next(numbers)
                about = {"id": key, "video_id": video["id"], "category_id": 1, "iscrowd": mask["iscrowd"]}
                yield {**about, "exp_id": key, "expressions": [sentence.text], **per_frame}
            on_step(str(reference.id))

    return Document(list(videos.values()), annotations())


def _annotations_of(found: Sequence[tuple[ImageSet, Reference]]) -> dict[tuple[str, int], ImageAnnotation]:
    sets = {str(listed.path): listed for listed, _ in found}
    return {(path, each.id): each for path, listed in sets.items() for each in listed.annotations}


def _mask(annotation: ImageAnnotation, height: int, width: int) -> dict[str, Any]:
    code = annotation.segmentation
    return {
        "original_id": annotation.id,
        "category_id": 1,
        "segmentation": None if code is None else as_rle(code["counts"], height, width),
        "area": annotation.area,
        "bbox": list(annotation.box),
        "iscrowd": int(annotation.iscrowd),
    }


def _present(video: ReferringVideo) -> dict[str, Path]:
    return {name: path for name, path in video.truth.items() if path.is_file()}


def _size_of(video: ReferringVideo) -> tuple[int, int]:
    for path in (*video.images[:1], *list(video.truth.values())[:1]):
        if path.is_file():
            return picture_size(path)
    raise InputError(f"{video.images[0] if video.images else video.name} is missing: sizes are read from the frames")
