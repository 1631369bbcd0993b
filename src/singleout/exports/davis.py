"""DAVIS and YouTube-VOS: ``<video>/<frame>.png``, a palette PNG whose index is the object id, 0 for background.

The layout of DAVIS results. The zip for its server holds the video folders directly at its root.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from singleout.errors import InputError
from singleout.exports.flat import Flat
from singleout.exports.layout import Destination, check_free, pack
from singleout.exports.pictures import Ids, index_picture, pictures_in, read_tracks, video_folder
from singleout.media.atomic import atomic_folder

if TYPE_CHECKING:
    from singleout.tracks import Tracks


def write(
    tracks: Tracks,
    where: Destination,
    *,
    sixteen_bit: bool = False,
    archive: bool = False,
) -> list[Path]:
    """Write a palette PNG a frame into ``folder/<video>``; categories are not used, the format has none.

    sixteen_bit: grey PNGs of 16 bits, for ids up to 65535; evaluators do not read them. archive: also pack all videos
    of the folder as ``davis.zip``. Raises InputError for an id that does not fit.
    """
    most = 65535 if sixteen_bit else 255
    if tracks.ids and tracks.ids[-1] > most:
        raise InputError(
            f"object id {tracks.ids[-1]} does not fit a PNG of the format davis, which holds ids up to {most}: rename "
            "the objects, or use the format panoptic, which holds 16 million"
        )
    target = where.folder / where.video_name
    check_free([target], overwrite=where.overwrite)
    flat = Flat(tracks, "davis")
    with atomic_folder(target, overwrite=where.overwrite) as temporary:
        for frame, name in enumerate(where.frame_names):
            index_picture(flat.ids(frame), sixteen_bit=sixteen_bit, palette=True).save(temporary / f"{name}.png")
    flat.warn()
    return [target, pack(where.folder, where.folder / "davis.zip")] if archive else [target]


def read(path: Path, *, frame_names: Sequence[str] | None = None, void: int | None = None) -> Tracks:
    """The tracks in a folder of PNGs: results, or the ground truth of a data set.

    frame_names: the frames that must be there; None takes all PNGs in natural order. void: a number that means "not
    known", 255 in DAVIS's own ground truth, and is no object. A grey picture of 0 and 255 is object 1. Raises
    InputError for RGB pictures, other sizes and missing frames.
    """
    from singleout.media.images import read_ids

    def read_picture(picture: Path) -> Ids:
        ids = read_ids(picture)
        return ids if void is None else np.where(ids == void, np.int32(0), ids)

    folder = video_folder(path)
    return read_tracks(folder, pictures_in(folder, frame_names), read_picture)
