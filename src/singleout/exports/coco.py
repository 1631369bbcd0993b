"""COCO: ``instances.json`` with images, annotations and categories; a frame is an image, an object in it an annotation.

Beside COCO's own keys an annotation has ``track_id``, the object id, and ``score``, that of the object in the frame.
Masks are run-length codes, or polygons along the pixel edges (see `outlines`), which COCO's own code fills to the same
mask; a hole is joined to its surroundings by a cut of no width, since COCO unites polygons and cannot subtract.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.exports.entries import entries_of, number
from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, dump, read_json, text_file, write_json_list
from singleout.exports.outlines import trace
from singleout.exports.rle import as_rle, from_json
from singleout.tracks import codes as run_length

if TYPE_CHECKING:
    from singleout.tracks import FrameCodes, Tracks

_FILE = "instances.json"
Segmentation = Callable[[bytes, int, int], Any]


def write(tracks: Tracks, where: Destination, *, image_suffix: str = ".jpg") -> list[Path]:
    """Write run-length codes. image_suffix: of the frame files that the images name."""
    return _write(tracks, where, image_suffix, as_rle)


def write_polygons(tracks: Tracks, where: Destination, *, image_suffix: str = ".jpg") -> list[Path]:
    """Write polygons, one for each part of a mask. image_suffix: of the frame files that the images name."""
    return _write(tracks, where, image_suffix, _polygons)


def read(path: Path) -> Tracks:
    """The tracks in a COCO file, or in the folder that holds it as ``instances.json``; the images are frames.

    Annotations with the same ``track_id`` (or ``instance_id``) are one object; without either, each is an object of its
    own. The score of an object is the highest of its frames, 1 where none is given. Raises InputError for a file that
    is cut off, images of different sizes, and annotations of unknown images or categories.
    """
    from singleout.tracks import ObjectInfo, Tracks

    file = path / _FILE if path.is_dir() else path
    content = read_json(file)
    if not isinstance(content, dict):
        raise InputError(f'{file}: expected a JSON object with "images", "annotations" and "categories"')
    images = entries_of(file, content.get("images"), '"images"')
    annotations = entries_of(file, content.get("annotations"), '"annotations"')
    listed = entries_of(file, content.get("categories"), '"categories"')
    names = {number(file, entry, "id"): str(entry.get("name")) for entry in listed}
    height, width = _size(file, images)
    frame_of = {number(file, image, "id"): frame for frame, image in enumerate(images)}
    files = [str(image.get("file_name", index)) for index, image in enumerate(images)]

    shown: dict[int, dict[int, tuple[float, bytes]]] = {}
    objects: dict[int, ObjectInfo] = {}
    for annotation in annotations:
        key = _object_id(file, annotation)
        image_id, category = number(file, annotation, "image_id"), number(file, annotation, "category_id")
        where = f"{file}: annotation {annotation.get('id')}"
        if image_id not in frame_of:
            raise InputError(f"{where} belongs to image {image_id}, which is not among the images")
        if category not in names:
            raise InputError(f"{where} has category {category}, which is not among the categories")
        score = annotation.get("score", 1.0)
        if not isinstance(score, (int, float)) or not math.isfinite(score):
            raise InputError(f"{where} has the score {score!r}, expected a number")
        in_frame = shown.setdefault(frame_of[image_id], {})
        if key in in_frame:
            raise InputError(f"{where}: object {key} is in image {image_id} twice")
        in_frame[key] = (float(score), from_json(annotation.get("segmentation"), height, width, where))
        best = max(float(score), objects[key].score) if key in objects else float(score)
        objects[key] = ObjectInfo(key, label=names[category], score=best)

    video_name = Path(files[0]).parent.name
    stems = [Path(name).stem for name in files]
    tracks = Tracks(height, width, len(images), exclusive=False, video_name=video_name, frame_names=stems)
    for frame, in_frame in sorted(shown.items()):
        scores, codes = [score for score, _ in in_frame.values()], [code for _, code in in_frame.values()]
        try:
            tracks.append_codes(frame, list(in_frame), scores, codes)
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
    return tracks.describe(objects)


def _write(tracks: Tracks, where: Destination, image_suffix: str, segmentation: Segmentation) -> list[Path]:
    target, numbers = where.folder / _FILE, numbering(tracks, where.categories)
    check_free([target], overwrite=where.overwrite)
    images = (
        {
            "id": index + 1,
            "file_name": f"{where.video_name}/{name}{image_suffix}",
            "width": tracks.width,
            "height": tracks.height,
        }
        for index, name in enumerate(where.frame_names)
    )
    named = [{"id": key, "name": name, "supercategory": "object"} for name, key in numbers.items()]
    with text_file(target) as file:
        # pycocotools copies "info" without asking whether it is there.
        file.write(f'{{"info":{dump({"description": "singleout"})},"licenses":[],\n"images":')
        write_json_list(file, images)
        file.write(f',\n"categories":{dump(named)},\n"annotations":')
        write_json_list(file, _annotations(tracks, numbers, segmentation))
        file.write("}\n")
    return [target]


def _annotations(tracks: Tracks, numbers: Mapping[str, int], segmentation: Segmentation) -> Iterator[dict[str, Any]]:
    category_of = {key: numbers[label_of(info)] for key, info in tracks.objects.items()}
    next_id = 1
    for frame in tracks.frames():
        for annotation in _frame_annotations(frame, category_of, segmentation):
            yield {"id": next_id, **annotation}
            next_id += 1


def _frame_annotations(
    frame: FrameCodes, category_of: Mapping[int, int], segmentation: Segmentation
) -> Iterator[dict[str, Any]]:
    codes = frame.codes
    if not codes:
        return
    areas = run_length.areas(codes, frame.height, frame.width).tolist()
    boxes = run_length.boxes(codes, frame.height, frame.width).tolist()
    for key, score, code, area, box in zip(frame.ids.tolist(), frame.scores.tolist(), codes, areas, boxes, strict=True):
        if not area:
            continue
        left, top, right, bottom = box
        yield {
            "image_id": frame.frame + 1,
            "category_id": category_of[key],
            "track_id": key,
            "segmentation": segmentation(code, frame.height, frame.width),
            "area": area,
            "bbox": [left, top, right - left, bottom - top],
            "iscrowd": 0,
            "score": round(score, 6),
        }


def _polygons(code: bytes, height: int, width: int) -> list[list[int]]:
    return [ring.ravel().tolist() for ring in trace(run_length.decode(code, height, width))]


def _size(path: Path, images: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    if not images:
        raise InputError(f"{path} holds no images, so there is no video to read")
    sizes = list(dict.fromkeys((number(path, image, "height"), number(path, image, "width")) for image in images))
    if len(sizes) > 1:
        (height, width), (other_height, other_width) = sizes[:2]
        raise InputError(
            f"{path}: its images have different sizes ({width}x{height} and {other_width}x{other_height}), so they are "
            "not the frames of one video"
        )
    return sizes[0]


def _object_id(path: Path, annotation: Mapping[str, Any]) -> int:
    for key in ("track_id", "instance_id", "id"):
        if annotation.get(key) is not None:
            return number(path, annotation, key)
    raise InputError(f'{path}: an annotation has neither "track_id" nor "id"')
