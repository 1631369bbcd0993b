"""COCO run-length codes in JSON: written as ``{"size", "counts"}``, read from every form that data sets use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from singleout.errors import InputError

# pycocotools walks along every edge pixel by pixel: what is far outside, or NaN, ends in all memory or in a crash.
_FARTHEST = 100_000


def as_rle(code: bytes, height: int, width: int) -> dict[str, Any]:
    """A code as JSON holds it: size is height, width; counts the compressed string."""
    return {"size": [height, width], "counts": code.decode("ascii")}


def size_of(segmentation: Any) -> tuple[int, int] | None:
    """Height and width that a segmentation states; None for null and polygons, which state none."""
    if not isinstance(segmentation, dict):
        return None
    size = segmentation.get("size")
    if isinstance(size, list) and len(size) == 2 and all(type(value) is int and value > 0 for value in size):
        return size[0], size[1]
    return None


def all_from_json(segmentations: Sequence[Any], height: int, width: int, where: str) -> list[bytes | None]:
    """The codes of a track, frame by frame; None where the frame has null.

    where: the file and entry, for messages. Raises InputError, naming the frame, as `from_json` does.
    """
    size = [height, width]
    # Nearly all are of the usual kind, and a file of results holds some ten thousand: no text is made for them.
    return [
        None if one is None else _usual(one, size) or from_json(one, height, width, f"{where}, frame {frame}")
        for frame, one in enumerate(segmentations)
    ]


def from_json(segmentation: Any, height: int, width: int, where: str) -> bytes:
    """The code of a segmentation: compressed (a string), uncompressed (a list of runs), or a list of polygons.

    where: the file and entry, for messages. Raises InputError for anything else and for a size other than the
    video's. Damage inside a compressed string is found later, by `Tracks.append_codes`.
    """
    code = _usual(segmentation, [height, width])
    if code is not None:
        return code
    if isinstance(segmentation, dict):
        size = size_of(segmentation)
        if size is None:
            raise InputError(f'{where}: a run-length code has no "size" of height and width')
        if size != (height, width):
            raise InputError(f"{where}: a mask is {size[1]}x{size[0]} but the video is {width}x{height}")
        counts = segmentation.get("counts")
        if isinstance(counts, list) and all(type(run) is int and run >= 0 for run in counts):
            if sum(counts) != height * width:
                raise InputError(f"{where}: the runs of a mask do not add up to {width}x{height} pixels")
            from pycocotools import mask as coco

            made: bytes = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"]
            return made
    elif isinstance(segmentation, list) and segmentation and all(_is_polygon(part) for part in segmentation):
        from pycocotools import mask as coco

        merged: bytes = coco.merge(coco.frPyObjects(segmentation, height, width))["counts"]
        return merged
    raise InputError(f"{where}: expected a run-length code or polygons, got {segmentation!r:.60}")


def _usual(segmentation: Any, size: list[int]) -> bytes | None:
    """The compressed code of a segmentation of this height and width; None for any other form."""
    if type(segmentation) is not dict or segmentation.get("size") != size:
        return None
    counts = segmentation.get("counts")
    return counts.encode("latin-1", "replace") if type(counts) is str else None


def _is_polygon(part: Any) -> bool:
    # pycocotools takes four numbers for a box.
    return (
        isinstance(part, list)
        and len(part) >= 6
        and len(part) % 2 == 0
        and all(type(value) in (int, float) and -_FARTHEST <= value <= _FARTHEST for value in part)
    )
