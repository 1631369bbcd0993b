"""`singleout run` and `singleout eval`, from a data set on disk to the official table."""

from __future__ import annotations

import csv
import json
import signal
import zipfile
from pathlib import Path

import pytest
from task_segmenter import IndependentSegmenter

import benchmark_data

MODEL = ("--model", "task_segmenter:TaskSegmenter")
# Name, what draws its data, options, the number of the table that is 1 where all is found, what its zip holds.
FOUND = [
    ("davis2017", benchmark_data.davis, (), "J&F-Mean", "one/00000.png"),
    ("ref-davis", benchmark_data.ref_davis, (), "J&F-Mean", None),
    ("youtube-vos-2019", benchmark_data.youtube_vos, ("--split", "train"), "J-seen", "Annotations/one/00000.png"),
    ("ref-youtube-vos", benchmark_data.ref_youtube_vos, ("--split", "train"), "J&F", "Annotations/one/0/00000.png"),
    ("ytvis-2021", benchmark_data.ytvis, (), "AP", "results.json"),
    ("lv-vis", lambda root: benchmark_data.ytvis(root, lvvis=True), (), "APn", "results.json"),
    ("viposeg", benchmark_data.viposeg, (), None, "Annotations/one/00000.png"),
    ("coco", benchmark_data.images, (), "AP", "results.json"),
    ("refcoco", benchmark_data.refcoco, (), "segm P@0.9", None),
    ("jhmdb-sentences", benchmark_data.jhmdb, (), "P@0.9", None),
    ("a2d-sentences", benchmark_data.a2d, (), "P@0.5", None),
]


@pytest.mark.parametrize(("name", "draw", "options", "number", "inside"), FOUND, ids=[each[0] for each in FOUND])
def test_a_benchmark_from_data_to_table(singleout, tmp_path, name, draw, options, number, inside):
    data, out = draw(tmp_path / "data"), tmp_path / "out"
    made = singleout("run", name, *MODEL, "--data", data, "--out", out, "--json", *options)
    assert made.code == 0, made.err
    archive = made.json["submission"]
    if inside is None:
        assert archive is None
    else:
        with zipfile.ZipFile(archive) as packed:
            assert inside in packed.namelist()
            assert not any(part.startswith("parts/") for part in packed.namelist())
    tables = []
    for predictions in filter(None, (out, archive)):
        scored = singleout("eval", name, "--data", data, "--predictions", predictions, "--json", *options)
        assert scored.code == 0, scored.err
        tables.append(scored.json["table"])
    if number is not None:
        # JPEG smears colours over edges by a pixel or two.
        assert tables[0][number] > 0.8
    assert all(table == tables[0] for table in tables)


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("vspw", benchmark_data.vspw),
        ("vipseg", benchmark_data.vipseg),
        ("ade20k-150", benchmark_data.ade),
        ("mevis", benchmark_data.mevis),
    ],
)
def test_what_the_model_does_not_know_is_a_whole_result_all_the_same(singleout, tmp_path, name, draw):
    data, out = draw(tmp_path / "data"), tmp_path / "out"
    made = singleout("run", name, *MODEL, "--data", data, "--out", out, "--json")
    assert made.code == 0, made.err
    with zipfile.ZipFile(made.json["submission"]) as packed:
        assert packed.namelist()
    scored = singleout("eval", name, "--data", data, "--predictions", out, "--json")
    assert scored.code == 0, scored.err
    assert scored.json["table"]


def test_a_run_goes_on_with_the_next_video(singleout, tmp_path, monkeypatch):
    data, out = benchmark_data.davis(tmp_path / "data", ("a", "b", "c")), tmp_path / "out"
    words = ("run", "davis2017", *MODEL, "--data", data, "--out", out, "--json")
    trace = tmp_path / "trace"
    monkeypatch.setenv("COLOUR_TRACE", str(trace))
    assert singleout(*words).code == 0
    before = (out / "submission.zip").read_bytes()
    (out / "predictions" / "b" / "00003.png").unlink()
    again = singleout(*words)
    assert (again.code, again.json["done_before"]) == (0, 2)
    assert (out / "submission.zip").read_bytes() == before
    finished = singleout(*words)
    assert (finished.code, finished.json["done_before"]) == (0, 3)
    assert trace.read_text().count("loaded") == 2, "a finished run needs no model"


def test_a_stopped_run_keeps_what_was_finished(start, singleout, tmp_path):
    data, out = benchmark_data.davis(tmp_path / "data", ("a", "b", "c", "d")), tmp_path / "out"
    words = ("run", "davis2017", *MODEL, "--data", data, "--out", out)
    program = start(*words, delay=0.05)
    program.wait_for((out / "predictions" / "a").is_dir)
    stopped = program.send(signal.SIGINT)
    assert stopped.code == 130
    assert "give the same command again" in " ".join(stopped.err.split())
    done = len(list((out / "predictions").iterdir()))
    assert 1 <= done < 4
    again = singleout(*words, "--json")
    assert again.json["done_before"] in {done - 1, done}
    assert singleout("eval", "davis2017", "--data", data, "--predictions", out).code == 0


def test_a_killed_run_goes_on_and_gives_what_an_undisturbed_one_does(start, singleout, tmp_path):
    data = benchmark_data.davis(tmp_path / "data", ("a", "b", "c", "d"))
    archives = []
    for out in (tmp_path / "whole", tmp_path / "killed"):
        words = ("run", "davis2017", *MODEL, "--data", data, "--out", out)
        if out.name == "killed":
            program = start(*words, delay=0.05)
            program.wait_for((out / "predictions" / "b").is_dir)
            assert program.send(signal.SIGKILL).code == -signal.SIGKILL
        done = singleout(*words, "--json")
        assert done.code == 0, done.err
        archives.append(Path(done.json["submission"]).read_bytes())
    assert done.json["done_before"] >= 1
    assert archives[0] == archives[1]
    assert not list(out.rglob("*.partial*"))


def test_two_processes_give_the_same(start, tmp_path):
    data = benchmark_data.davis(tmp_path / "data", ("a", "b", "c"))
    results = []
    for number in (1, 2):
        out = tmp_path / f"out{number}"
        done = start("run", "davis2017", *MODEL, "--data", data, "--out", out, "--processes", number).end()
        assert done.code == 0, done.err
        results.append((out / "submission.zip").read_bytes())
    assert results[0] == results[1]


def test_an_error_in_a_process_of_its_own_is_one_line(start, tmp_path):
    data = benchmark_data.davis(tmp_path / "data", ("a", "b"))
    options = ("--data", data, "--out", tmp_path / "out", "--processes", "2", "--option", "colour=green")
    done = start("run", "davis2017", *MODEL, *options).end()
    assert done.code == 2
    assert "no option 'colour'" in done.err
    assert "Traceback" not in done.err


def test_sentences_that_do_not_influence_each_other_are_asked_at_once(singleout, tmp_path):
    data = benchmark_data.ref_youtube_vos(tmp_path / "data")
    archives = []
    for name in ("TaskSegmenter", "IndependentSegmenter"):
        asked = ("--data", data, "--split", "train", "--out", tmp_path / name, "--json")
        IndependentSegmenter.asked.clear()
        done = singleout("run", "ref-youtube-vos", "--model", f"task_segmenter:{name}", *asked)
        assert done.code == 0, done.err
        archives.append(Path(done.json["submission"]).read_bytes())
    assert archives[0] == archives[1]
    ((prompts, options),) = IndependentSegmenter.asked
    assert [prompt.text for prompt in prompts] == ["the red square", "blue one", "what is red"]
    assert options == {"guess": True}, "the setting of the published numbers"


def test_a_model_is_refused_by_name_for_a_task_it_does_not_do(singleout, tmp_path):
    data = benchmark_data.ytvis(tmp_path / "data")
    asked = ("--data", data, "--out", tmp_path / "out")
    refused = singleout("run", "ytvis-2019", "--model", "colour_segmenter:ColourSegmenter", *asked)
    assert refused.code == 2
    assert "colour does not do the task of ytvis-2019, instances; it does: objects" in refused.err
    assert not (tmp_path / "out").exists()


def test_a_frame_that_the_data_set_lists_and_does_not_have(singleout, tmp_path):
    data = benchmark_data.jhmdb(tmp_path / "data")
    listing = data / "jhmdb_sentences_samples_metadata.json"
    listing.write_text(listing.read_text().replace("00004.png", "00009.png"))
    refused = singleout("run", "jhmdb-sentences", *MODEL, "--data", data, "--out", tmp_path / "out")
    assert refused.code == 2
    assert "one has no frame 00009, which the data set lists; it has 4" in refused.err


def test_a_benchmark_without_prompts_cannot_be_run(singleout, tmp_path):
    data = benchmark_data.davis(tmp_path / "data")
    refused = singleout("run", "davis2017-unsupervised", *MODEL, "--data", data, "--out", tmp_path / "out")
    assert refused.code == 2
    assert "use singleout eval" in refused.err


def test_outputs_of_segment_are_predictions(singleout, tmp_path):
    data = benchmark_data.davis(tmp_path / "data")
    frames, masks = data / "JPEGImages" / "480p", data / "Annotations" / "480p"
    for name in ("one", "two"):
        done = singleout(
            "segment", frames / name, "--mask", f"0:{masks / name / '00000.png'}", "--out", tmp_path / "out" / name
        )
        assert done.code == 0, done.err
    scored = singleout("eval", "davis2017", "--data", data, "--predictions", tmp_path / "out", "--json")
    assert scored.code == 0, scored.err
    assert scored.json["table"]["J-Mean"] > 0.8


def test_the_report(singleout, tmp_path):
    data, report = benchmark_data.davis(tmp_path / "data"), tmp_path / "report"
    truth = data / "Annotations" / "480p"
    done = singleout("eval", "davis2017", "--data", data, "--predictions", truth, "--out", report)
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].split() == [
        "J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"
    ]  # fmt: skip
    assert done.out.splitlines()[2].split() == ["1.000", "1.000", "1.000", "0.000", "1.000", "1.000", "0.000"]
    with (report / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["object"]) for row in rows] == [
        ("one", "1"), ("one", "2"), ("two", "1"), ("two", "2")
    ]  # fmt: skip
    assert json.loads((report / "results.json").read_text())["table"]["J-Mean"] == 1
    page = (report / "report.html").read_text()
    assert page.count("<svg") >= 5
    assert page.count("data:image/jpeg;base64,") == 4
    assert "<script" not in page
    assert "http" not in page
    assert (report / "global_results-val.csv").read_text().startswith("J&F-Mean,J-Mean,")
    assert (report / "per-sequence_results-val.csv").read_text().splitlines()[1] == "one_1,1.000,1.000"


def test_nothing_is_written_for_predictions_that_do_not_fit(singleout, tmp_path):
    data = benchmark_data.davis(tmp_path / "data")
    (tmp_path / "empty").mkdir()
    asked = ("--data", data, "--predictions", tmp_path / "empty", "--out", tmp_path / "report")
    refused = singleout("eval", "davis2017", *asked)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("singleout: error: ")
    assert len(refused.err.splitlines()) == 1
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("eval", "davis"), "there is no benchmark 'davis'"),
        (("eval", "davis2017", "--split", "best"), "--split best"),
        (("eval", "davis2017", "--truth", "x"), "--truth means nothing for davis2017"),
        (("eval", "coco", "--corrected"), "--corrected"),
    ],
)
def test_options_that_mean_nothing_are_refused(singleout, tmp_path, words, said):
    refused = singleout(*words, "--data", tmp_path, "--predictions", tmp_path)
    assert refused.code == 2
    assert said in refused.err


def test_run_refuses_options_that_are_not_right(singleout, tmp_path):
    asked = ("run", "davis2017", "--data", tmp_path, "--out", tmp_path / "out")
    assert "--processes 0" in singleout(*asked, "--processes", "0").err
    assert "--option threshold" in singleout(*asked, "--option", "threshold").err


@pytest.mark.parametrize("name", ["eval", "run"])
def test_help_names_every_benchmark(singleout, name):
    from singleout.evaluation.benchmarks import benchmark_names

    shown = singleout(name, "--help").out
    assert all(each in shown for each in benchmark_names())


def test_the_archive_may_be_named_in_place_of_the_folder(singleout, tmp_path):
    data = benchmark_data.davis(tmp_path / "data")
    archive = Path(tmp_path / "results.zip")
    truth = data / "Annotations" / "480p"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in truth.rglob("*.png"):
            packed.write(path, f"deep/{path.relative_to(truth)}")
    refused = singleout("eval", "davis2017", "--data", data, "--predictions", archive)
    assert refused.code == 2
    assert f"{archive}/deep holds the videos, one folder deeper than expected" in refused.err
