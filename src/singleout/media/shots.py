"""Shot cuts, hard ones and fades, from thumbnails of the frames in one pass.

Two frames are as far apart as three measures agree: the mean difference of their pixels, the overlap of their
colour histograms, and the correlation of their brightness. A pan or a fast motion moves pixels but keeps colours,
a change of light keeps the correlation, a cut moves all three; so their geometric mean parts cuts from motion
better than any of them. Colour histograms with a local threshold: Boreczky and Rowe 1996, "Comparison of video
shot boundary detection techniques"; cross-fades as mixtures of the frames around them: Hampapur et al. 1994.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from singleout.media.video import Video

_HEIGHT, _WIDTH = 36, 64
# Distance of a cut. Measured on DAVIS sequences and street shots: neighbours of one shot stay below 0.16 (0.22 where
# every second frame is left out); of 1,500 pairs from different shots the nearest was at 0.31.
_CUT = 0.25
# A cut must also stand out from the motion around it: this many times the median of the neighbouring distances.
_STANDS_OUT = 2.0
_NEIGHBOURS = 6
# What differs for fewer frames than this, and then returns, is a flash.
_FLASH = 3
# A frame of one colour, as between a fade out and a fade in: standard deviation of brightness, of 255.
_BLANK = 5.0
# Half lengths of cross-fades looked for, in frames; distance of their ends; how far, of half the difference of the
# ends, a frame may be from the mixture of them. Without a fade that is 0.99 and more wherever the ends differ so
# much (measured on the same sequences); in three fades of four, between moving pictures, it is less than 0.75.
_FADES = (2, 4, 8, 12)
_FADE_ENDS = 0.30
_FADE_REST = 0.75
_FADE_CONTRAST = 0.5
_REACH = 12


@dataclass(frozen=True)
class _Look:
    """What is compared of a frame.

    pixels: (height, width, 3). histogram: (512,) shares. brightness: (height, width) with mean 0 and norm 1.
    contrast: its standard deviation, of 255.
    """

    pixels: npt.NDArray[np.float32]
    histogram: npt.NDArray[np.float32]
    brightness: npt.NDArray[np.float32]
    contrast: float

    @property
    def blank(self) -> bool:
        return self.contrast < _BLANK


def detect_shots(video: Video) -> list[tuple[int, int]]:
    """The shots of a video as (start, stop) frame numbers, in order, which cover every frame.

    Decodes the video once, at thumbnail size, in constant memory. `Video.shots` keeps the result.
    """
    starts = [0, *find_cuts(video.thumbnails(_HEIGHT, _WIDTH))]
    return list(zip(starts, [*starts[1:], video.num_frames], strict=True))


def find_cuts(thumbnails: Iterator[npt.NDArray[np.uint8]]) -> list[int]:
    """The numbers of the frames that begin a new shot, without the first. thumbnails: (36, 64, 3) uint8 RGB."""
    cuts: list[int] = []
    looks: deque[_Look] = deque(maxlen=2 * _REACH + 1)
    steps: deque[float] = deque(maxlen=2 * _REACH + 1)
    number = -1

    def judge(at: int, centre: int) -> None:
        since = at - cuts[-1] if cuts else at
        if since <= (_FLASH if cuts else 0):
            return
        if (
            _is_cut(looks, steps, centre)
            or _ends_blank(looks, centre)
            or (since > max(_FADES) and _is_fade(looks, steps, centre))
        ):
            cuts.append(at)

    for number, thumbnail in enumerate(thumbnails):
        looks.append(_look(thumbnail))
        steps.append(_distance(looks[-2], looks[-1]) if len(looks) > 1 else 0.0)
        if number >= _REACH:
            judge(number - _REACH, len(looks) - 1 - _REACH)
    for left in range(min(_REACH, number + 1), 0, -1):
        judge(number + 1 - left, len(looks) - left)
    return cuts


def _look(thumbnail: npt.NDArray[np.uint8]) -> _Look:
    pixels = thumbnail.astype(np.float32)
    levels = (thumbnail >> 5).astype(np.int16)
    codes = levels[..., 0] * 64 + levels[..., 1] * 8 + levels[..., 2]
    histogram = np.bincount(codes.ravel(), minlength=512).astype(np.float32) / np.float32(codes.size)
    brightness = pixels.mean(axis=2)
    centred = brightness - brightness.mean()
    norm = float(np.linalg.norm(centred))
    return _Look(pixels, histogram, centred / max(norm, 1e-6), norm / float(np.sqrt(centred.size)))


def _distance(first: _Look, second: _Look) -> float:
    """How far apart two frames are: 0 for equal ones, 0.3 to 1 across a cut."""
    pixels = float(np.abs(first.pixels - second.pixels).mean()) / 255
    colours = float(np.abs(first.histogram - second.histogram).sum()) / 2
    places = 1 - float((first.brightness * second.brightness).sum())
    return float(np.cbrt(pixels * colours * max(places, 0.0)))


def _is_cut(looks: Sequence[_Look], steps: Sequence[float], at: int) -> bool:
    if at < 1 or steps[at] < _CUT:
        return False
    around = [steps[near] for near in range(max(at - _NEIGHBOURS, 1), min(at + _NEIGHBOURS + 1, len(steps)))]
    if len(around) > 1 and steps[at] < _STANDS_OUT * float(np.median(around)):
        return False
    before = range(max(at - _FLASH, 0), at)
    after = range(at, min(at + _FLASH, len(looks)))
    return all(_distance(looks[a], looks[b]) >= _CUT for a in before for b in after)


def _ends_blank(looks: Sequence[_Look], at: int) -> bool:
    """Whether a new picture begins here after at least two frames of one colour."""
    if at < 2 or looks[at].blank or not (looks[at - 1].blank and looks[at - 2].blank):
        return False
    before = next((looks[near] for near in range(at - 3, -1, -1) if not looks[near].blank), None)
    return before is None or _distance(before, looks[at]) >= _CUT


def _is_fade(looks: Sequence[_Look], steps: Sequence[float], at: int) -> bool:
    """Whether this is the middle of a cross-fade: the frames around it are mixtures of one before and one after."""
    for half in _FADES:
        if at < half or at + half >= len(looks):
            return False
        first, last = looks[at - half], looks[at + half]
        if min(first.contrast, last.contrast) < _FADE_CONTRAST * max(first.contrast, last.contrast):
            # A fade to or from one colour; it is found at the end of that colour.
            continue
        if first.blank or _distance(first, last) < _FADE_ENDS:
            continue
        if max(steps[near] for near in range(at - half + 1, at + half + 1)) >= _CUT:
            return False
        way = last.pixels - first.pixels
        length = float((way * way).sum())
        shares, rests = [], []
        for middle in (looks[at - half // 2], looks[at], looks[at + half // 2]):
            passed = middle.pixels - first.pixels
            share = float((passed * way).sum()) / length
            rest = passed - share * way
            shares.append(share)
            rests.append(float(np.sqrt((rest * rest).sum() / length)) * 2)
        if max(rests) < _FADE_REST and 0.1 < shares[0] < shares[1] < shares[2] < 0.9 and abs(shares[1] - 0.5) < 0.15:
            return True
    return False
