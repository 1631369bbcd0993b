"""The half step that a golden in half precision is given: that of its rounding, for every number there is."""

from __future__ import annotations

import numpy as np
import pytest
from tests.parity.limits import Near

EVERY = np.arange(2**16, dtype=np.uint16).view(np.float16)
# In order and without the second zero, as float64, which holds them and what is half-way between them.
FINITE = np.unique(EVERY[np.isfinite(EVERY)]).astype(np.float64)


def judged(ours, golden):
    """Whether each number is taken for the golden one with no tolerance beyond the rounding."""
    golden = golden.astype(np.float16)
    return np.array([Near(0.0).judge(ours[i : i + 1], golden[i : i + 1]).passed for i in range(len(ours))])


@pytest.mark.parametrize("side", [1, -1])
def test_all_that_is_rounded_to_a_number_is_taken_for_it_and_nothing_else(side):
    ordered = FINITE[::side]
    golden, following = ordered[:-1], ordered[1:]
    half_way = (golden + following) / 2
    assert Near(0.0).judge(half_way, golden.astype(np.float16)).passed
    beyond = half_way + (following - half_way) * 1e-6
    # Each one by itself is too far; a sample of them, and all powers of two.
    exponents = np.log2(np.abs(golden), out=np.full_like(golden, 0.5), where=golden != 0)
    picked = np.flatnonzero((exponents == np.round(exponents)) | (np.arange(len(golden)) % 37 == 0))
    assert (exponents[picked] == np.round(exponents[picked])).sum() == 2 * 40
    assert judged(half_way[picked], golden[picked]).all()
    assert not judged(beyond[picked], golden[picked]).any()


def test_the_ends_and_what_is_no_number():
    largest = np.array([65504.0, -65504.0])
    assert judged(largest * (65519.9 / 65504), largest).all()
    assert not judged(largest * (65520.1 / 65504), largest).any()
    special = np.array([np.nan, np.inf, -np.inf])
    assert judged(special, special).all()
    assert not judged(special[[1, 2, 0]], special).any()
