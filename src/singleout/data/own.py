"""Folders of one's own videos with a list of them beside, ``test.json``, in the form of UniVS's custom videos.

The list is that of YouTube-VIS without annotations: of each video its frames, as ``<video>/<frame>.jpg`` below the
folder, where ``<video>`` is a folder of frames or a video file. Annotations may say what to look for, as those of
Ref-YouTube-VOS do in UniVS's form: ``{"video_id": …, "expressions": ["the white dog"]}``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from singleout.data.files import an_id, is_picture, read_object, strings
from singleout.errors import InputError
from singleout.exports.entries import entries_of

LISTING = "test.json"


@dataclass(frozen=True)
class OwnVideo:
    """path: of a video file, a folder of frames or a picture. sentences: what it is asked for, in their order."""

    path: Path
    sentences: tuple[str, ...] = ()


def read_own(folder: Path) -> tuple[OwnVideo, ...] | None:
    """The videos of a folder in the order of its list; None where it has no list.

    Frames are those of the folder of the video in their natural order, in whatever order they are listed. Raises
    InputError for a list that is damaged, and for files that are missing or that it does not tell of.
    """
    path = folder / LISTING
    if not path.is_file():
        return None
    content = read_object(path)
    sentences: dict[int | str, list[str]] = defaultdict(list)
    for entry in entries_of(path, content.get("annotations") or [], '"annotations"'):
        where = f"{path}: an annotation"
        said = entry.get("expressions", [])
        sentences[an_id(entry, "video_id", where)] += strings([said] if isinstance(said, str) else said, where)
    videos: dict[int | str, OwnVideo] = {}
    for entry in entries_of(path, content.get("videos"), '"videos"'):
        number = an_id(entry, "id", f"{path}: a video")
        if number in videos:
            raise InputError(f"{path}: two videos have the id {number!r}")
        videos[number] = OwnVideo(_source(entry, path, f"{path}: video {number}"), tuple(sentences.pop(number, ())))
    if sentences:
        raise InputError(f"{path}: an annotation is of video {next(iter(sentences))!r}, which is not among the videos")
    if not videos:
        raise InputError(f'{path} lists no videos: fill "videos", or take the file away to have all that lie here')
    return tuple(videos.values())


def _source(entry: Mapping[str, Any], path: Path, where: str) -> Path:
    """Where the frames of a video are."""
    names = [PurePosixPath(name) for name in strings(entry.get("file_names"), where)]
    if not names:
        raise InputError(f'{where}: "file_names" is empty')
    if any(name.is_absolute() or ".." in name.parts for name in names):
        raise InputError(f'{where}: "file_names" must lie below {path.parent}')
    places = {name.parent for name in names}
    if len(places) > 1:
        raise InputError(f"{where}: its frames are in {len(places)} folders, expected one")
    source = path.parent / names[0].parent
    if source.is_file():
        # Frames of a file are only numbered, and all are taken.
        return source
    if len(names) == 1 and source == path.parent:
        source /= names[0].name
        if not source.is_file():
            raise InputError(f"{where}: {source} is missing")
        return source
    if not source.is_dir():
        raise InputError(f"{where}: {source} is missing: expected a video, or a folder with its frames")
    there = {each.name for each in source.iterdir() if is_picture(each)}
    listed = {name.name for name in names}
    if listed - there:
        raise InputError(f"{where}: {source / min(listed - there)} is missing")
    if there - listed:
        raise InputError(
            f"{where}: {source / min(there - listed)} is not listed, and all frames of a folder are taken: list it, or "
            "move it away"
        )
    return source
