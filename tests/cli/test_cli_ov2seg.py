"""`singleout segment` and `singleout run` of OV2Seg, with tables of names in files."""

from __future__ import annotations

import json
import re
import zipfile

import pytest
import tiny_ov2seg
from tests.ov2seg.tiny import NAMES, write_table

import benchmark_data
from singleout.media import Video
from singleout.prompts import Categories
from singleout.runs.folder import RunFolder
from singleout.runs.segmenting import StoppedError, segment_into

MODEL = ("--model", "tiny_ov2seg:load")
SMALL = ("--option", "short=64", "--option", "threshold=0")


def test_names_are_found_in_a_folder_of_frames(singleout, tmp_path):
    video = benchmark_data.ytvis(tmp_path / "data") / "valid" / "JPEGImages" / "one"
    table = write_table(tmp_path / "table.npy")
    options = ("--option", f"classifier={table}")
    done = singleout(
        "segment", video, "--names", ",".join(NAMES), *MODEL, *SMALL, *options, "--out", tmp_path / "out", "--json"
    )
    assert done.code == 0, done.err
    assert list((tmp_path / "out").rglob("tracks.json"))
    assert not re.search(r"one, looking", done.err), "all frames fit into one batch, so that they are done at once"


def test_frames_are_counted_before_the_first_result_and_can_be_stopped(singleout, tmp_path):
    video = benchmark_data.ytvis(tmp_path / "data") / "valid" / "JPEGImages" / "one"
    table = write_table(tmp_path / "table.npy")
    options = ("--option", f"classifier={table}", "--option", "batch=1")
    done = singleout("segment", video, "--names", ",".join(NAMES), *MODEL, *SMALL, *options, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert re.search(r"one, looking: (\d+) of \1 frames", done.err)

    seen = []

    def stop() -> bool:
        seen.append(None)
        return len(seen) == 2

    with Video(video) as opened, RunFolder(tmp_path / "stopped", {"test": 1}) as folder:
        options = {"classifier": str(table), "batch": 1, "short": 64}
        with pytest.raises(StoppedError):
            segment_into(folder, tiny_ov2seg.load, opened, [Categories(NAMES)], options, stop=stop)
    assert len(seen) == 2


@pytest.mark.parametrize("name", ["ytvis-2019", "ytvis-2021", "ovis", "lv-vis"])
def test_a_benchmark_counts_all_pairs(singleout, tmp_path, name):
    data = benchmark_data.ytvis(tmp_path / "data", lvvis=name == "lv-vis")
    table = write_table(tmp_path / "table.npy", 2)
    out = tmp_path / "out"
    # The published size would take long here.
    options = ("--option", f"classifier={table}", "--option", "short=64")
    made = singleout("run", name, *MODEL, "--data", data, "--out", out, *options, "--json")
    assert made.code == 0, made.err
    with zipfile.ZipFile(made.json["submission"]) as packed:
        results = json.loads(packed.read("results.json"))
    # Six queries under each of two names.
    assert len(results) == 12
    assert {each["category_id"] for each in results} == {1, 2}
    scored = singleout("eval", name, "--data", data, "--predictions", out, "--json")
    assert scored.code == 0, scored.err
    assert ("APn" in scored.json["table"]) == (name == "lv-vis")


def test_pictures_are_answered_one_by_one(singleout, tmp_path):
    data, out = benchmark_data.images(tmp_path / "data"), tmp_path / "out"
    table = write_table(tmp_path / "table.npy", 2)
    options = ("--option", f"classifier={table}", "--option", "short=64")
    made = singleout("run", "coco", *MODEL, "--data", data, "--out", out, *options, "--json")
    assert made.code == 0, made.err
    results = json.loads((out / "predictions" / "results.json").read_text())
    assert {each["image_id"] for each in results} == {1, 2}
    assert {each["category_id"] for each in results} == {1, 2}


def test_a_table_of_another_width_is_one_line(singleout, tmp_path):
    video = benchmark_data.ytvis(tmp_path / "data") / "valid" / "JPEGImages" / "one"
    table = write_table(tmp_path / "table.npy", width=9)
    done = singleout(
        "segment", video, "--names", "cat", *MODEL, "--option", f"classifier={table}", "--out", tmp_path / "out"
    )
    assert done.code == 2
    assert "rows of 9 numbers" in done.err
    assert len(done.err.strip().splitlines()) == 1
