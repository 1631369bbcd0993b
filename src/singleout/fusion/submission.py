"""The archive that the server of Ref-YouTube-VOS takes, and a look at every picture in it before it counts as done."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from singleout.data.records import ReferringVideo
from singleout.errors import InputError


def check_submission(
    archive: Path, videos: Sequence[ReferringVideo], sizes: Callable[[ReferringVideo], tuple[int, int]], *, top: str
) -> int:
    """Hold that an archive has a picture for every sentence and frame, and nothing else; returns their number.

    sizes: height and width of a video. top: the folder above the videos, "" for none. Pictures must be grey, of the
    size of the video, and hold 0 and 255 only. Raises InputError that names the first that is missing or wrong.
    """
    from PIL import Image

    try:
        with zipfile.ZipFile(archive) as packed:
            left = set(packed.namelist())
            count = len(left)
            for video in videos:
                height, width = sizes(video)
                for sentence in video.sentences:
                    for frame in video.frame_names:
                        name = "/".join(filter(None, (top, video.name, sentence.id, f"{frame}.png")))
                        if name not in left:
                            raise InputError(f"{archive} lacks {name}: delete it and run again")
                        left.remove(name)
                        with Image.open(io.BytesIO(packed.read(name))) as picture:
                            if picture.mode != "L" or picture.size != (width, height):
                                raise InputError(
                                    f"{archive}: {name} is a picture of mode {picture.mode} and size {picture.width}x"
                                    f"{picture.height}, expected grey and {width}x{height}"
                                )
                            values = np.asarray(picture)
                        if not ((values == 0) | (values == 255)).all():
                            raise InputError(f"{archive}: {name} holds other values than 0 and 255")
    except (OSError, zipfile.BadZipFile, SyntaxError) as error:
        raise InputError(f"{archive} cannot be read: {error}; delete it and run again") from error
    if left:
        raise InputError(f"{archive} holds {min(left)}, which is no frame of the data set: take it out")
    return count
