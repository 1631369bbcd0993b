"""The format ``tracks``: our own ``tracks.json``, which `trackfile` writes and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from singleout.exports import trackfile
from singleout.exports.layout import check_free

if TYPE_CHECKING:
    from singleout.tracks import Tracks

_FILE = "tracks.json"


def write(
    tracks: Tracks,
    folder: Path,
    *,
    video_name: str,
    frame_names: Sequence[str],
    categories: Mapping[str, int] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write ``tracks.json``; names of the video and its frames are those that the tracks carry."""
    target = folder / _FILE
    check_free([target], overwrite=overwrite)
    trackfile.write(tracks, target)
    return [target]


def read(path: Path) -> Tracks:
    """The tracks in a ``tracks.json``, or in the folder that holds it."""
    return trackfile.read(path / _FILE if path.is_dir() else path)
