"""Ref-YouTube-VOS: ``Annotations/<video>/<sentence>/<frame>.png``, grey PNGs of 0 and 255, and their zip.

Sentences are numbered "0", "1", … in the order in which they were asked. Every sentence has a picture for every frame,
black where nothing was found: the server counts a missing one as a broken submission. The zip holds ``Annotations`` at
its top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from singleout.errors import InputError
from singleout.exports.labels import label_of
from singleout.exports.layout import Destination, check_free, check_name, pack
from singleout.exports.pictures import index_picture, natural_key, pictures_in, read_numbers
from singleout.media.atomic import atomic_folder
from singleout.tracks import codes as run_length

if TYPE_CHECKING:
    from singleout.tracks import Tracks

_TOP = "Annotations"


def write(
    tracks: Tracks,
    where: Destination,
    *,
    sentences: Mapping[str, Sequence[int]] | None = None,
    archive: bool = True,
) -> list[Path]:
    """Write a folder for each sentence, and ``Annotations.zip`` of all videos that the folder holds by now.

    sentences: object ids by the number of the sentence; None takes the prompts of the run, an object without a prompt
    being a sentence of its own. Objects of one sentence are united. archive: False leaves the zip for later, when there
    are more videos to come. categories are not used, the format has none.
    """
    found = _sentences(tracks) if sentences is None else {key: tuple(ids) for key, ids in sentences.items()}
    for key, ids in found.items():
        check_name(key, "sentence number")
        unknown = [object_id for object_id in ids if object_id not in tracks.objects]
        if unknown:
            raise InputError(f"sentence {key}: there is no object {unknown[0]}")
    target = where.folder / _TOP / where.video_name
    check_free([target], overwrite=where.overwrite)
    with atomic_folder(target, overwrite=where.overwrite) as temporary:
        for key in found:
            (temporary / key).mkdir()
        for frame, name in enumerate(where.frame_names):
            stored = tracks.frame(frame)
            for key, ids in found.items():
                places = [place for place in map(stored.place, ids) if place is not None]
                mask = np.zeros((tracks.height, tracks.width), np.bool_)
                if places:
                    code = run_length.union([stored.code_at(place) for place in places], tracks.height, tracks.width)
                    mask = run_length.decode(code, tracks.height, tracks.width)
                index_picture(np.where(mask, 255, 0)).save(temporary / key / f"{name}.png")
    return [target, pack(where.folder / _TOP, where.folder / f"{_TOP}.zip", top=_TOP)] if archive else [target]


def read(path: Path, *, frame_names: Sequence[str] | None = None) -> Tracks:
    """The tracks of one video: an object for each sentence, its id the sentence number + 1.

    path: the folder of the video, or one above it that holds no other. frame_names: the frames that every sentence must
    have; None takes those of the first one. Raises InputError for missing frames, other sizes, pictures with other
    values than 0 and 255, and sentences that are not numbers.
    """
    from singleout.tracks import ObjectInfo, Tracks

    folder = _video(path)
    sentences = sorted(_folders(folder), key=lambda entry: natural_key(entry.name))
    wrong = [entry for entry in sentences if not (entry.name.isascii() and entry.name.isdecimal())]
    if wrong:
        raise InputError(f"{wrong[0]}: expected the number of a sentence as the name of the folder")
    if frame_names is None:
        frame_names = [entry.stem for entry in pictures_in(sentences[0], None)]
    paths = {int(entry.name) + 1: pictures_in(entry, frame_names) for entry in sentences}
    height, width = read_numbers(next(iter(paths.values()))[0]).shape
    tracks = Tracks(
        height, width, len(frame_names), exclusive=False, video_name=folder.name, frame_names=list(frame_names)
    )
    for frame in range(len(frame_names)):
        codes = []
        for pictures in paths.values():
            values = read_numbers(pictures[frame])
            if values.shape != (height, width):
                size = f"{values.shape[1]}x{values.shape[0]}"
                raise InputError(f"{pictures[frame]} is {size} but the video is {width}x{height}")
            mask = values > 0
            if not np.isin(values[mask], (1, 255)).all():
                raise InputError(f"{pictures[frame]}: expected a mask of 0 and 255, it has other values")
            codes.append(run_length.encode(mask))
        tracks.append_codes(frame, list(paths), [1.0] * len(codes), codes)
    return tracks.describe({key: ObjectInfo(key, label=f"sentence {key - 1}") for key in paths})


def _sentences(tracks: Tracks) -> dict[str, tuple[int, ...]]:
    """The objects of each sentence: the prompts in their order, then objects that no prompt claims."""
    groups = [tuple(key for key in answer.found if key in tracks.objects) for answer in tracks.answers]
    claimed = {object_id for group in groups for object_id in group}
    by_prompt: dict[tuple[str, int], list[int]] = {}
    for key in tracks.ids:
        if key not in claimed:
            info = tracks.objects[key]
            # Objects of one prompt belong together; without a prompt each stands for itself.
            name = (info.prompt, 0) if info.prompt else (label_of(info), key)
            by_prompt.setdefault(name, []).append(key)
    groups += [tuple(ids) for ids in by_prompt.values()]
    return {str(index): group for index, group in enumerate(groups)}


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise InputError(f"{path} is not a folder: give {_TOP}/<video>, which holds a folder for each sentence")
    return [entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")]


def _video(path: Path) -> Path:
    inner = _folders(path)
    if any(any(entry.glob("*.png")) for entry in inner):
        return path
    if len(inner) == 1:
        return _video(inner[0])
    raise InputError(f"{path} holds {len(inner)} folders and no sentences: give {_TOP}/<video> of one video")
