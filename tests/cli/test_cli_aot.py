"""AOT on the command line, with a file of weights as its authors write one: a mask, and whole benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests import benchmark_data
from tests.parity.weights import official_state

import singleout as package
from singleout.exports import trackfile

KEYS = Path(__file__).parents[1] / "goldens" / "aot"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DeAOT-T under official names, drawn by rule."""
    file = tmp_path_factory.mktemp("weights") / "DeAOTT_PRE_YTB_DAV.pth"
    torch.save({"state_dict": official_state(KEYS / "keys-deaott.json")}, file)
    return file


def test_a_mask_is_followed(singleout, weights, squares, squares_file, tmp_path):
    truth = squares()[1]
    Image.fromarray(truth[0]).save(tmp_path / "first.png")
    words = ("segment", squares_file, "--mask", f"0:{tmp_path / 'first.png'}", "--out", tmp_path / "out")
    done = singleout(*words, "--model", "aot/deaott", "--weights", weights, "--option", "budget=4", "--json")
    assert done.code == 0, done.err
    tracks = trackfile.read(tmp_path / "out" / "tracks.json")
    assert tracks.ids == (1, 2)
    assert len(tracks.stored_frames) == len(truth)
    assert np.array_equal(tracks.id_map(0), truth[0])
    again = singleout(*words, "--model", "aot/deaott", "--weights", weights, "--overwrite", "--option", "budget=none")
    assert again.code == 2
    assert "budget 'none': expected a whole number from 1 on" in again.err
    wrong = singleout(*words, "--model", "aot/r50-deaotl", "--weights", weights, "--overwrite")
    assert wrong.code == 2
    assert "holds AOT as deaott, not as r50-deaotl" in wrong.err


@pytest.mark.parametrize("name", ["davis2016", "davis2017", "youtube-vos-2018", "youtube-vos-2019"])
def test_whole_benchmarks_are_predicted_and_scored(singleout, weights, tmp_path, name):
    if name.startswith("davis"):
        data = benchmark_data.davis(tmp_path / "data", ("one",), 2016 if name == "davis2016" else 2017, num_frames=4)
        options: tuple[str, ...] = ()
    else:
        data, options = benchmark_data.youtube_vos(tmp_path / "data"), ("--split", "train")
    out, model = tmp_path / "out", ("--model", "aot/deaott", "--weights", weights)
    made = singleout("run", name, *model, "--data", data, "--out", out, "--json", *options)
    assert made.code == 0, made.err
    assert Path(json.loads(made.out)["submission"]).is_file()
    scored = singleout("eval", name, "--data", data, "--predictions", out, "--json", *options)
    assert scored.code == 0, scored.err


def test_small_and_large_variants_share_their_tensors(tmp_path):
    file = tmp_path / "AOTB_PRE.pth"
    torch.save({"state_dict": official_state(KEYS / "keys-aotb.json")}, file)
    gaps = [package.load(name, weights=file).network.config.gap for name in ("aot/aotb", "aot/aotl")]
    assert gaps == [9999, 5]
    assert package.load(file).name == "aot/aotl"


def test_what_one_model_finds_another_follows(singleout, weights, squares_file, tmp_path):
    words = ("segment", squares_file, "--model", "colour_segmenter:ColourSegmenter", "--say", "the red square")
    follow = ("--then", "aot/deaott", "--then-weights", weights, "--option", "then.budget=2")
    done = singleout(*words, *follow, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    tracks = trackfile.read(tmp_path / "out" / "tracks.json")
    assert tracks.ids == (1,)
    assert "red square" in tracks[1].prompt
    assert len(tracks.stored_frames) == tracks.num_frames
    refused = singleout(*words, "--then-weights", weights, "--out", tmp_path / "out2")
    assert refused.code == 2
    assert "--then-weights: say what model they are for" in refused.err


def test_clicks_are_made_masks_by_the_starter(singleout, weights, squares, squares_file, tmp_path):
    truth = squares()[1]
    row, column = np.argwhere(truth[0] == 1).mean(0).round().astype(int)
    words = ("segment", squares_file, "--point", f"1@0:{column},{row}", "--out", tmp_path / "out")
    done = singleout(*words, "--model", "aot/deaott", "--weights", weights, "--no-overlay")
    assert done.code == 0, done.err
    assert trackfile.read(tmp_path / "out" / "tracks.json")[1].mask(0)[row, column]
