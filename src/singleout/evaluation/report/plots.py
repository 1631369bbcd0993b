"""Plots as inline SVG: values over the frames of a video, and how the objects of a data set are spread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

_WIDTH, _HEIGHT = 560, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 6, 8, 22
_COLOURS = ("#2463eb", "#e07a1f", "#2e9e5b", "#a04bc8")
_MOST_POINTS = 600


def course(series: Mapping[str, npt.NDArray[np.float64]], frames: Sequence[str], marked: int | None = None) -> str:
    """Lines of values between 0 and 1 over the frames; a gap where a frame has none.

    series: (num_frames,) each, by name. marked: index of the frame that is drawn beside the plot.
    """
    count = max((len(values) for values in series.values()), default=0)
    parts = [_frame()]
    place_of_name = _WIDTH - _RIGHT - sum(map(_length, series))
    if marked is not None:
        x = _x(marked, count)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
    for index, (name, values) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        for piece in _pieces(values):
            points = " ".join(f"{_x(int(place), count):.1f},{_y(float(values[place])):.1f}" for place in piece)
            parts.append(f'<polyline points="{points}" stroke="{colour}"/>')
            if len(piece) == 1:
                left, top = points.split(",")
                parts.append(f'<circle cx="{left}" cy="{top}" r="2" fill="{colour}"/>')
        parts.append(f'<text x="{place_of_name:.0f}" y="{_TOP + 10}" fill="{colour}">{escape(name)}</text>')
        place_of_name += _length(name)
    if frames:
        y = _HEIGHT - 6
        parts.append(f'<text x="{_LEFT}" y="{y}">{escape(frames[0])}</text>')
        parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{y}" text-anchor="end">{escape(frames[-1])}</text>')
    return _svg(parts, "values over the frames: " + ", ".join(series))


def spread(
    scores: Sequence[float], labels: Sequence[str], unit: float = 1.0, ends: tuple[str, str] = ("worst", "best")
) -> str:
    """A bar for each object, in the given order, with its name as a tooltip.

    unit: the value of a full bar. ends: what the first and the last one are called. Of more objects than there are
    pixels, evenly spaced ones are drawn.
    """
    count = len(scores)
    drawn = np.unique(np.linspace(0, count - 1, min(count, _WIDTH - _LEFT - _RIGHT)).round().astype(int)).tolist()
    width = (_WIDTH - _LEFT - _RIGHT) / max(len(drawn), 1)
    parts = [_frame(unit)]
    for index, place in enumerate(drawn):
        score, label = scores[place], labels[place]
        top = _y(score / unit)
        x = _LEFT + index * width
        parts.append(
            f'<rect x="{x:.2f}" y="{top:.1f}" width="{max(width - (1 if width > 4 else 0), 0.3):.2f}" '
            f'height="{_HEIGHT - _BOTTOM - top:.1f}" fill="{_COLOURS[0]}">'
            f"<title>{escape(label)}: {score:.3f}</title></rect>"
        )
    first, last = map(escape, ends)
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{first}</text>')
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{last} of {count}</text>')
    return _svg(parts, f"objects from {ends[0]} to {ends[1]}")


def _length(name: str) -> float:
    """About as wide as a name is drawn, with the gap behind it."""
    return 6.2 * len(name) + 8


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(parts)
        + "</svg>"
    )


def _frame(unit: float = 1.0) -> str:
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * unit:g}</text>')
    return "".join(lines)


def _x(index: int, count: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (index / max(count - 1, 1))


def _y(value: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - min(max(value, 0.0), 1.0))


def _pieces(values: npt.NDArray[np.float64]) -> list[npt.NDArray[np.intp]]:
    """The runs of frames that have a value; long videos are thinned out, as a screen has no more points."""
    step = math.ceil(len(values) / _MOST_POINTS) or 1
    places = np.flatnonzero(np.isfinite(values[::step])) * step
    return [piece for piece in np.split(places, np.flatnonzero(np.diff(places) > step) + 1) if len(piece)]
