"""Is a video file all there? Each container says how long it means to be; this compares that with the file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from singleout.media.matroska import matroska_damage

# Some programs leave a few bytes after the end mark; more of them means that the blocks before it are damaged.
_GIF_TRAIL = 1024
# Boxes of mp4 that may be cut off without a loss.
_NO_PICTURES = {b"free", b"skip", b"wide", b"udta", b"uuid", b"mfra"}


def cut_off(path: Path) -> str | None:
    """Why a file is known to be incomplete, in a few words, or None.

    Looks at sizes only: the outermost boxes of mp4 and mov, the elements of mkv and webm, the RIFF chunk of avi,
    and the blocks of a gif.
    """
    actual = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        if head[:3] == b"GIF":
            pictures, ends = _gif_pictures(path.read_bytes())
            return None if ends else f"the file is cut off or damaged after {pictures} whole pictures"
        if head[:4] == b"RIFF":
            declared = int.from_bytes(head[4:8], "little") + 8
        elif head[:4] == b"\x1a\x45\xdf\xa3":
            return _matroska(path, actual)
        elif head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"pnot"):
            declared = _boxes_end(file, actual)
        else:
            return None
    if declared > actual:
        return f"the file is cut off, it has {actual:,} of {declared:,} bytes"
    return None


def _boxes_end(file: BinaryIO, actual: int) -> int:
    position = 0
    while position + 8 <= actual:
        file.seek(position)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        elif size == 0:
            return actual
        if size < 8 or (position + size > actual and header[4:8] in _NO_PICTURES):
            return actual
        position += size
    return position


def _matroska(path: Path, actual: int) -> str | None:
    damage = matroska_damage(path)
    return None if damage is None else f"the file is cut off or damaged from byte {damage:,} of {actual:,} on"


def whole_pictures(path: Path) -> int | None:
    """How many pictures of a damaged gif are all there; None for one that is sound.

    FFmpeg shows the lines that it has of a picture that is cut off, and says nothing.
    """
    pictures, ends = _gif_pictures(path.read_bytes())
    return None if ends else pictures


def _gif_pictures(data: bytes) -> tuple[int, bool]:
    """The whole pictures of a gif, and whether its blocks lead to its end mark."""
    pictures = 0
    if len(data) < 13:
        return 0, False
    position = 13 + _gif_colours(data[10])
    while position < len(data):
        mark = data[position]
        if mark == 0x3B:
            return pictures, len(data) - position <= _GIF_TRAIL
        if mark == 0x21:
            position += 2
        elif mark == 0x2C and position + 9 < len(data):
            position += 11 + _gif_colours(data[position + 9])
        else:
            break
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
        pictures += mark == 0x2C and position <= len(data)
    return pictures, False


def _gif_colours(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
