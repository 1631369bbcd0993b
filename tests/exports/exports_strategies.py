"""What the tests of this room draw from: tracks with holes, islands, gaps and names, exclusive or overlapping."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from singleout.tracks import FrameMasks, ObjectInfo, Tracks

LABELS = ("", "car", "pedestrian", "white dog", "Straße <&> \"1\" 'x'", "人")
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@st.composite
def masks(draw: st.DrawFn) -> npt.NDArray[np.bool_]:
    return draw(arrays.arrays(np.bool_, draw(SIZES)))


@st.composite
def tracks(draw: st.DrawFn, exclusive: bool | None = None, largest_id: int = 255) -> Tracks:
    """Up to four objects, seen or not, in one to four frames; at least one frame shows the picture's size."""
    height, width = draw(SIZES)
    num_frames = draw(st.integers(1, 4))
    apart = draw(st.booleans()) if exclusive is None else exclusive
    ids = draw(st.lists(st.integers(1, largest_id), min_size=1, max_size=4, unique=True))
    made = Tracks(height, width, num_frames, apart)
    for frame in range(num_frames):
        if apart:
            owner = draw(arrays.arrays(np.int8, (height, width), elements=st.integers(0, len(ids))))
            stack = np.stack([owner == place for place in range(1, len(ids) + 1)])
        else:
            stack = draw(arrays.arrays(np.bool_, (len(ids), height, width)))
        scores = draw(st.lists(st.floats(0, 1, width=32), min_size=len(ids), max_size=len(ids)))
        made.append(FrameMasks(frame, ids, scores, stack, height, width, apart))
    return made.describe({key: ObjectInfo(key, label=draw(st.sampled_from(LABELS)), score=0.5) for key in ids})


def assert_same_masks(read: Tracks, written: Tracks) -> None:
    assert (read.height, read.width, read.num_frames) == (written.height, written.width, written.num_frames)
    shown = {track.id for track in written if track.present.any()}
    assert set(read.ids) >= shown
    for key in shown:
        assert np.array_equal(read[key].masks(), written[key].masks()), f"object {key}"
