"""What the tests of this room draw from: small masks of every shape, and tracks made of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from singleout.tracks import Answer, FrameMasks, ObjectInfo, Tracks

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
SCORES = st.floats(0, 1, width=32)
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> npt.NDArray[np.bool_]:
    """A mask of any kind: empty, full, one pixel, or noise."""
    kind = draw(st.sampled_from(["noise", "noise", "empty", "full", "pixel"]))
    if kind == "noise":
        return draw(arrays.arrays(np.bool_, (height, width)))
    mask = np.full((height, width), kind == "full")
    if kind == "pixel":
        mask[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = True
    return mask


@st.composite
def tracks(
    draw: st.DrawFn, size: tuple[int, int] | None = None, num_frames: int | None = None, exclusive: bool | None = None
) -> Tracks:
    """Tracks of up to four objects in up to five frames, described or not, in any order of frames."""
    height, width = size or draw(SIZES)
    count = draw(st.integers(0, 5)) if num_frames is None else num_frames
    names = draw(st.none() | st.lists(TEXT, min_size=count, max_size=count))
    times = draw(st.none() | st.lists(st.floats(0, 1e6), min_size=count, max_size=count))
    overlap_free = draw(st.booleans()) if exclusive is None else exclusive
    source = draw(st.dictionaries(TEXT, st.none() | st.integers() | TEXT | st.lists(TEXT), max_size=3))
    made = Tracks(
        height, width, count, overlap_free, times=times, video_name=draw(TEXT), frame_names=names, source=source
    )
    for frame in draw(st.permutations(range(count))):
        if draw(st.booleans()):
            ids = draw(st.lists(st.integers(1, 9), unique=True, max_size=4))
            scores = [draw(SCORES) for _ in ids]
            stack = np.array([draw(masks(height, width)) for _ in ids]).reshape(-1, height, width)
            made.append(FrameMasks(frame, ids, scores, stack, height, width, overlap_free))
    infos = draw(st.dictionaries(st.integers(1, 12), st.tuples(TEXT, TEXT, st.floats(0, 1), st.booleans()), max_size=4))
    found = tuple(made.ids)
    answers = [Answer(draw(TEXT), found, draw(st.floats(0, 1)), 0.5, draw(TEXT))] if draw(st.booleans()) else []
    return made.describe({number: ObjectInfo(number, *values) for number, values in infos.items()}, answers)
