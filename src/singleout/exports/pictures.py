"""Folders with one PNG a frame: written whole or not at all, and read back in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.exports.flat import coded

if TYPE_CHECKING:
    from PIL import Image

    from singleout.tracks import Tracks

Ids = npt.NDArray[np.integer[Any]]
_EIGHT_BITS = frozenset({"1", "L", "P"})


def index_picture(numbers: npt.NDArray[np.integer], *, sixteen_bit: bool = False, palette: bool = False) -> Image.Image:
    """A picture of the numbers 0 to 255, or to 65535, grey or with the DAVIS palette, which 16 bits cannot have.

    numbers: (height, width).
    """
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(numbers, np.uint16 if sixteen_bit else np.uint8))
    if palette and not sixteen_bit:
        from singleout.media.palette import DAVIS

        picture.putpalette(DAVIS.tobytes())
    return picture


def read_numbers(path: Path) -> Ids:
    """The numbers in a PNG of one channel as they are: (height, width) uint8, or int32 where they have more bits.

    Raises InputError, naming the file, for RGB, for JPEG, and for a file that cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode not in _EIGHT_BITS | {"I", "I;16", "I;16B"}:
                raise InputError(
                    f"{path}: expected a number at each pixel (a palette or grey PNG) but its mode is {picture.mode}; "
                    "colours do not say which number is meant"
                )
            if picture.format in ("JPEG", "MPO"):
                raise InputError(f"{path} is a JPEG, whose compression changes the numbers: save it as PNG")
            return np.asarray(picture).astype(np.uint8 if picture.mode in _EIGHT_BITS else np.int32, copy=False)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as a picture: {error}") from error


def video_folder(path: Path) -> Path:
    """The folder that holds the PNGs of one video: `path`, or the only folder in it.

    Raises InputError where there is none, or the videos are several.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a folder: give the folder that holds the PNGs of one video")
    if any(path.glob("*.png")):
        return path
    inner = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(inner) == 1:
        return video_folder(inner[0])
    if inner:
        raise InputError(f"{path} holds {len(inner)} folders: give the one of a video, for example {inner[0]}")
    raise InputError(f"{path} holds no PNG")


def pictures_in(folder: Path, frame_names: Sequence[str] | None) -> list[Path]:
    """The PNGs of the frames in order: those named, or all of them in natural order (2 before 10).

    Raises InputError for a frame without a file.
    """
    if frame_names is None:
        return sorted(folder.glob("*.png"), key=lambda path: natural_key(path.stem))
    paths = [folder / f"{name}.png" for name in frame_names]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]} is missing ({len(missing)} of {len(paths)} frames have no picture)")
    return paths


def natural_key(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers inside names by their value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def read_tracks(
    folder: Path,
    paths: Sequence[Path],
    read: Callable[[Path], Ids],
    check: Callable[[Path, Sequence[int]], None] = lambda path, found: None,
) -> Tracks:
    """Tracks of pictures that hold an object id at each pixel, with a score of 1.

    check: called with each picture and the ids in it. Raises InputError where a picture is not of the size of the
    first one.
    """
    from singleout.tracks import FrameCodes, Tracks

    height, width = read(paths[0]).shape
    names = [path.stem for path in paths]
    tracks = Tracks(height, width, len(paths), video_name=folder.name, frame_names=names)
    for frame, path in enumerate(paths):
        ids = read(path)
        if ids.shape != (height, width):
            raise InputError(
                f"{path} is {ids.shape[1]}x{ids.shape[0]} but {paths[0].name} of the same video is {width}x{height}"
            )
        found, codes = coded(ids)
        check(path, found)
        tracks.append(FrameCodes.pack(frame, found, np.ones(len(found)), codes, height=height, width=width))
    return tracks
