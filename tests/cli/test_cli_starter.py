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


def test_words_find_the_man_in_the_demo_clip_and_no_horse(tmp_path):
    words = ["segment", "demo", "--start", "1.24", "--end", "1.9", "--say", "the man in the suit", "--say", "a horse"]
    result = subprocess.run(
        [sys.executable, "-m", "singleout", *words, "--no-overlay", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    tracks = trackfile.read(tmp_path / "out" / "tracks.json")
    assert [tracks[number].label for number in tracks.ids] == ["the man in the suit"]
    assert '"a horse" was not found' in result.stderr
    _, _, masks = tracks.masks(8)
    # Seen by eye: he fills the middle right of the picture, and cars the left.
    assert masks.shape[0] == 1
    assert masks[0][120:260, 390:490].mean() > 0.8
    assert masks[0][:, :200].mean() < 0.1
