"""OVSeg's tokens: 14 templates for names with blanks, accents, commas and capitals (section 4 of its README)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.parity.goldens import CannotReplayError, Comparison, Context, arrays_of, spec_of
from tests.parity.text_towers import tokenizer

from singleout.vocabularies import VILD

PART = "ovseg"
WHAT = r"CLIP BPE ids of the (\d+) templates for each name; padded with 0 to (\d+)"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return arrays_of(path) == {"tokens", "spec"} and bool(re.fullmatch(WHAT, str(spec_of(path).get("what"))))


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    said = re.fullmatch(WHAT, golden.spec["what"])
    if said is None or int(said[1]) != len(VILD):
        raise CannotReplayError(f"unknown templates: {golden.spec['what']}")
    names = golden.spec["names"]
    rows = np.zeros((len(names) * len(VILD), int(said[2])), np.uint16)
    for row, ids in zip(rows, tokenizer()([each.format(name) for name in names for each in VILD]), strict=True):
        row[: len(ids)] = ids
    yield golden.compare("tokens", rows.reshape(len(names), len(VILD), -1))
