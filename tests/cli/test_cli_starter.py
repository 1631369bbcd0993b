"""The command line with the system that ships: a mask in, its tracks out, and nothing heavy that it does not need."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from PIL import Image

from singleout.exports import trackfile


def test_the_starter_follows_a_mask_without_transformers(squares, squares_file, tmp_path):
    truth = squares()[1]
    Image.fromarray(truth[0]).save(tmp_path / "first.png")
    words = ["segment", str(squares_file), "--mask", f"0:{tmp_path / 'first.png'}", "--out", str(tmp_path / "out")]
    code = (
        f"import sys; from singleout.cli.main import main; code = main({words!r});"
        "assert 'transformers' not in sys.modules; sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    tracks = trackfile.read(tmp_path / "out" / "tracks.json")
    assert tracks.ids == (1, 2) and len(tracks.stored_frames) == len(truth)
    ids, _, masks = tracks.masks(0)
    for number, mask in zip(ids, masks, strict=True):
        given = truth[0] == number
        assert np.sum(mask & given) / np.sum(mask | given) > 0.5
