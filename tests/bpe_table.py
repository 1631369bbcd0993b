"""CLIP's table of byte pairs, which we do not carry: found among the files of open_clip_torch, never imported."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

NAME = "bpe_simple_vocab_16e6.txt.gz"
MISSING = (
    f"{NAME} is not here: pip install --no-deps open_clip_torch brings it, or SINGLEOUT_BPE_TABLE says where it is"
)


def find_table() -> Path | None:
    """The table, None where it is not here."""
    if given := os.environ.get("SINGLEOUT_BPE_TABLE"):
        return Path(given) if Path(given).is_file() else None
    spec = find_spec("open_clip")
    folders = spec.submodule_search_locations if spec is not None else None
    files = [Path(folder) / NAME for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)
