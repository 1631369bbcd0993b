"""Drawing masks on a frame: a tint, a crisp contour and a tag for each object, or a legend for all of them."""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from singleout.errors import InputError
from singleout.media import palette

Frame = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Fonts that are often installed and know more letters than the one inside Pillow, which has ASCII alone.
_WIDE_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
)
_NO_LETTER = "\U0010ffff"
_MOST_LETTERS = 200


def draw(
    frame: Frame,
    ids: Sequence[int] | npt.NDArray[np.integer],
    masks: npt.NDArray[np.bool_],
    labels: Sequence[str] | None = None,
    *,
    alpha: float = 0.5,
    legend: bool = False,
) -> Frame:
    """The frame with every mask tinted, outlined and named; a new array, (height, width, 3) uint8 RGB.

    frame: (height, width, 3) uint8. ids: (num_objects,), which choose the colours. masks: (num_objects, height,
    width) bool; where they overlap, smaller ones lie on top. labels: one text per object, "" for none; None
    writes the ids. alpha: strength of the tint, 0 to 1. legend: list the names in a corner instead of beside
    each object, as suits semantic masks. Raises InputError where the sizes do not fit.
    """
    names = [str(value) for value in ids] if labels is None else list(labels)
    _check(frame, ids, masks, names, alpha)
    height, width = frame.shape[:2]
    short = min(height, width)
    line = max(1, round(short / 300))
    image = Image.fromarray(frame)
    shown: list[tuple[int, Box, palette.Rgb, str]] = []
    for index, object_id in enumerate(ids):
        box = bounding_box(masks[index])
        if box is not None:
            shown.append((index, box, palette.distinct(int(object_id)), names[index]))
    areas = {index: (box[2] - box[0]) * (box[3] - box[1]) for index, box, _, _ in shown}
    for index, box, colour, _ in sorted(shown, key=lambda item: -areas[item[0]]):
        left, top, right, bottom = box
        strength = _strength(masks[index, top:bottom, left:right], _open_sides(box, height, width), line, alpha)
        image.paste(colour, box, Image.fromarray(strength))
    size = min(max(11, round(short / 24)), 64)
    if legend:
        _draw_legend(image, [(colour, name) for _, _, colour, name in shown if name], size)
    else:
        _draw_tags(image, [(box, colour, name) for _, box, colour, name in shown if name], size)
    return np.asarray(image).copy()


def bounding_box(mask: npt.NDArray[np.bool_]) -> Box | None:
    """Left, top, right and bottom of a (height, width) bool mask in pixels, ends excluded; None where it is empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    return int(columns[0]), top, int(columns[-1]) + 1, bottom


def _strength(mask: npt.NDArray[np.bool_], open_sides: tuple[bool, bool, bool, bool], line: int, alpha: float) -> Frame:
    """How much of the object's colour each pixel takes, 0..255: all of it on the contour, alpha inside."""
    # Outside of the box nothing belongs to the object, except that a line along the edge of the picture would
    # only be noise: there the mask is thought to go on.
    left, top, right, bottom = open_sides
    inner = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), dtype=bool)
    inner[1:-1, 1:-1] = mask
    inner[1:-1, 0] = mask[:, 0] & left
    inner[1:-1, -1] = mask[:, -1] & right
    inner[0, 1:-1] = mask[0] & top
    inner[-1, 1:-1] = mask[-1] & bottom
    for _ in range(line):
        eaten = inner.copy()
        eaten[1:-1, 1:-1] &= inner[:-2, 1:-1]
        eaten[1:-1, 1:-1] &= inner[2:, 1:-1]
        eaten[1:-1, 1:-1] &= inner[1:-1, :-2]
        eaten[1:-1, 1:-1] &= inner[1:-1, 2:]
        inner = eaten
    strength = mask.view(np.uint8) * np.uint8(255)
    strength -= inner[1:-1, 1:-1].view(np.uint8) * np.uint8(255 - round(255 * alpha))
    return strength


def _open_sides(box: Box, height: int, width: int) -> tuple[bool, bool, bool, bool]:
    return box[0] == 0, box[1] == 0, box[2] == width, box[3] == height


def _draw_tags(image: Image.Image, objects: list[tuple[Box, palette.Rgb, str]], size: int) -> None:
    """Put each name above its object, or inside or below it where there is no room or another tag lies."""
    taken: list[Box] = []
    for (left, top, right, bottom), colour, name in objects:
        tag = _tag(name, colour, size, image.width)
        x = min(max(0, (left + right - tag.width) // 2), image.width - tag.width)
        rows = (top - tag.height, top, bottom, bottom - tag.height, (top + bottom - tag.height) // 2)
        spots = [(x, y) for y in rows] + [(min(right, image.width - tag.width), y) for y in rows]
        inside = [(x, y) for x, y in spots if 0 <= y <= image.height - tag.height]
        free = [spot for spot in inside if not _meets(spot, tag.size, taken)]
        x, y = (free or inside or [(x, max(0, min(top, image.height - tag.height)))])[0]
        image.paste(tag, (x, y))
        taken.append((x, y, x + tag.width, y + tag.height))


def _meets(spot: tuple[int, int], size: tuple[int, int], taken: list[Box]) -> bool:
    x, y = spot
    return any(
        x < right and left < x + size[0] and y < bottom and top < y + size[1] for left, top, right, bottom in taken
    )


def _draw_legend(image: Image.Image, entries: list[tuple[palette.Rgb, str]], size: int) -> None:
    """List the names on their colours in the top left corner; those that do not fit are counted."""
    unique = list(dict.fromkeys(entries))
    if not unique:
        return
    height = _tag(unique[0][1], unique[0][0], size, image.width).height
    room = max(1, (image.height - size) // height)
    if len(unique) > room:
        left_out = len(unique) - room + 1
        unique = [*unique[: room - 1], ((90, 90, 90), f"+ {left_out} more")]
    tags = [_tag(name, colour, size, image.width) for colour, name in unique]
    width = max(tag.width for tag in tags)
    gap = min(size // 2, image.width - width, image.height - height)
    for row, (tag, (colour, _)) in enumerate(zip(tags, unique, strict=True)):
        y = max(gap, 0) + row * height
        image.paste(colour, (max(gap, 0), y, max(gap, 0) + width, y + height))
        image.paste(tag, (max(gap, 0), y))


@lru_cache(maxsize=512)
def _tag(text: str, colour: palette.Rgb, size: int, most: int) -> Image.Image:
    """A text on its colour, at most `most` pixels wide; kept, because the same tag returns in every frame."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_MOST_LETTERS])
    shown, font = _with_font(printable, size)
    pad = max(2, size // 4)
    room = max(1, most - 2 * pad)
    if font.getlength(shown) > room:
        fits = bisect_right(range(len(shown)), room, key=lambda kept: math.ceil(font.getlength(shown[:kept] + "...")))
        shown = shown[: max(0, fits - 1)] + "..."
    ascent, descent = font.getmetrics() if isinstance(font, ImageFont.FreeTypeFont) else (size, 0)
    width = min(most, math.ceil(font.getlength(shown)) + 2 * pad)
    tag = Image.new("RGB", (max(1, width), ascent + descent + pad // 2 * 2), colour)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ImageDraw.Draw(tag).text((pad, pad // 2), shown, font=font, fill=(0, 0, 0) if bright > 125 else (255, 255, 255))
    return tag


def _with_font(text: str, size: int) -> tuple[str, Font]:
    """The text and the font that has most of its letters; a letter that it lacks becomes "?"."""
    if text.isascii():
        return text, ImageFont.load_default(size)
    text = text.encode("utf-8", "replace").decode("utf-8")
    best: tuple[set[str], Font] | None = None
    for name in _WIDE_FONTS:
        font = _installed(name, size)
        if font is not None and (best is None or best[0]):
            blank = bytes(font.getmask(_NO_LETTER))
            missing = {letter for letter in set(text) if bytes(font.getmask(letter)) == blank}
            if best is None or len(missing) < len(best[0]):
                best = missing, font
    if best is not None:
        return "".join("?" if letter in best[0] else letter for letter in text), best[1]
    # The built-in font has only ASCII: letters lose their accents.
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode("ascii"), ImageFont.load_default(size)


@lru_cache(maxsize=128)
def _installed(name: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _check(
    frame: Frame,
    ids: Sequence[int] | npt.NDArray[np.integer],
    masks: npt.NDArray[np.bool_],
    names: list[str],
    alpha: float,
) -> None:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise InputError(f"the frame must be (height, width, 3) uint8, not {frame.shape} {frame.dtype}")
    if masks.shape != (len(ids), *frame.shape[:2]) or masks.dtype != np.bool_:
        raise InputError(
            f"masks must be (num_objects, height, width) bool, here {(len(ids), *frame.shape[:2])}, "
            f"not {masks.shape} {masks.dtype}"
        )
    if len(names) != len(ids):
        raise InputError(f"there are {len(ids)} objects but {len(names)} labels: give one for each")
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}: it must lie between 0 and 1")
