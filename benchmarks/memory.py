"""How much memory this process takes, for the scripts of this folder."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """The most resident memory that the process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes() -> int:
    """Resident memory now; the peak where the system does not tell."""
    table = Path("/proc/self/statm")
    if not table.exists():
        return peak_bytes()
    return int(table.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
