"""UniVS on the command line: tasks, legends, refusals, and the benchmarks that it was published with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import benchmark_data
from singleout.exports import trackfile

TINY = ("--model", "tiny_univs:load")
SMALL = ("--option", "short=64", "--option", "frames=3", "--option", "points=8")


@pytest.fixture
def clip(tmp_path):
    frames, _ = benchmark_data.frames_and_ids()
    benchmark_data.write_frames(tmp_path / "clip", benchmark_data.names_of())
    assert len(frames) == benchmark_data.NUM_FRAMES
    return tmp_path / "clip"


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
def test_tasks_are_asked_for_by_name(singleout, clip, tmp_path, task):
    names = ("--names", "cat,wall,sky", "--task", task, "--option", "stuff=wall,sky", "--option", "score=0")
    made = singleout("segment", clip, *names, *TINY, *SMALL, "--out", tmp_path / task, "--json")
    assert made.code == 0, made.err
    (run,) = made.json["runs"]
    assert {one["label"] for one in run["objects"]} <= {"cat", "wall", "sky"}
    tracks = trackfile.read(tmp_path / task / "tracks.json")
    assert tracks.exclusive
    assert tracks.source["task"] == task
    again = singleout("segment", clip, *names, *TINY, *SMALL, "--out", tmp_path / task)
    assert "already finished" in again.err


def test_a_semantic_picture_has_a_legend_and_no_tags(singleout, clip, tmp_path):
    picture = clip / f"{benchmark_data.names_of()[0]}.jpg"
    common = (picture, "--names", "cat", *TINY, *SMALL, "--option", "score=0")
    made = singleout("segment", *common, "--task", "semantic", "--out", tmp_path / "out")
    assert made.code == 0, made.err
    drawn = np.asarray(Image.open(tmp_path / "out" / "overlay.png").convert("RGB")).astype(int)
    plain = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert drawn.shape == plain.shape
    assert np.abs(drawn - plain).max() > 20


def test_thousands_of_names_are_encoded_with_progress(singleout, clip, tmp_path):
    letters = "abcdefghijklmnopqrst"
    names = [f"{a}{b}{c}" for a in letters for b in letters for c in letters][:5000]
    common = ("--names", ",".join(names), *TINY, *SMALL, "--option", "score=0")
    made = singleout("segment", clip, *common, "--task", "semantic", "--out", tmp_path / "out", "--json")
    assert made.code == 0, made.err
    assert "names: 5000 of 5000 names" in made.err
    (run,) = made.json["runs"]
    assert [one["prompt"] for one in run["answers"]] == ["5000 names"]
    assert {one["label"] for one in run["objects"]} <= set(names)
    few = singleout("segment", clip, "--names", "cat,dog", *TINY, *SMALL, "--out", tmp_path / "few")
    assert " names in " not in few.err


def test_a_folder_with_a_list_of_sentences_is_asked_for_them(singleout, tmp_path):
    folder = tmp_path / "own"
    for name in ("one", "two"):
        benchmark_data.write_frames(folder / name, benchmark_data.names_of())
    names = [f"{name}.jpg" for name in reversed(benchmark_data.names_of())]
    videos = [{"id": name, "file_names": [f"{name}/{each}" for each in names]} for name in ("one", "two")]
    said = [{"video_id": "one", "expressions": ["the red cat"]}, {"video_id": "two", "expressions": ["a dog", "a cat"]}]
    (folder / "test.json").write_text(json.dumps({"videos": videos, "annotations": said}))
    made = singleout("segment", folder, *TINY, *SMALL, "--out", tmp_path / "out", "--json")
    assert made.code == 0, made.err
    assert [[one["prompt"] for one in run["answers"]] for run in made.json["runs"]] == [
        ["the red cat"],
        ["a dog", "a cat"],
    ]
    assert (tmp_path / "out" / "two" / "tracks.json").is_file()
    # Without sentences, the command has to say what is looked for.
    (folder / "test.json").write_text(json.dumps({"videos": videos, "annotations": []}))
    made = singleout("segment", folder, *TINY, *SMALL, "--out", tmp_path / "none")
    assert made.code == 2
    assert "nothing to look for" in made.err


def test_a_tracker_is_an_option(singleout, clip, tmp_path):
    asked = ("segment", clip, "--names", "cat,dog", *TINY, "--option", "short=64", "--option", "score=0")
    for tracker in ("minvis", "mdqe"):
        made = singleout(*asked, "--option", f"tracker={tracker}", "--out", tmp_path / tracker, "--json")
        assert made.code == 0, made.err
        assert made.json["runs"][0]["objects"]
    made = singleout(*asked, "--option", "tracker=mdqe", "--task", "panoptic", "--out", tmp_path / "none")
    assert made.code == 2
    assert "tracker mdqe: it follows instances" in made.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--names", "person", "--task", "semantic"), "starter does not do the task semantic; it does: instances"),
        (
            ("--names", "person", "--task", "edges"),
            "there is no task 'edges'; there are: instances",
        ),
        (("--say", "the cat", "--task", "panoptic", *TINY), "asked for by names, and not by a phrase"),
        (("--box", "0:2,2,30,30", "--task", "instances", *TINY), "asked for by names, and not by a box"),
        (("--names", "cat", "--say", "a dog", *TINY), "names and sentences at once"),
        (("--names", "cat,,dog", *TINY), "has an empty name"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(singleout, clip, tmp_path, words, message):
    given = words if "--model" in words else (*words, "--model", "starter")
    made = singleout("segment", clip, *given, "--out", tmp_path / "out")
    assert made.code == 2
    assert message in made.err
    assert not (tmp_path / "out" / "tracks.json").exists()


@pytest.mark.parametrize(
    ("name", "data", "more"),
    [
        ("vipseg", benchmark_data.vipseg, ()),
        ("vspw", benchmark_data.vspw, ()),
        ("viposeg", benchmark_data.viposeg, ()),
        ("ytvis2021", benchmark_data.ytvis, ("--option", "vocabulary=none", "--option", "detections=4")),
        ("ref-davis", benchmark_data.ref_davis, ()),
        ("ytvis2021", benchmark_data.ytvis, ("--option", "vocabulary=none", "--option", "tracker=minvis")),
        ("vipseg", benchmark_data.vipseg, ("--option", "tracker=minvis")),
        ("ade20k-150", benchmark_data.ade, ()),
        ("coco", benchmark_data.images, ("--option", "vocabulary=none")),
    ],
)
def test_benchmarks_are_run_with_the_published_settings_and_scored(singleout, tmp_path, name, data, more):
    folder = data(tmp_path / "data")
    asked = (name, "--data", folder)
    made = singleout("run", *asked, *TINY, *SMALL, *more, "--out", tmp_path / "out", "--json")
    assert made.code == 0, made.err
    assert made.json["videos"] > 0
    scored = singleout("eval", *asked, "--predictions", tmp_path / "out", "--json")
    assert scored.code == 0, scored.err
