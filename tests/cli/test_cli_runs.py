"""The output folder of a run: going on after Ctrl-C and kill -9, refusing, locking, and what is never deleted."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from singleout.exports import trackfile

NUM_FRAMES = 12


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def status(out: Path) -> str:
    return json.loads((out / "run.json").read_text())["status"]


@pytest.fixture
def whole(singleout, squares_file, tmp_path) -> Path:
    """The folder of a run that nothing disturbed."""
    out = tmp_path / "whole"
    assert singleout("segment", squares_file, "--names", "red,blue", "--out", out).code == 0
    return out


def test_a_finished_run_says_so_and_loads_no_model(singleout, whole, squares_file, tmp_path, monkeypatch):
    before = files_of(whole)
    monkeypatch.setenv("COLOUR_TRACE", str(tmp_path / "trace"))
    again = singleout("segment", squares_file, "--names", "red,blue", "--out", whole)
    assert again.code == 0 and "is already finished; nothing to do" in again.err
    assert files_of(whole) == before
    (whole / "overlay.mp4").unlink()
    (whole / "masks" / "davis" / "squares" / "00003.png").unlink()
    mended = singleout("segment", squares_file, "--names", "red,blue", "--out", whole)
    assert mended.code == 0 and "now has overlay.mp4, masks/davis" in mended.err
    assert files_of(whole).keys() == before.keys()
    assert not (tmp_path / "trace").exists(), "pictures are made again without the model"
    (whole / "tracks.json").unlink()
    assert singleout("segment", squares_file, "--names", "red,blue", "--out", whole).code == 0
    assert trackfile.read(whole / "tracks.json").num_frames == NUM_FRAMES
    assert (tmp_path / "trace").exists()


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(start, singleout, whole, squares_file, tmp_path):
    out = tmp_path / "out"
    words = ("segment", squares_file, "--names", "red,blue", "--out", out, "--json")
    program = start(*words, delay=0.1)
    program.wait_for_frames(out, 3)
    stopped = program.send(signal.SIGINT)
    assert stopped.code == 130
    assert f"of {NUM_FRAMES} frames are kept in {out}; give the same command again to go on" in stopped.err
    assert stopped.json["runs"][0]["status"] == "stopped"
    assert status(out) == "running" and not (out / "tracks.json").exists()
    assert not list(out.rglob("*.partial*"))
    went_on = singleout(*words)
    assert went_on.code == 0 and "going on after" in went_on.err
    assert trackfile.read(out / "tracks.json")._frames == trackfile.read(whole / "tracks.json")._frames
    assert files_of(out).keys() == files_of(whole).keys()


@pytest.mark.parametrize("kept", ["nothing was saved yet", "a state was saved"])
def test_kill_9_and_the_same_command_gives_the_same_tracks(kept, start, singleout, whole, squares_file, tmp_path):
    out = tmp_path / "out"
    words = ("segment", squares_file, "--names", "red,blue", "--out", out)
    if kept == "a state was saved":
        first = start(*words, delay=0.1)
        first.wait_for_frames(out, 3)
        assert first.send(signal.SIGINT).code == 130
    program = start(*words, delay=0.1)
    program.wait_for_frames(out, 8)
    assert program.send(signal.SIGKILL).code == -signal.SIGKILL
    with (out / ".singleout" / "records").open("ab") as records:
        records.write(b"\xa7rec half a record")
    went_on = singleout(*words)
    assert went_on.code == 0, went_on.err
    assert ("going on after" in went_on.err) == (kept == "a state was saved")
    assert trackfile.read(out / "tracks.json")._frames == trackfile.read(whole / "tracks.json")._frames
    assert not list(out.rglob("*.partial*"))


def test_a_run_that_is_killed_while_it_draws_draws_again(start, singleout, whole, squares, write_video, tmp_path):
    out = tmp_path / "out"
    video = write_video(tmp_path / "long.mp4", squares(150, 128, 192)[0])
    words = ("segment", video, "--names", "red", "--out", out, "--as", "none")
    program = start(*words)
    program.wait_for(lambda: list(out.glob(".overlay.*.partial.mp4")))
    assert program.send(signal.SIGKILL).code == -signal.SIGKILL
    assert list(out.glob("*.partial*")) + list(out.glob(".*.partial*")), "the killed program could not tidy up"
    assert status(out) == "segmented" and not (out / "overlay.mp4").exists()
    assert singleout(*words).code == 0
    assert not list(out.glob(".*.partial*")) and (out / "overlay.mp4").exists()


def test_two_runs_into_one_folder(start, singleout, squares_file, tmp_path):
    out = tmp_path / "out"
    words = ("segment", squares_file, "--names", "red,blue", "--out", out)
    program = start(*words, delay=0.2)
    program.wait_for_frames(out, 1)
    second = singleout(*words)
    assert second.code == 2
    assert f"another run is writing to {out} (process {program.process.pid}): wait until it has ended" in second.err
    assert singleout(*words, "--overwrite").code == 2
    assert program.send(signal.SIGKILL).code == -signal.SIGKILL
    assert singleout(*words).code == 0, "the lock of a killed run does not hold"


def test_another_run_is_refused_and_overwrite_deletes_only_our_own_files(singleout, whole, squares_file, tmp_path):
    (whole / "notes.txt").write_text("mine")
    (whole / "masks" / "davis" / "squares" / "thumbs.db").write_text("mine too")
    before = files_of(whole)
    words = ("segment", squares_file, "--names", "red", "--out", whole)
    other = singleout(*words)
    assert other.code == 2 and "holds another run (other prompts): choose another folder" in other.err
    every = singleout("segment", squares_file, "--names", "red,blue", "--every", "2", "--out", whole)
    assert every.code == 2 and "(other video)" in every.err
    bad = singleout(*words, "--overwrite", "--box", "0:500,500,600,600")
    assert bad.code == 2 and files_of(whole) == before, "a run that cannot begin deletes nothing"
    in_the_way = singleout(*words, "--overwrite")
    assert in_the_way.code == 2 and "thumbs.db is in the way and was not made by this run" in in_the_way.err
    assert files_of(whole) == before
    replaced = singleout(*words, "--overwrite", "--as", "mots")
    assert replaced.code == 0, replaced.err
    after = files_of(whole)
    assert after["notes.txt"] == b"mine" and after["masks/davis/squares/thumbs.db"] == b"mine too"
    assert "masks/davis/squares/00000.png" not in after
    assert trackfile.read(whole / "tracks.json").ids == (1,)


@pytest.mark.parametrize("name", ["overlay.mp4", "tracks.json", "masks/davis/a.png", "run.json"])
def test_a_folder_with_results_of_others_is_left_alone(name, singleout, squares_file, tmp_path):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("{}")
    for extra in ((), ("--overwrite",)):
        result = singleout("segment", squares_file, "--say", "red", "--out", out, *extra)
        assert result.code == 2 and str(out / name) in result.err, result.err
        assert files_of(out) == {name: b"{}"}


def test_out_is_a_file(singleout, squares_file, tmp_path):
    (tmp_path / "out").write_text("")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        result = singleout("segment", squares_file, "--say", "red", "--out", out)
        assert result.code == 2 and "is a file" in result.err


def test_a_read_only_folder(singleout, squares_file, small_disk):
    place = small_disk("ro,size=1m")
    result = singleout("segment", squares_file, "--say", "red", "--out", place / "out")
    assert result.code == 2 and result.err.count("error") == 1
    assert str(place) in result.err and "read-only" in result.err


def test_a_full_disk_and_going_on_after_it(singleout, squares, squares_file, write_video, small_disk):
    place = small_disk("size=96k")
    video = write_video(squares_file.parent / "large.mp4", squares(12, 480, 640)[0])
    words = ("segment", video, "--names", "red,blue", "--out", place / "out")
    result = singleout(*words)
    assert result.code == 2 and "the disk is full" in result.err and result.err.count("error") == 1
    assert not list(place.rglob("*.partial*")), "nothing half-written stays"
    subprocess.run(["mount", "-o", "remount,size=32m", str(place)], check=True)
    assert singleout(*words).code == 0
    assert status(place / "out") == "finished"


def test_files_that_may_not_grow(squares_file, tmp_path):
    """The same as a full disk where nothing can be mounted: a limit on the size of files."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    words = [sys.executable, "-m", "singleout", "segment", str(squares_file), "--names", "red,blue"]
    words += ["--model", "colour_segmenter:ColourSegmenter", "--out", str(tmp_path / "out")]
    # Python itself writes half a .pyc where a file may not grow.
    environment = {"PYTHONPATH": str(Path(__file__).parent), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(words, preexec_fn=limit, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 2, result.stderr
    assert "the disk is full" in result.stderr
    assert not list((tmp_path / "out").rglob("*.partial*"))


def test_nothing_is_left_of_a_run_that_could_not_begin(singleout, squares_file, tmp_path):
    out = tmp_path / "a" / "b"
    result = singleout("segment", squares_file, "--say", "red", "--out", out, "--device", "cuda")
    assert result.code == 2 and "colour has no option 'device'" in result.err
    assert not (tmp_path / "a").exists()


def test_a_half_run_of_another_version_starts_again(start, singleout, whole, squares_file, tmp_path):
    out = tmp_path / "out"
    words = ("segment", squares_file, "--names", "red,blue", "--out", out)
    program = start(*words, delay=0.1)
    program.wait_for_frames(out, 3)
    assert program.send(signal.SIGTERM).code == 128 + signal.SIGTERM
    run = json.loads((out / "run.json").read_text())
    run["singleout"] = "0.0.1"
    (out / "run.json").write_text(json.dumps(run))
    result = singleout(*words)
    assert result.code == 0 and "going on after" not in result.err
    assert trackfile.read(out / "tracks.json")._frames == trackfile.read(whole / "tracks.json")._frames


def test_run_json_cannot_make_us_delete_other_things(singleout, whole, squares_file, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    run = json.loads((whole / "run.json").read_text())
    run["files"]["tracks.json"] = ["tracks.json", "../precious.txt", str(tmp_path / "precious.txt")]
    (whole / "run.json").write_text(json.dumps(run))
    assert singleout("segment", squares_file, "--names", "red", "--out", whole, "--overwrite").code == 0
    assert (tmp_path / "precious.txt").read_text() == "mine"
