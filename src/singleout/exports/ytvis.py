"""YouTube-VIS, OVIS, LV-VIS: ``results.json``, what the servers take, and ``instances.json``, the same as a data set.

Results are a list of ``{video_id, category_id, score, segmentations}`` with a run-length code or null for each frame.
Results carry no object ids, but stand in the order of the ids; without ``instances.json`` beside them they read back as
1, 2, 3, …
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.exports.entries import entries_of, number, the_video
from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, dump, read_json, text_file, write_json_list
from singleout.exports.rle import as_rle, from_json, size_of
from singleout.media.atomic import atomic_path

if TYPE_CHECKING:
    from singleout.tracks import ObjectInfo, Track, Tracks

_RESULTS, _INSTANCES = "results.json", "instances.json"


def write(
    tracks: Tracks,
    where: Destination,
    *,
    video_id: int = 1,
    image_suffix: str = ".jpg",
    archive: bool = False,
) -> list[Path]:
    """Write both files. An object that has no pixel in a frame is null there, whatever its score.

    video_id: the number of the video in its data set. image_suffix: of the frame files that `instances.json` names.
    archive: also write ``results.zip`` with ``results.json`` at its root, as the servers want it.
    """
    numbers = numbering(tracks, where.categories)
    results, instances, zipped = where.folder / _RESULTS, where.folder / _INSTANCES, where.folder / "results.zip"
    check_free([results, instances, *([zipped] if archive else [])], overwrite=where.overwrite)
    with text_file(results) as file:
        write_json_list(file, (_result(track, numbers, video_id) for track in tracks))
    video = {
        "id": video_id,
        "width": tracks.width,
        "height": tracks.height,
        "length": tracks.num_frames,
        "file_names": [f"{where.video_name}/{name}{image_suffix}" for name in where.frame_names],
    }
    named = [{"id": key, "name": name, "supercategory": "object"} for name, key in numbers.items()]
    with text_file(instances) as file:
        file.write(f'{{"videos":[{dump(video)}],\n"categories":{dump(named)},\n"annotations":')
        write_json_list(file, (_annotation(track, numbers, video_id) for track in tracks))
        file.write("}\n")
    if not archive:
        return [results, instances]
    with atomic_path(zipped) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(results, _RESULTS)
    return [results, instances, zipped]


def read(path: Path, *, video_id: int | None = None, categories: Mapping[str, int] | None = None) -> Tracks:
    """The tracks of one video in results or in a data set's ground truth.

    path: a file of either kind, or the folder that `write` filled. Beside results, ``instances.json`` is looked at for
    names and sizes, and where both are of the same objects, for their ids. video_id: which video; None is right where
    there is only one. categories: number of each name; None takes those of the file. Raises InputError for a file
    that is cut off, an unknown video or category, and masks of different sizes.
    """
    file = path
    if path.is_dir():
        file = next((path / name for name in (_RESULTS, _INSTANCES) if (path / name).is_file()), path / _RESULTS)
    content = read_json(file)
    if isinstance(content, dict):
        return _read_truth(file, content, video_id, categories)
    entries = entries_of(file, content, "results")
    beside = file.parent / _INSTANCES
    truth = read_json(beside) if beside != file and beside.is_file() else None
    if not isinstance(truth, dict):
        chosen = the_video(file, [number(file, entry, "video_id") for entry in entries], video_id)
        mine = [entry for entry in entries if entry["video_id"] == chosen]
        return _tracks(file, mine, None, categories, range(1, len(mine) + 1))
    known = [number(beside, video, "id") for video in entries_of(beside, truth.get("videos"), '"videos"')]
    chosen = the_video(file, [number(file, entry, "video_id") for entry in entries] or known, video_id)
    mine = [entry for entry in entries if entry["video_id"] == chosen]
    ids = _ids_of_same_objects(beside, truth, chosen, mine)
    return _tracks(file, mine, _video_of(beside, truth, chosen), categories or _categories_of(beside, truth), ids)


def _result(track: Track, numbers: Mapping[str, int], video_id: int) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "category_id": numbers[label_of(track.info)],
        "score": _finite(track.score),
        "segmentations": _segmentations(track),
    }


def _annotation(track: Track, numbers: Mapping[str, int], video_id: int) -> dict[str, Any]:
    areas = track.areas.tolist()
    boxes = track.boxes.tolist()
    return {
        "id": track.id,
        "video_id": video_id,
        "category_id": numbers[label_of(track.info)],
        "iscrowd": 0,
        "width": track.tracks.width,
        "height": track.tracks.height,
        "segmentations": _segmentations(track),
        "bboxes": [
            [left, top, right - left, bottom - top] if area else None
            for area, (left, top, right, bottom) in zip(areas, boxes, strict=True)
        ],
        "areas": [area or None for area in areas],
    }


def _segmentations(track: Track) -> list[dict[str, Any] | None]:
    height, width = track.tracks.height, track.tracks.width
    return [
        as_rle(code, height, width) if code is not None and area else None
        for code, area in zip(track.codes, track.areas.tolist(), strict=True)
    ]


def _read_truth(
    path: Path, content: Mapping[str, Any], video_id: int | None, categories: Mapping[str, int] | None
) -> Tracks:
    videos = entries_of(path, content.get("videos"), '"videos"')
    chosen = the_video(path, [number(path, video, "id") for video in videos], video_id)
    video = _video_of(path, content, chosen)
    if content.get("annotations") is None:
        raise InputError(f'{path} has no "annotations", as the validation files of the challenges: no tracks to read')
    annotations = entries_of(path, content["annotations"], '"annotations"')
    mine = [{"score": 1.0, **entry} for entry in annotations if number(path, entry, "video_id") == chosen]
    ids = [number(path, entry, "id") for entry in mine]
    return _tracks(path, mine, video, categories or _categories_of(path, content), ids)


def _ids_of_same_objects(
    path: Path, truth: Mapping[str, Any], video_id: int, entries: Sequence[Mapping[str, Any]]
) -> Sequence[int]:
    """The ids in the data set beside the results if it lists the very same masks, else 1, 2, …"""
    annotations = [entry for entry in truth.get("annotations") or [] if entry.get("video_id") == video_id]
    truly, found = (
        [(entry.get("category_id"), entry.get("segmentations")) for entry in each] for each in (annotations, entries)
    )
    if truly != found:
        return range(1, len(entries) + 1)
    return [number(path, entry, "id") for entry in annotations]


def _tracks(
    path: Path,
    entries: Sequence[Mapping[str, Any]],
    video: Mapping[str, Any] | None,
    categories: Mapping[str, int] | None,
    ids: Sequence[int],
) -> Tracks:
    from singleout.tracks import Tracks

    lists = [_listed(path, entry) for entry in entries]
    if video is not None:
        length, height, width = (number(path, video, key) for key in ("length", "height", "width"))
    else:
        length = len(lists[0]) if lists else 0
        sizes = (size_of(one) for segmentations in lists for one in segmentations)
        height, width = next((size for size in sizes if size), (0, 0))
        if not height:
            raise InputError(f"{path} shows no object, so the size of the video is unknown: put {_INSTANCES} beside it")
    for entry, segmentations in zip(entries, lists, strict=True):
        if len(segmentations) != length:
            raise InputError(
                f"{path}: an object of video {entry['video_id']} has {len(segmentations)} segmentations for "
                f"{length} frames"
            )
    objects = list(_objects(path, entries, categories, ids))
    tracks = Tracks(height, width, length, exclusive=False, **_names(video))
    for frame in range(length):
        shown = [(info, one[frame]) for info, one in zip(objects, lists, strict=True) if one[frame] is not None]
        codes = [from_json(one, height, width, f"{path}: object {info.id}, frame {frame}") for info, one in shown]
        try:
            tracks.append_codes(frame, [info.id for info, _ in shown], [info.score for info, _ in shown], codes)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return tracks.describe({info.id: info for info in objects})


def _objects(
    path: Path,
    entries: Sequence[Mapping[str, Any]],
    categories: Mapping[str, int] | None,
    ids: Sequence[int],
) -> Iterator[ObjectInfo]:
    from singleout.tracks import ObjectInfo

    names = None if categories is None else {value: name for name, value in categories.items()}
    for key, entry in zip(ids, entries, strict=True):
        category = number(path, entry, "category_id")
        if names is not None and category not in names:
            raise InputError(f"{path}: category {category} is not one of the {len(names)} known categories")
        label = f"category {category}" if names is None else names[category]
        score = entry.get("score")
        if not isinstance(score, (int, float)) or not math.isfinite(score):
            raise InputError(f"{path}: an object has the score {score!r}, expected a number")
        yield ObjectInfo(key, label=label, score=float(score))


def _listed(path: Path, entry: Mapping[str, Any]) -> list[Any]:
    segmentations = entry.get("segmentations")
    if not isinstance(segmentations, list):
        raise InputError(f'{path}: an object of video {entry.get("video_id")} has no list "segmentations"')
    return segmentations


def _video_of(path: Path, content: Mapping[str, Any], video_id: int) -> Mapping[str, Any]:
    for video in entries_of(path, content.get("videos"), '"videos"'):
        if video.get("id") == video_id:
            return video
    raise InputError(f"{path} has no video {video_id}")


def _categories_of(path: Path, content: Mapping[str, Any]) -> dict[str, int]:
    listed = entries_of(path, content.get("categories"), '"categories"')
    return {str(entry.get("name")): number(path, entry, "id") for entry in listed}


def _names(video: Mapping[str, Any] | None) -> dict[str, Any]:
    files = [] if video is None else video.get("file_names") or []
    if not files or not all(isinstance(file, str) for file in files):
        return {}
    return {"video_name": Path(files[0]).parent.name, "frame_names": [Path(file).stem for file in files]}


def _finite(score: float) -> float:
    return float(score) if math.isfinite(score) else 0.0
