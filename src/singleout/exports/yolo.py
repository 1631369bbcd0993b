"""YOLO segmentation as Ultralytics reads it: ``labels/<video>/<frame>.txt``, ``classes.txt`` and ``data.yaml``.

A line is ``class x1 y1 x2 y2 …``, the outline of one object along the pixel edges, divided by width and height. A line
holds one polygon, so parts of an object are joined by lines walked there and back, and holes by cuts (see `outlines`).
The pictures go to ``images/<video>/<frame>.jpg``. An empty file is a frame without objects.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from singleout.errors import InputError
from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, dump, write_shared
from singleout.exports.outlines import joined, trace
from singleout.media.atomic import atomic_folder
from singleout.tracks import codes as run_length

if TYPE_CHECKING:
    from singleout.tracks import Tracks


def write(tracks: Tracks, where: Destination) -> list[Path]:
    """Write a text file a frame; classes count from 0. Raises InputError for categories that leave a number out."""
    numbers = numbering(tracks, where.categories, first=0)
    names = list(numbers)
    if list(numbers.values()) != list(range(len(names))):
        raise InputError("the format yolo numbers its classes 0, 1, 2, … without gaps: give such categories")
    target = where.folder / "labels" / where.video_name
    check_free([target], overwrite=where.overwrite)
    classes, settings = where.folder / "classes.txt", where.folder / "data.yaml"
    write_shared(classes, "".join(f"{name}\n" for name in names), overwrite=where.overwrite)
    # Not a list of videos: images/ holds one folder for each, and Ultralytics looks into all of them.
    listed = "".join(f"  {value}: {dump(name)}\n" for name, value in numbers.items()) or "  {}\n"
    write_shared(settings, f"path: .\ntrain: images\nval: images\nnames:\n{listed}", overwrite=where.overwrite)

    # Six digits keep a pixel edge apart from its neighbours up to a side of 500,000 pixels.
    x_text = np.array([f"{x / tracks.width:.6f}" for x in range(tracks.width + 1)], object)
    y_text = np.array([f"{y / tracks.height:.6f}" for y in range(tracks.height + 1)], object)
    with atomic_folder(target, overwrite=where.overwrite) as temporary:
        for frame, name in zip(tracks.frames(), where.frame_names, strict=True):
            lines = []
            for key, code in zip(frame.ids.tolist(), frame.codes, strict=True):
                parts = trace(run_length.decode(code, tracks.height, tracks.width))
                if parts:
                    class_number = numbers[label_of(tracks.objects[key])]
                    lines.append(f"{class_number} {_coordinates(joined(parts), x_text, y_text)}\n")
            (temporary / f"{name}.txt").write_text("".join(lines), encoding="utf-8", newline="\n")
    return [target, classes, settings]


def _coordinates(ring: npt.NDArray[np.int64], x_text: npt.NDArray[np.object_], y_text: npt.NDArray[np.object_]) -> str:
    texts = np.empty(ring.size, object)
    texts[::2], texts[1::2] = x_text[ring[:, 0]], y_text[ring[:, 1]]
    return " ".join(texts.tolist())
