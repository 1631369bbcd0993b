"""MOTS: ``<video>.txt``, a line ``frame id class height width rle`` for each object in each frame.

ids are class * 1000 + instance, as in KITTI MOTS, whose classes 1 (car) and 2 (pedestrian) are kept for these labels;
10 is left out, it marks regions to be ignored. The instance is the object's own id where all are below 1000. Frames
count from 0 (KITTI MOTS) or 1 (MOTSChallenge). ``<video>.info.json`` beside it keeps what the lines cannot say: length,
size and the names of the classes; evaluators do not look at it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from singleout.errors import InputError
from singleout.exports.entries import number
from singleout.exports.flat import Flat
from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, read_json, text_file

if TYPE_CHECKING:
    from singleout.tracks import Tracks

_KITTI = {"car": 1, "pedestrian": 2}
_IGNORED = 10
_INSTANCES = 1000


def write(
    tracks: Tracks,
    where: Destination,
    *,
    first_frame: int = 0,
) -> list[Path]:
    """Write the text file and the one beside it. first_frame: the number of the first frame, 0 or 1.

    Raises InputError for the class number 10, class 0, and more than 999 objects of a class.
    """
    numbers = _kitti_numbers(tracks) if where.categories is None else numbering(tracks, where.categories)
    for name, value in numbers.items():
        if value in (0, _IGNORED):
            meaning = "means background" if value == 0 else "marks regions to be ignored"
            raise InputError(f"the category {name!r} has the number {value}, which in MOTS {meaning}: give another one")
    target, beside = where.folder / f"{where.video_name}.txt", where.folder / f"{where.video_name}.info.json"
    check_free([target, beside], overwrite=where.overwrite)
    id_of = _mots_ids(tracks, numbers)
    class_of = {key: numbers[label_of(info)] for key, info in tracks.objects.items()}
    flat = Flat(tracks, "mots")
    with text_file(target) as file:
        for frame in range(tracks.num_frames):
            for key, code in zip(*flat.codes(frame), strict=True):
                size = f"{tracks.height} {tracks.width}"
                file.write(f"{frame + first_frame} {id_of[key]} {class_of[key]} {size} {code.decode('ascii')}\n")
    info = {
        "height": tracks.height,
        "width": tracks.width,
        "num_frames": tracks.num_frames,
        "first_frame": first_frame,
        "classes": numbers,
    }
    with text_file(beside) as file:
        file.write(json.dumps(info, ensure_ascii=False, indent=1) + "\n")
    flat.warn()
    return [target, beside]


def read(
    path: Path,
    *,
    first_frame: int | None = None,
    num_frames: int | None = None,
    categories: Mapping[str, int] | None = None,
) -> Tracks:
    """The tracks in a MOTS text file, or in a folder that holds one; regions to be ignored are left out.

    first_frame, num_frames, categories: None takes them from ``<video>.info.json`` where it is, else 0, up to the last
    frame that shows an object, and KITTI's names. Objects get the instance number as id where that tells them apart,
    otherwise the whole id. Raises InputError, naming file and line, for damage, masks of different sizes and frames
    outside the video.
    """
    from singleout.tracks import ObjectInfo, Tracks

    file = _text_file(path)
    beside = file.with_name(f"{file.stem}.info.json")
    info = read_json(beside) if beside.is_file() else {}
    if not isinstance(info, dict):
        raise InputError(f"{beside}: expected a JSON object")
    first = first_frame if first_frame is not None else number(beside, info, "first_frame") if info else 0
    content = _parsed(file, first)
    size, length = content.size, max(content.frames, default=-1) + 1
    if info:
        size = number(beside, info, "height"), number(beside, info, "width")
        length = number(beside, info, "num_frames")
        categories = categories or info.get("classes")
    length = length if num_frames is None else num_frames
    if size is None:
        raise InputError(f"{file} shows no object, so the size of the video is unknown")
    if content.size not in (None, size):
        raise InputError(f"{file}: its masks are not {size[1]}x{size[0]} as {beside.name} says")
    last = max(content.frames, default=-1)
    if last >= length:
        raise InputError(f"{file}: it has frame {last + first}, but the video ends with frame {length - 1 + first}")

    names = {value: name for name, value in (categories or _KITTI).items()}
    key_of = _object_ids(content.classes)
    # The format forbids overlaps, but nothing has checked this file.
    tracks = Tracks(*size, length, exclusive=False, video_name=file.stem)
    for frame, shown in sorted(content.frames.items()):
        keys = [key_of[mots_id] for mots_id in shown]
        try:
            tracks.append_codes(frame, keys, [1.0] * len(keys), list(shown.values()))
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
    if categories is not None:
        unknown = [value for value in content.classes.values() if value not in names]
        if unknown:
            raise InputError(f"{file}: class {unknown[0]} is not one of the {len(names)} known classes")
    described = {
        key: ObjectInfo(key, label=names.get(content.classes[mots_id], f"class {content.classes[mots_id]}"))
        for mots_id, key in key_of.items()
    }
    return tracks.describe(described)


@dataclass
class _Content:
    """What the lines say: codes by frame (from 0) and id, the class of each id, height and width."""

    frames: dict[int, dict[int, str]] = field(default_factory=dict)
    classes: dict[int, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None


def _parsed(path: Path, first_frame: int) -> _Content:
    content = _Content()
    try:
        with path.open(encoding="ascii") as file:
            for line_number, line in enumerate(file, start=1):
                if line.strip():
                    _parse_line(content, line, f"{path}, line {line_number}", first_frame)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a MOTS text file: it has characters beyond ASCII") from error
    return content


def _parse_line(content: _Content, line: str, where: str, first_frame: int) -> None:
    parts = line.split()
    if len(parts) != 6 or not all(part.isdecimal() for part in parts[:5]):
        raise InputError(f"{where}: expected frame id class height width rle, got {line.strip()[:60]!r}")
    frame, mots_id, class_number, height, width = map(int, parts[:5])
    if class_number == _IGNORED:
        return
    frame -= first_frame
    if frame < 0:
        raise InputError(f"{where}: frame {parts[0]} comes before the first one, {first_frame}")
    if content.size not in (None, (height, width)):
        raise InputError(f"{where}: the mask is {width}x{height}, others of the file have another size")
    if content.classes.setdefault(mots_id, class_number) != class_number:
        raise InputError(f"{where}: object {mots_id} has class {class_number}, earlier {content.classes[mots_id]}")
    in_frame = content.frames.setdefault(frame, {})
    if mots_id in in_frame:
        raise InputError(f"{where}: object {mots_id} is in frame {parts[0]} twice")
    content.size = (height, width)
    in_frame[mots_id] = parts[5]


def _kitti_numbers(tracks: Tracks) -> dict[str, int]:
    labels = list(numbering(tracks, None))
    free = (value for value in range(3, 10**9) if value != _IGNORED)
    return {name: _KITTI[name] if name in _KITTI else next(free) for name in labels}


def _mots_ids(tracks: Tracks, numbers: Mapping[str, int]) -> dict[int, int]:
    keep = not tracks.ids or tracks.ids[-1] < _INSTANCES
    counted: dict[int, int] = {}
    found = {}
    for key in tracks.ids:
        label = label_of(tracks.objects[key])
        value = numbers[label]
        counted[value] = counted.get(value, 0) + 1
        if not keep and counted[value] >= _INSTANCES:
            raise InputError(f"there are more than 999 objects of {label!r}: MOTS numbers at most 999 of a class")
        found[key] = value * _INSTANCES + (key if keep else counted[value])
    return found


def _object_ids(classes: Mapping[int, int]) -> dict[int, int]:
    short = {mots_id: mots_id % _INSTANCES for mots_id in classes}
    if 0 in short.values() or len(set(short.values())) < len(short):
        return {mots_id: mots_id for mots_id in classes}
    return short


def _text_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.txt"))
    if len(found) != 1:
        raise InputError(f"{path} holds {len(found)} text files: give the one of a video")
    return found[0]
