"""Where a mkv or webm file is damaged, by following its elements; FFmpeg goes on at the next good one in silence."""

from __future__ import annotations

import mmap
from pathlib import Path

_HEADER, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
# What a segment and a cluster may hold; no element has the id of one on another level, so they are read as one list.
_KNOWN = {
    0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1254C367, 0x1C53BB6B, 0x1941A469, 0x1043A770, _CLUSTER,
    0xE7, 0xA3, 0xA0, 0xAB, 0xA7, 0x5854, 0xAF, 0xEC, 0xBF,
}  # fmt: skip


def matroska_damage(path: Path) -> int | None:
    """The byte from which on the elements of a file cannot be trusted, None for a sound file or another format."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = _element(data, 0)
        if found is None or found[0] != _HEADER or found[2] is None:
            return None
        found = _element(data, found[1] + found[2])
        if found is None or found[0] != _SEGMENT:
            return None
        position = found[1]
        end = len(data) if found[2] is None else position + found[2]
        last = position
        while position < min(end, len(data)):
            found = _element(data, position)
            if found is None or found[0] not in _KNOWN:
                return last
            name, inside, length = found
            if name == _CLUSTER:
                last, position = position, inside
            elif length is None:
                return last
            elif inside + length > len(data):
                return position
            else:
                last, position = position, inside + length
    return None


def _element(data: mmap.mmap, at: int) -> tuple[int, int, int | None] | None:
    """An element's id, the place of its content, and its length (None: unknown); None where there is none."""
    name_width = 9 - data[at].bit_length() if at < len(data) else 9
    at_length = at + name_width
    if name_width > 4 or at_length >= len(data) or not data[at_length]:
        return None
    width = 9 - data[at_length].bit_length()
    length = int.from_bytes(data[at_length : at_length + width], "big") - (1 << 7 * width)
    unknown = length == (1 << 7 * width) - 1
    name = int.from_bytes(data[at:at_length], "big")
    return name, at_length + width, None if unknown else length
