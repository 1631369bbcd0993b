"""CVAT: ``<video>.xml``, "CVAT for images 1.1" with a mask for each object in each frame, for video tasks too.

Why not "CVAT for video 1.1": CVAT has no tracks of masks, its importer keeps the first mask of such a track and drops
the others. So identity is kept in ``group_id``, the object id, which CVAT shows as a group. The runs go row by row
through the mask's box and begin with background. Overlaps are kept; a higher ``z_order`` lies on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from singleout.exports.labels import label_of, numbering
from singleout.exports.layout import Destination, check_free, text_file
from singleout.tracks import codes as run_length

if TYPE_CHECKING:
    from singleout.tracks import FrameCodes, Tracks


def write(
    tracks: Tracks,
    where: Destination,
    *,
    image_suffix: str = ".jpg",
) -> list[Path]:
    """Write the XML file. image_suffix: of the frames in the task; in a task made from a video the number counts.

    The labels must exist in the task. CVAT has names only, so of `categories` only they are used.
    """
    numbers = numbering(tracks, where.categories)
    target = where.folder / f"{where.video_name}.xml"
    check_free([target], overwrite=where.overwrite)
    label_names = {key: _printable(label_of(info)) for key, info in tracks.objects.items()}
    with text_file(target) as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        file.writelines(_meta(tracks, where.video_name, list(numbers)))
        for frame, name in zip(tracks.frames(), where.frame_names, strict=True):
            named = quoteattr(_printable(f"{name}{image_suffix}"))
            file.write(f'  <image id="{frame.frame}" name={named} width="{frame.width}" height="{frame.height}">\n')
            file.writelines(_masks(frame, tracks, label_names))
            file.write("  </image>\n")
        file.write("</annotations>\n")
    return [target]


def _meta(tracks: Tracks, video_name: str, names: Sequence[str]) -> Iterator[str]:
    yield f"  <meta>\n    <task>\n      <name>{escape(_printable(video_name))}</name>\n"
    yield f"      <size>{tracks.num_frames}</size>\n      <mode>annotation</mode>\n      <labels>\n"
    for name in names:
        named = f"<name>{escape(_printable(name))}</name>"
        yield f"        <label>{named}<type>mask</type><attributes></attributes></label>\n"
    yield "      </labels>\n    </task>\n  </meta>\n"


def _masks(frame: FrameCodes, tracks: Tracks, label_names: Mapping[int, str]) -> Iterator[str]:
    # The order of `Tracks.id_map`: higher track score on top, then the lower id.
    track_scores = np.array([tracks.objects[key].score for key in frame.ids.tolist()])
    bottom_up = np.lexsort((-frame.ids, track_scores)).tolist()
    for z_order, place in enumerate(bottom_up):
        mask = run_length.decode(frame.code_at(place), frame.height, frame.width)
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            continue
        top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
        pixels = mask[top:bottom, left:right].ravel()
        changes = np.flatnonzero(np.diff(pixels, prepend=False))
        runs = np.diff(changes, prepend=0, append=len(pixels))
        key = int(frame.ids[place])
        yield (
            f'    <mask label={quoteattr(label_names[key])} source="auto" occluded="0" '
            f'rle="{", ".join(map(str, runs.tolist()))}" left="{left}" top="{top}" width="{right - left}" '
            f'height="{bottom - top}" z_order="{z_order}" group_id="{key}"></mask>\n'
        )


def _printable(text: str) -> str:
    """Without characters that XML 1.0 cannot hold."""
    return "".join(character if character.isprintable() else "_" for character in text)
