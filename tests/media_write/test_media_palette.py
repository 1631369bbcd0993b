"""Colours of ids."""

from __future__ import annotations

import itertools

import numpy as np

from singleout.media import palette


def test_davis_palette_is_that_of_the_data_set() -> None:
    # The first entries, the grey in the middle and the last one, as in the files of DAVIS and Pascal VOC.
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 7: (128, 128, 128)}
    known |= {8: (64, 0, 0), 15: (192, 128, 128), 19: (128, 192, 0), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert palette.DAVIS.shape == (256, 3)
    for object_id, colour in known.items():
        assert palette.color(object_id) == colour
    assert len(np.unique(palette.DAVIS, axis=0)) == 256


def test_large_ids_have_colours() -> None:
    assert palette.color(256) == palette.color(1)
    assert palette.color(70_000) != (0, 0, 0)
    assert all(0 <= value <= 255 for value in palette.distinct(70_000))


def test_colours_to_draw_with_differ() -> None:
    first = [np.array(palette.distinct(object_id)) for object_id in range(1, 13)]
    for one, other in itertools.combinations(first, 2):
        assert np.abs(one - other).sum() > 45
    for one, other in itertools.pairwise(np.array(palette.distinct(object_id)) for object_id in range(1, 400)):
        assert np.abs(one - other).sum() > 100
    # Neither black nor white.
    assert all(150 < sum(palette.distinct(object_id)) < 700 for object_id in range(1, 400))
