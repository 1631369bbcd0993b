"""Masks as pycocotools holds them, ``{"size": [height, width], "counts": …}``, checked before it reads them.

pycocotools trusts its input: two codes whose runs add up to different numbers of pixels keep it busy for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from singleout.data.records import Rle
from singleout.errors import InputError
from singleout.tracks import codes


def counts_of(rle: Rle) -> bytes:
    """The compressed runs, which may be text as JSON has it. Raises InputError for anything else."""
    counts = rle["counts"]
    if isinstance(counts, str):
        return counts.encode("latin-1", "replace")
    if isinstance(counts, bytes):
        return counts
    raise InputError(f"a mask has runs of the kind {type(counts).__name__}: expected a compressed run-length code")


def common_size(rles: Iterable[Rle]) -> tuple[int, int] | None:
    """Height and width of all masks; None if there are none. Raises InputError where they differ."""
    sizes = {tuple(rle["size"]) for rle in rles}
    if len(sizes) > 1:
        said = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise InputError(f"masks that are compared have different sizes, {said}: save them at the size of the truth")
    if not sizes:
        return None
    height, width = sizes.pop()
    return int(height), int(width)


def checked(rles: Sequence[Rle]) -> list[Rle]:
    """The same masks with codes that can be trusted. Raises InputError where one is damaged or sizes differ."""
    size = common_size(rles)
    if size is None:
        return []
    return [{"size": list(size), "counts": code} for code in codes.checked([counts_of(rle) for rle in rles], *size)]


def shared_and_union(one: Rle, other: Rle) -> tuple[int, int]:
    """Pixels that both masks have, and pixels that either has. Raises InputError as `checked` does."""
    first, second = checked([one, other])
    height, width = first["size"]
    pair = [first["counts"], second["counts"]]
    areas = codes.areas([*pair, codes.intersection(pair, height, width)], height, width)
    return int(areas[2]), int(areas[0] + areas[1] - areas[2])
