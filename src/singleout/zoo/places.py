"""Where checkpoints are kept on this computer, and whether the network may be used."""

from __future__ import annotations

import os
from pathlib import Path

from singleout.errors import InputError

_TRUE = {"1", "on", "yes", "true"}
_FALSE = {"", "0", "off", "no", "false"}


def cache_folder() -> Path:
    """The folder of everything fetched: ``SINGLEOUT_CACHE``, or ``singleout`` in the user's cache folder."""
    if given := os.environ.get("SINGLEOUT_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "singleout"


def is_offline() -> bool:
    """Whether ``SINGLEOUT_OFFLINE`` or the hub's own ``HF_HUB_OFFLINE`` forbids the network.

    Raises InputError for a value that is neither yes nor no.
    """
    for variable in ("SINGLEOUT_OFFLINE", "HF_HUB_OFFLINE"):
        value = os.environ.get(variable, "").strip().lower()
        if value in _TRUE:
            return True
        if value not in _FALSE:
            raise InputError(f"{variable}={value}: expected 1 or 0")
    return False
