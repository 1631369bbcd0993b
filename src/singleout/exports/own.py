"""The format ``tracks``: our own ``tracks.json``, which `trackfile` writes and reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from singleout.exports import trackfile
from singleout.exports.layout import Destination, check_free

if TYPE_CHECKING:
    from singleout.tracks import Tracks

_FILE = "tracks.json"


def write(tracks: Tracks, where: Destination) -> list[Path]:
    """Write ``tracks.json``; names of the video and its frames are those that the tracks carry."""
    target = where.folder / _FILE
    check_free([target], overwrite=where.overwrite)
    trackfile.write(tracks, target)
    return [target]


def read(path: Path) -> Tracks:
    """The tracks in a ``tracks.json``, or in the folder that holds it."""
    return trackfile.read(path / _FILE if path.is_dir() else path)
