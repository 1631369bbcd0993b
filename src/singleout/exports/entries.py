"""Careful access to what a JSON file holds, so that every surprise is one line that names the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from singleout.errors import InputError


def entries_of(path: Path, value: Any, what: str) -> list[Mapping[str, Any]]:
    """A list of JSON objects. Raises InputError, naming file and list, for anything else."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InputError(f"{path}: expected a list of JSON objects as {what}, got {value!r:.40}")
    return value


def number(path: Path, entry: Mapping[str, Any], key: str) -> int:
    """A whole number in an entry, not negative. Raises InputError, naming file and key, for anything else."""
    value = entry.get(key)
    if type(value) is not int or value < 0:
        raise InputError(f'{path}: expected a whole number as "{key}", got {value!r:.40}')
    return value


def the_video(path: Path, found: Iterable[Any], wanted: Any | None) -> Any:
    """The id of the one video of a file, or the wanted one.

    Raises InputError where the wanted one is not there, or there are several and none is wanted.
    """
    ids = list(dict.fromkeys(found))
    shown = ", ".join(map(str, ids[:5])) + (", …" if len(ids) > 5 else "")
    if wanted is not None:
        if wanted not in ids:
            raise InputError(f"{path} has no video {wanted!r}; it has: {shown or 'none'}")
        return wanted
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise InputError(f"{path} holds no video")
    raise InputError(f"{path} holds {len(ids)} videos: say which one with video_id, for example {shown}")
