"""Masks as polygons that lie on the edges between pixels, so that nothing is lost on the way.

A contour through pixel centres, as most tracers give it, cuts half a pixel off every side: a shape twenty pixels
wide loses a tenth of its area when it is filled again. Here the corners are those of the pixels themselves, (0, 0)
being the top left of the picture and (width, height) its bottom right, as COCO counts. Filling such a polygon by
COCO's rule or by even-odd gives back the same mask, and only corners are kept, no points along straight edges.

A polygon list cannot subtract, so a hole is joined to what surrounds it by a cut: from the leftmost corner of its
top edge the outline runs straight up through the object to the next edge, and later back. The cut has no width.
Pixels that touch only at a corner belong to different polygons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Polygon = npt.NDArray[np.int64]
_Index = npt.NDArray[np.int64]


def trace(mask: npt.NDArray[Any]) -> list[Polygon]:
    """The outline of each 4-connected part of a mask, with its holes cut open, top left part first.

    mask: (height, width) bool or 0/1. Each polygon is (num_corners, 2) x and y, clockwise on the screen, its first
    corner the top left one; the last corner is followed by the first.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    crop = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    inside = np.pad(crop.astype(np.bool_), 1)
    x, y, second = _corners(inside)
    start, end, successor = _edges(inside, x, y, second)
    edges, successor = _open_holes(inside, np.stack([x[start], x[end], y[start]]), successor)
    return [ring + np.array([left, top]) for ring in _rings(edges, successor)]


def joined(parts: list[Polygon]) -> Polygon:
    """All parts as one closed line, for formats that hold one polygon an object: (num_corners, 2) x and y.

    Each smaller part hangs on the nearest corner of the part with the most corners, by a line that is walked there
    and back. Even-odd filling gives the same mask; a filler that also draws the outline shows the lines.
    """
    from scipy.spatial import cKDTree

    if len(parts) == 1:
        return parts[0]
    order = sorted(range(len(parts)), key=lambda index: (-len(parts[index]), index))
    trunk, others = parts[order[0]], [parts[index] for index in sorted(order[1:])]
    distance, nearest = cKDTree(trunk).query(np.concatenate(others))
    branches: dict[int, list[Polygon]] = {}
    first = 0
    for part in others:
        own = slice(first, first + len(part))
        first += len(part)
        closest = int(np.argmin(distance[own]))
        branch = np.roll(part, -closest, axis=0)
        at = int(nearest[own][closest])
        branches.setdefault(at, []).append(np.concatenate([branch, branch[:1], trunk[at : at + 1]]))
    pieces: list[Polygon] = []
    done = 0
    for at in sorted(branches):
        pieces += [trunk[done : at + 1], *branches[at]]
        done = at + 1
    return np.concatenate([*pieces, trunk[done:]])


def _corners(inside: npt.NDArray[np.bool_]) -> tuple[_Index, _Index, npt.NDArray[np.bool_]]:
    """Where the outline turns, row by row; where two pixels touch at a corner only, that corner twice.

    The third array marks the second of two, where the pixels are the right upper and left lower one.
    """
    upper_left, upper_right = inside[:-1, :-1], inside[:-1, 1:]
    lower_left, lower_right = inside[1:, :-1], inside[1:, 1:]
    turns = upper_left ^ upper_right ^ lower_left ^ lower_right
    touching = (upper_left == lower_right) & (upper_right == lower_left) & (upper_left != upper_right)
    count = turns.astype(np.int64) + 2 * touching
    y, x = np.nonzero(count)
    repeated = count[y, x]
    y, x = np.repeat(y, repeated), np.repeat(x, repeated)
    second = np.zeros(len(x), np.bool_)
    second[1:] = (x[1:] == x[:-1]) & (y[1:] == y[:-1])
    return x, y, second


def _edges(
    inside: npt.NDArray[np.bool_], x: _Index, y: _Index, second: npt.NDArray[np.bool_]
) -> tuple[_Index, _Index, _Index]:
    """Horizontal edges with the object on their right hand: first corner, last corner, and which edge is next.

    Along a row the corners pair up to horizontal edges, along a column to vertical ones.
    """
    number = np.arange(len(x))
    across = number ^ 1
    # Of two corners in one place the first ends the edge from the left and the second begins the one to the right.
    # Which of them goes up decides whether the two pixels are kept apart: always with the edge of the same pixel.
    rising = inside[y, x + 1] & ~inside[y, x]
    rank = np.where(rising, ~second, second)
    column_order = np.lexsort((rank, y, x))
    along = np.empty_like(number)
    along[column_order] = column_order[number ^ 1]
    # The corner at the left end starts the edge if the object lies below it, the one at the right end otherwise.
    left = np.minimum(number, across)
    below = inside[y[left] + 1, x[left] + 1]
    start = number[np.where(below, number == left, number != left)]
    position = np.empty_like(number)
    position[start] = np.arange(len(start))
    return start, across[start], position[along[across[start]]]


def _open_holes(inside: npt.NDArray[np.bool_], edges: _Index, successor: _Index) -> tuple[_Index, _Index]:
    """Cut every hole open to the edge above it, which may be that of another hole.

    inside: (height + 2, width + 2) bool, the mask with a border of nothing. edges: (3, num_edges) x at the start, x at
    the end, y. A cut divides the edge above in two; the new second halves are appended.
    """
    start, end, y = edges
    ring = _ring_of(successor)
    signed_area = np.bincount(ring, weights=((start - end) * y).astype(np.float64), minlength=len(ring))
    in_hole = np.flatnonzero(signed_area[ring] < 0)
    if not len(in_hole):
        return edges, successor
    by_height = in_hole[np.lexsort((end[in_hole], y[in_hole], ring[in_hole]))]
    _, first = np.unique(ring[by_height], return_index=True)
    top = by_height[first]
    above, cut_y = _edge_above(inside, edges, end[top], y[top])

    order = np.lexsort((end[top], above))
    top, above, cut_y = top[order], above[order], cut_y[order]
    cut_x = end[top]
    added = len(start) + np.arange(len(top))
    shares_with_next = np.append(above[1:] == above[:-1], False)
    shares_with_last = np.append(False, above[1:] == above[:-1])
    before_cut = np.where(shares_with_last, added - 1, above)

    new_start = np.concatenate([start, cut_x])
    new_end = np.concatenate([end, end[above]])
    new_end[before_cut] = cut_x
    new_successor = np.concatenate([successor, successor[above]])
    new_successor[before_cut] = successor[top]
    new_successor[top] = added
    new_successor[added[~shares_with_next]] = successor[above[~shares_with_next]]
    return np.stack([new_start, new_end, np.concatenate([y, cut_y])]), new_successor


def _edge_above(inside: npt.NDArray[np.bool_], edges: _Index, x: _Index, y: _Index) -> tuple[_Index, _Index]:
    """For points that lie under the object, the edge where that stretch of the object begins, and its y."""
    start, end, edge_y = edges
    height, width = inside.shape
    begins = np.flatnonzero((inside[1:] & ~inside[:-1]).T)
    # Corner y is pixel row y, which is row y + 1 of `inside` and row y of the difference; the pixel above is y - 1.
    run = begins[np.searchsorted(begins, (x + 1) * (height - 1) + y - 1, side="right") - 1]
    begin_y = run % (height - 1)
    rightward = np.flatnonzero(start < end)
    keys = edge_y[rightward] * width + start[rightward]
    order = np.argsort(keys)
    found = order[np.searchsorted(keys[order], begin_y * width + x, side="right") - 1]
    return rightward[found], begin_y


def _ring_of(successor: _Index) -> _Index:
    """The smallest number in the ring that each edge belongs to, by pointer jumping."""
    ring = np.minimum(np.arange(len(successor)), successor)
    jump = successor
    while True:
        jump = jump[jump]
        lower = np.minimum(ring, ring[jump])
        if np.array_equal(lower, ring):
            return ring
        ring = lower


def _rings(edges: _Index, successor: _Index) -> list[Polygon]:
    """The corners of each ring in order, beginning with its smallest edge (list ranking by pointer jumping)."""
    ring = _ring_of(successor)
    last = successor == ring
    jump = np.where(last, np.arange(len(successor)), successor)
    to_go = (~last).astype(np.int64)
    for _ in range(len(successor).bit_length()):
        to_go += to_go[jump]
        jump = jump[jump]
    order = np.lexsort((-to_go, ring))
    # An edge that a cut divided at its very corner left a piece without length.
    order = order[edges[0, order] != edges[1, order]]
    start, end, y = edges[:, order]
    corners = np.stack([np.stack([start, y], axis=1), np.stack([end, y], axis=1)], axis=1).reshape(-1, 2)
    breaks = np.flatnonzero(np.diff(ring[order])) + 1
    return np.split(corners, 2 * breaks)
