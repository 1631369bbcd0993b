"""Masks as pycocotools holds them, ``{"size": [height, width], "counts": …}``, checked before it reads them.

pycocotools trusts its input: two codes whose runs add up to different numbers of pixels keep it busy for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from singleout.data.records import Rle
from singleout.errors import InputError
from singleout.tracks import codes


def counts_of(rles: Iterable[Rle]) -> list[bytes]:
    """The compressed runs, which may be text as JSON has it. Raises InputError for anything else."""
    counts = [rle["counts"] for rle in rles]
    kinds = set(map(type, counts))
    if wrong := kinds - {bytes, str}:
        raise InputError(f"a mask has runs of the kind {wrong.pop().__name__}: expected a compressed run-length code")
    if str in kinds:
        return [code.encode("latin-1", "replace") if isinstance(code, str) else code for code in counts]
    return counts


def common_size(rles: Iterable[Rle]) -> tuple[int, int] | None:
    """Height and width of all masks; None if there are none. Raises InputError where they differ."""
    sizes = [rle["size"] for rle in rles]
    if not sizes:
        return None
    if sizes.count(sizes[0]) < len(sizes):
        different = sorted({(int(height), int(width)) for height, width in sizes})
        if len(different) > 1:
            said = " and ".join(f"{width}x{height}" for height, width in different)
            raise InputError(
                f"masks that are compared have different sizes, {said}: save them at the size of the truth"
            )
    height, width = sizes[0]
    return int(height), int(width)


def checked(rles: Sequence[Rle]) -> list[Rle]:
    """The same masks with codes that can be trusted. Raises InputError where one is damaged or sizes differ."""
    size = common_size(rles)
    if size is None:
        return []
    return [{"size": list(size), "counts": code} for code in codes.checked(counts_of(rles), *size)]


def shared_and_union(one: Rle, other: Rle) -> tuple[int, int]:
    """Pixels that both masks have, and pixels that either has. Raises InputError as `checked` does."""
    first, second = checked([one, other])
    height, width = first["size"]
    pair = [first["counts"], second["counts"]]
    areas = codes.areas([*pair, codes.intersection(pair, height, width)], height, width)
    return int(areas[2]), int(areas[0] + areas[1] - areas[2])
