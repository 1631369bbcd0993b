"""Panoptic: ``pan_pred/<video>/<frame>.png`` and ``pred.json``, as VIPSeg's evaluators read them.

The id of a segment is R + 256 G + 65536 B at each of its pixels, the object id here, and stays the same through the
video; black is "nothing known". ``pred.json`` lists for each frame the segments with their category, area in pixels and
box (x, y, width, height). It also has the ``videos`` and ``categories`` of a ground truth file; evaluators of results
look at ``annotations`` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from singleout.errors import InputError
from singleout.exports.entries import entries_of, number, the_video
from singleout.exports.flat import Flat, regions
from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, check_name, dump, read_json, text_file, write_json_list
from singleout.exports.pictures import Ids, read_tracks
from singleout.media.atomic import atomic_folder

if TYPE_CHECKING:
    from singleout.tracks import Tracks

_PICTURES = ("pan_pred", "panomasksRGB")
_MOST = 2**24 - 1


def write(tracks: Tracks, where: Destination) -> list[Path]:
    """Write a PNG a frame and the list of segments. Raises InputError for an id of 2^24 or more."""
    if tracks.ids and tracks.ids[-1] > _MOST:
        raise InputError(f"object id {tracks.ids[-1]} does not fit the format panoptic: ids go up to {_MOST}")
    numbers = numbering(tracks, where.categories)
    category_of = {key: numbers[label_of(info)] for key, info in tracks.objects.items()}
    pictures, listing = where.folder / _PICTURES[0] / where.video_name, where.folder / "pred.json"
    check_free([pictures, listing], overwrite=where.overwrite)
    flat = Flat(tracks, "panoptic")
    images = [
        {"id": name, "width": tracks.width, "height": tracks.height, "file_name": f"{name}.png"}
        for name in where.frame_names
    ]
    with atomic_folder(pictures, overwrite=where.overwrite) as temporary, text_file(listing) as file:
        file.write(f'{{"videos":[{dump({"video_id": where.video_name, "images": images})}],\n')
        file.write(f'"categories":{dump(_categories(tracks, numbers))},\n')
        file.write(f'"annotations":[{{"video_id":{dump(where.video_name)},"annotations":')
        write_json_list(file, _frames(flat, temporary, where.frame_names, category_of))
        file.write("}]}\n")
    flat.warn()
    return [pictures, listing]


def read(path: Path, *, video_id: str | None = None) -> Tracks:
    """The tracks of one video in results or ground truth.

    path: the json file, or the folder that holds it. The pictures are looked for beside it, in ``pan_pred/<video>`` or
    ``panomasksRGB/<video>``. video_id: which video; None is right where there is only one. Raises InputError for a
    missing picture, one that is not RGB, and a segment that only one of picture and list has.
    """
    from singleout.tracks import ObjectInfo

    file = _listing(path)
    content = read_json(file)
    if not isinstance(content, dict):
        raise InputError(f'{file}: expected a JSON object with "annotations"')
    videos = entries_of(file, content.get("annotations"), '"annotations"')
    chosen = the_video(file, [video.get("video_id") for video in videos], video_id)
    check_name(str(chosen), "video name")
    video = next(video for video in videos if video.get("video_id") == chosen)
    frames = entries_of(file, video.get("annotations"), f"the frames of video {chosen}")
    if not frames:
        raise InputError(f"{file}: video {chosen} has no frames")
    folder = _pictures(file, str(chosen))
    segments = {_picture(file, folder, frame): _segments(file, frame) for frame in frames}

    def check(picture: Path, shown: Sequence[int]) -> None:
        listed = segments[picture].keys()
        unlisted, unseen = set(shown) - listed, listed - set(shown)
        if unlisted:
            raise InputError(f"{picture} shows segment {min(unlisted)}, which {file.name} does not list")
        if unseen:
            raise InputError(f"{picture} does not show segment {min(unseen)}, which {file.name} lists")

    tracks = read_tracks(folder, list(segments), read_segment_ids, check)
    kinds = {
        number(file, entry, "id"): (str(entry.get("name")), bool(entry.get("isthing", 1)))
        for entry in entries_of(file, content.get("categories", []), '"categories"')
    }
    described: dict[int, ObjectInfo] = {}
    for listed in segments.values():
        for key, category in listed.items():
            if kinds and category not in kinds:
                raise InputError(f"{file}: category {category} is not one of the {len(kinds)} in the file")
            label, thing = kinds.get(category, (f"category {category}", True))
            described.setdefault(key, ObjectInfo(key, label=label, thing=thing))
    return tracks.describe(described)


def _frames(
    flat: Flat, folder: Path, frame_names: Sequence[str], category_of: Mapping[int, int]
) -> Iterator[dict[str, Any]]:
    from PIL import Image

    for frame, name in enumerate(frame_names):
        ids = flat.ids(frame)
        channels = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=-1).astype(np.uint8)
        Image.fromarray(channels).save(folder / f"{name}.png")
        segments = [
            {
                "id": key,
                "category_id": category_of[key],
                "iscrowd": 0,
                "area": area,
                "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
            }
            for key, area, (rows, columns) in regions(ids)
        ]
        yield {"image_id": name, "file_name": f"{name}.png", "segments_info": segments}


def _categories(tracks: Tracks, numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    from singleout.media.palette import color

    stuff = {label_of(info) for info in tracks.objects.values() if not info.thing}
    things = {label_of(info) for info in tracks.objects.values() if info.thing}
    return [
        {
            "id": value,
            "name": name,
            "isthing": int(name in things or name not in stuff),
            "color": list(color(value + 1)),
        }
        for name, value in numbers.items()
    ]


def _listing(path: Path) -> Path:
    if not path.is_dir():
        return path
    if (path / "pred.json").is_file():
        return path / "pred.json"
    found = sorted(path.glob("*.json"))
    if len(found) != 1:
        raise InputError(f"{path} holds no pred.json: give the json file of the panoptic results or ground truth")
    return found[0]


def _pictures(file: Path, video: str) -> Path:
    for name in _PICTURES:
        if (file.parent / name / video).is_dir():
            return file.parent / name / video
    raise InputError(f"{file.parent / _PICTURES[0] / video} is missing: the pictures belong beside {file.name}")


def _picture(file: Path, folder: Path, frame: Mapping[str, Any]) -> Path:
    name = frame.get("file_name")
    if not isinstance(name, str):
        raise InputError(f'{file}: a frame has no "file_name"')
    check_name(name, "file name")
    # VIPSeg's lists name the video frame, a JPEG; its mask has the same stem.
    path = folder / f"{Path(name).stem}.png"
    if not path.is_file():
        raise InputError(f"{path} is missing")
    return path


def _segments(file: Path, frame: Mapping[str, Any]) -> dict[int, int]:
    listed = entries_of(file, frame.get("segments_info"), '"segments_info"')
    return {number(file, segment, "id"): number(file, segment, "category_id") for segment in listed}


def read_segment_ids(path: Path) -> Ids:
    """Segment ids of an RGB PNG, R + 256 G + 65536 B: (height, width) int32, 0 is void.

    Raises InputError for a picture that is not RGB or cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode != "RGB":
                raise InputError(
                    f"{path}: expected an RGB PNG with id = R + 256 G + 65536 B, its mode is {picture.mode}"
                )
            picture.load()
            # Pillow holds RGB as four bytes a pixel, the last one filling: a number, of which red is the lowest byte.
            numbers = np.frombuffer(picture.tobytes("raw", "RGBX"), "<u4").reshape(picture.height, picture.width)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
    return (numbers & np.uint32(0xFFFFFF)).view(np.int32)
