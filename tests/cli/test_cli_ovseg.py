"""OVSeg on the command line: followed by another model, as the one that names tracks, and terms of use."""

from __future__ import annotations

import pytest
import torch
from tests.ov2seg.tiny import tiny_network as tiny_ov2seg
from tests.ov2seg.tiny import write_table
from tests.ovseg.tiny import tiny_network as tiny_ovseg

import benchmark_data
from singleout.exports import trackfile

MODEL = ("--model", "tiny_ovseg:load")
NAMES = ("--names", "cat,a road,sky")


@pytest.fixture
def video(tmp_path):
    return benchmark_data.ytvis(tmp_path / "data") / "valid" / "JPEGImages" / "one"


@pytest.fixture
def marked(singleout, video, tmp_path):
    """A run with one object that has no name yet."""
    out = tmp_path / "marked"
    done = singleout("segment", video, "--box", "0:5,5,25,20", "--model", "starter", "--out", out, "--quiet")
    assert done.code == 0, done.err
    return out


def test_what_is_found_in_a_frame_is_followed(singleout, video, tmp_path):
    options = ("--option", "find.mask_threshold=0.3", "--then", "starter")
    done = singleout("segment", video, *NAMES, *MODEL, *options, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert {one["label"] for one in done.json["runs"][0]["objects"]} <= {"cat", "a road", "sky"}
    assert done.json["runs"][0]["objects"], done.err


def test_tracks_are_renamed_and_keep_their_masks(singleout, marked, video, tmp_path):
    out = tmp_path / "named"
    done = singleout("rename", marked, video, *NAMES, *MODEL, "--out", out, "--json")
    assert done.code == 0, done.err
    assert "naming" in done.err
    (one,) = done.json["objects"]
    assert one["label"] in {"cat", "a road", "sky"} and one["was"] == "" and 0 < one["score"] <= 1
    before, after = (trackfile.read(folder / "tracks.json") for folder in (marked, out))
    assert after.objects[one["id"]].label == one["label"]
    assert [after.frame(number).codes for number in range(after.num_frames)] == [
        before.frame(number).codes for number in range(before.num_frames)
    ]
    assert (out / "overlay.mp4").is_file() and (out / "masks" / "davis").is_dir()
    again = singleout("rename", marked / "tracks.json", video, *NAMES, *MODEL, "--out", out, "--overwrite")
    assert again.code == 0 and f"{one['id']} {one['label']}" in again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--names", " "), "empty name"),
        (("--names", "cat", "--model", "starter"), "cannot say what a given mask shows"),
        (("--names", "cat", "--option", "rule=demo"), "no option 'rule' for given masks"),
        (("--names", "cat", "--option", "precision=half"), "expected float32 or bfloat16"),
        (("--names", "cat", "--every", "2"), "give the video that they were made from"),
        (("--names", "cat", "--frames", "0"), "expected 1 or more"),
    ],
)
def test_what_cannot_be_renamed_is_one_line(singleout, marked, video, tmp_path, words, said):
    words = words if "--model" in words else (*words, *MODEL)
    done = singleout("rename", marked, video, *words, "--out", tmp_path / "named")
    assert done.code == 2 and said in done.err
    assert len(done.err.strip().splitlines()) == 1 and not (tmp_path / "named").exists()


def test_a_run_that_is_not_there_or_would_be_overwritten_is_refused(singleout, marked, video, tmp_path):
    missing = singleout("rename", tmp_path / "nothing", video, *NAMES, *MODEL, "--out", tmp_path / "named")
    assert missing.code == 2 and "give the --out of a run that has finished" in missing.err
    same = singleout("rename", marked, video, *NAMES, *MODEL, "--out", marked, "--overwrite")
    assert same.code == 2 and "is the folder of the run itself" in same.err


def test_terms_are_told_when_weights_are_loaded(singleout, video, tmp_path, monkeypatch):
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "cache"))
    table, short = write_table(tmp_path / "table.npy", 1), ("--option", "short=64")
    torch.save(tiny_ovseg().state_dict(), tmp_path / "ovseg.pth")
    torch.save(tiny_ov2seg().state_dict(), tmp_path / "ov2seg.pth")
    for system, terms, options in (
        ("ovseg", "the weights of OVSeg are CC BY-NC 4.0", ()),
        (
            "ov2seg",
            "LV-VIS, whose videos and names come with OV2Seg, is CC BY-NC-SA",
            ("--option", f"classifier={table}"),
        ),
    ):
        model = ("--model", f"tiny_{system}:SYSTEM", "--weights", tmp_path / f"{system}.pth")
        # The tiny OVSeg has no tokenizer, which is found out after its weights are loaded.
        done = singleout("segment", video, "--names", "cat", *model, *short, *options, "--out", tmp_path / system)
        assert terms in done.err, done.err
