"""Keeping the memory of pictures that are done for the ones that come."""

from __future__ import annotations

from functools import cache

import numpy as np

_LARGEST = 1 << 24


@cache
def reuse_freed_memory() -> None:
    """Let arrays of up to 16 MiB take the memory of earlier ones, in the whole process.

    glibc returns blocks above 128 KiB to the system as they are freed, which clears the pages of each new one again:
    for a picture that can take as long as decoding it. It raises that limit to the largest block that was ever freed
    (mallopt(3), M_MMAP_THRESHOLD), and one that is never written to costs nothing. Other C libraries are not affected.
    """
    np.empty(_LARGEST, np.uint8)
