"""Runs of a pipeline: what is made, kept, made anew, refused; one process, and several that are killed or share."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.fusion.commands import fuse, products
from tests.fusion.members import FRAMES, HEIGHT, PIPELINE, VIDEOS, WIDTH, draw, truth, write_torch

from singleout.evaluation.evaluating import evaluate
from singleout.fusion.board import Board
from singleout.fusion.pipeline import load_pipeline
from singleout.fusion.running import read_videos
from singleout.fusion.store import reading
from singleout.fusion.tools import Tools

ROOT = Path(__file__).parents[2]


def changed(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """Steps of which a product was made anew."""
    return {name.split("/")[0] for name in after if after[name] != before.get(name)}


def masks_of(root: Path, step: str, video: str, sentence: str) -> np.ndarray:
    with reading(root / "out" / "steps" / step / f"{video}.masks") as found:
        return np.stack([found.mask(sentence, frame) for frame in range(len(FRAMES))])


def test_a_run_gives_what_the_file_says(root, capsys):
    made = fuse(capsys, root, "--truth", root / "data" / "truth").splitlines()
    assert made[-1] == str(root / "out" / "submission" / "submission.zip")
    bee = {number: draw(number)["bee"] for number in (1, 2, 3)}
    hard = {number: {key: logits > 0 for key, (logits, _) in bee[number].items()} for number in bee}
    # Sentences 0 and 2 of "bee" mean one object; sentence 1 has no partner.
    votes = sum(hard[number][key].astype(int) for number in (1, 2, 3) for key in "02")
    first = votes >= 3
    assert np.array_equal(masks_of(root, "first", "bee", "0"), first)
    assert np.array_equal(masks_of(root, "first", "bee", "2"), first)
    assert np.array_equal(masks_of(root, "first", "bee", "1"), hard[1]["1"])
    carried = {key: masks_of(root, "carried", "bee", key) for key in "02"}
    for key in "02":
        assert (carried[key] == carried[key][0]).all()
        assert any(np.array_equal(carried[key][0], hard[1][key][frame]) for frame in range(4))
    second = sum(carried[key].astype(int) + first + hard[2][key] for key in "02") >= 2
    with zipfile.ZipFile(root / "out" / "submission" / "submission.zip") as packed:
        names = packed.namelist()
        assert len(names) == sum(len(sentences) for sentences in VIDEOS.values()) * len(FRAMES)
        for frame, mask in zip(FRAMES, second, strict=True):
            with packed.open(f"Annotations/bee/2/{frame}.png") as file, Image.open(file) as picture:
                assert picture.mode == "L"
                assert np.array_equal(np.asarray(picture), np.where(mask, 255, 0))


def test_the_report_has_every_member_and_stage_with_scores_or_agreement(root, capsys):
    fuse(capsys, root)
    without = json.loads((root / "out" / "report" / "results.json").read_text())
    assert set(without["table"]) == {"agreement of members"}
    rows = without["parts"]["Members and stages"]
    assert list(rows) == ["one", "two", "three", "carried", "first", "second"]
    assert 0 < rows["one"]["overlap with the result"] < 1 == rows["second"]["overlap with the result"]
    told = json.loads(fuse(capsys, root, "--truth", root / "data" / "truth", "--json"))
    assert told["stages"]["second"]["J&F"] == told["scores"]["J&F"]
    submission = told["submissions"]["submission"]
    official = evaluate("ref-youtube-vos", data=root / "data", predictions=submission, truth=root / "data" / "truth")
    assert told["scores"]["J&F"] == pytest.approx(official.table["J&F"])
    one = [masks_of(root, "one", video, str(key)) for video in VIDEOS for key in range(len(VIDEOS[video]))]
    true = [truth(video, int(number)) for video, sentences in VIDEOS.items() for number in sentences]
    shared = [(a & b).sum((1, 2)) / (a | b).sum((1, 2)) for a, b in zip(one, true, strict=True)]
    assert told["stages"]["one"]["J"] == pytest.approx(np.mean(shared))
    page = (root / "out" / "report" / "report.html").read_text()
    assert page.count("data:image/jpeg") == 6
    assert "quirk lone" in page and "in fewer than half of them" in page
    # The sentence on which members disagree most comes first.
    scores = [each["agreement"] for each in told_objects(root)]
    assert page.index(worst(root, min(scores))) < page.index(worst(root, max(scores)))


def test_truth_has_to_be_that_of_the_videos(root, capsys):
    assert "has no folder ant: give true masks of all videos" in fuse(
        capsys, root, "--truth", root / "three" / "cat", code=2
    )
    (root / "mevis.yaml").write_text("data: {layout: mevis}\n" + PIPELINE)
    assert "--truth means nothing for mevis" in fuse(capsys, root, "--truth", root, code=2, pipeline="mevis.yaml")


def told_objects(root: Path) -> list[dict]:
    return json.loads((root / "out" / "report" / "results.json").read_text())["objects"]


def worst(root: Path, score: float) -> str:
    each = next(each for each in told_objects(root) if each["agreement"] == score)
    return f"<h3>{each['video']} {each['object']}"


def test_only_what_depends_on_a_change_is_made_anew(root, capsys):
    fuse(capsys, root)
    before = products(root)
    fuse(capsys, root)
    assert products(root) == before
    (root / "fuse.yaml").write_text(PIPELINE.replace("at_least: 2", "at_least: 3"))
    fuse(capsys, root)
    after = products(root)
    judged = {f"agreement-of-{name}" for name in ("one", "two", "three", "carried", "first")}
    assert changed(before, after) == {"second", "submission"} | judged
    # A threshold that changes nothing of the masks is told to the step itself only.
    (root / "fuse.yaml").write_text(PIPELINE.replace("at_least: 2", "at_least: 3").replace("0.5}", "0.5000000001}"))
    fuse(capsys, root)
    assert changed(after, products(root)) == {"one"}
    (root / "fuse.yaml").write_text(PIPELINE.replace("at_least: 2", "at_least: 3").replace("0.5}", "0.7}"))
    before = products(root)
    fuse(capsys, root)
    assert changed(before, products(root)) >= {"one", "keys", "carried", "first", "second", "submission"}
    assert not changed(before, products(root)) & {"two", "three", "pairs"}
    fresh = root / "fresh"
    fuse(capsys, root, "--out", fresh, "--no-report")
    archive = Path("submission") / "submission.zip"
    assert (root / "out" / archive).read_bytes() == (fresh / archive).read_bytes(), "nothing stale is left in it"
    # Another video of a member is its own affair.
    before = products(root)
    member = draw(1)
    member["ant"] = draw(9)["ant"]
    write_torch(root / "one.pth", member)
    fuse(capsys, root)
    after = products(root)
    assert {name.split("/")[1].split(".")[0] for name in after if after[name] != before[name]} <= {"ant", "archive"}


def test_what_is_done_needs_its_system_no_more(root, capsys, monkeypatch):
    (root / "own.py").write_text("from tests.fusion.members import Follower\n")
    monkeypatch.syspath_prepend(root)
    (root / "fuse.yaml").write_text(PIPELINE.replace("tests.fusion.members:Follower", "aot/none"))
    assert "step carried: " in fuse(capsys, root, code=2)
    (root / "fuse.yaml").write_text(PIPELINE.replace("tests.fusion.members:Follower", "own:Follower"))
    fuse(capsys, root)
    (root / "own.py").write_text("")
    monkeypatch.delitem(sys.modules, "own")
    (root / "fuse.yaml").write_text((root / "fuse.yaml").read_text().replace("at_least: 2", "at_least: 1"))
    fuse(capsys, root)


def test_steps_run_alone_or_with_what_they_need(root, capsys):
    said = fuse(capsys, root, "--step", "first", code=2)
    assert "step first needs one, which is not done for video ant: run it first, or say --up-to first" in said
    fuse(capsys, root, "--step", "one", "--step", "two")
    assert {name.split("/")[0] for name in products(root)} == {"one", "two"}
    fuse(capsys, root, "--up-to", "first")
    assert {name.split("/")[0] for name in products(root)} == {"one", "two", "three", "pairs", "first"}
    fuse(capsys, root, "--step", "first")
    assert "give one of them" in fuse(capsys, root, "--step", "one", "--up-to", "two", code=2)
    assert "there is no step 'zero'" in fuse(capsys, root, "--step", "zero", code=2)


def test_explain_draws_states_and_sizes_and_makes_nothing(root, capsys):
    drawn = fuse(capsys, root, "--explain")
    assert not (root / "out").exists()
    named = [line for line in drawn.splitlines() if line.strip() and "(above)" not in line]
    lines = {line.lstrip("│├└─ ").split()[0]: line for line in named}
    assert "done 0 of 3: 3 to be made" in lines["one"] and "logits of one.pth" in lines["one"]
    assert "3 waiting for others" in lines["second"]
    assert drawn.index("submission") < drawn.index("second") < drawn.index("carried") < drawn.index("keys")
    assert "3 videos, 6 sentences, 24 masks a step, at most 7.6 kB in each of 6 steps" in drawn
    assert "one (above)" in drawn
    assert "lone (yes): A sentence without a partner" in drawn
    fuse(capsys, root, "--up-to", "first")
    drawn = fuse(capsys, root, "--explain")
    assert "done, 3 of 3" in next(line for line in drawn.splitlines() if "first" in line and "vote" in line)
    (root / "two").rename(root / "elsewhere")
    assert "to be seen to before it can run" in fuse(capsys, root, "--explain")


def test_predictions_of_systems_vote_with_their_probabilities(root, capsys):
    (root / "soft.yaml").write_text(
        """
steps:
  bright: {predict: "tests.fusion.members:Bright"}
  one: {masks: one.pth, holds: logits}
  keys: {key-frames: bright}
  carried: {propagate: bright, from: keys, model: "tests.fusion.members:Follower", agreement: true}
  mixed: {vote: mean, of: [bright, one, carried], by-score: [bright, carried], threshold: 0.4}
  submission: {export: mixed, as: mevis}
"""
    )
    fuse(capsys, root, pipeline="soft.yaml")
    with reading(root / "out" / "steps" / "bright" / "bee.masks") as bright:
        assert bright.soft and bright.scores("1").tolist() == [0.5] * 4
        assert len(np.unique(bright.probabilities("1", 0))) > 2
        found = np.stack([bright.mask("1", frame) for frame in range(4)])
        shares = np.stack([bright.probabilities("1", frame) for frame in range(4)])
    assert (found & truth("bee", 2)).sum() > 0.8 * truth("bee", 2).sum()
    with reading(root / "out" / "steps" / "carried" / "bee.masks") as carried:
        # A follower that never moves comes back to where it began.
        assert carried.scores("1").tolist() == [1.0] * 4
    logits = draw(1)["bee"]["1"][0]
    sure = masks_of(root, "carried", "bee", "1").astype(float)
    soft = np.ceil(256 / (1 + np.exp(-logits.astype(float)))) / 256 - 0.5 / 256
    mixed = (0.5 * shares + soft + sure) / 2.5
    clear = np.abs(mixed - 0.4) > 1e-4
    assert np.array_equal(masks_of(root, "mixed", "bee", "1")[clear], (mixed > 0.4)[clear])
    with zipfile.ZipFile(root / "out" / "submission" / "submission.zip") as packed:
        assert "bee/1/00000.png" in packed.namelist()


def test_empty_key_frames(root, capsys):
    member = draw(1)
    logits, _ = member["cat"]["0"]
    logits[1] = -5.0
    logits[2, :4] = 5.0
    member["cat"]["0"] = (logits, [0.1, 0.9, 0.2, 0.3])
    write_torch(root / "one.pth", member)
    steps = PIPELINE.replace("by: surest", "by: highest")
    for rule in ("copy", "largest", "refuse"):
        text = steps.replace("model: follower}", f"model: follower, if-empty: {rule}}}")
        (root / "fuse.yaml").write_text(text)
        if rule == "refuse":
            said = fuse(capsys, root, "--up-to", "carried", code=2)
            assert "the mask of the key frame 00005 of video cat, sentence 0, is empty" in said
            continue
        fuse(capsys, root, "--up-to", "carried")
        largest = int(np.argmax((logits > 0).sum((1, 2))))
        wanted = logits > 0 if rule == "copy" else np.stack([logits[largest] > 0] * 4)
        assert np.array_equal(masks_of(root, "carried", "cat", "0"), wanted)


def smaller(member):
    """The same without the first row."""
    return {
        video: {key: (logits[:, 1:], scores) for key, (logits, scores) in sentences.items()}
        for video, sentences in member.items()
    }


def without_a_frame(root: Path) -> None:
    (root / "data" / "valid" / "JPEGImages" / "ant" / "00005.jpg").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "one.pth").unlink(), "one.pth: there is no such file or folder"),
        (lambda root: shutil.rmtree(root / "two" / "bee"), "has no masks for video bee, sentence 0"),
        (
            lambda root: write_torch(
                root / "one.pth", {k: {s: (m[:, 1:], c) for s, (m, c) in v.items()} for k, v in draw(1).items()}
            ),
            "has masks of 30x23 for video ant, but",
        ),
        (lambda root: (root / "three" / "cat" / "0" / "00000.png").unlink(), "has no picture 00000.png"),
        (lambda root: (root / "three" / "cat" / "0" / "extra.png").touch(), "has a strange picture extra.png"),
        (
            lambda root: (root / "data" / "valid" / "JPEGImages" / "ant" / "00005.jpg").unlink(),
            "systems need the frames",
        ),
        (
            lambda root: (root / "fuse.yaml").write_text(PIPELINE.replace("tests.fusion.members:Follower", "aot/none")),
            "step carried: ",
        ),
        (
            lambda root: (root / "fuse.yaml").write_text(PIPELINE.replace("tests.fusion.members:Follower", "aot/aott")),
            "is not here yet: singleout get aot/aott",
        ),
        (lambda root: (root / "out").write_text("x"), "out is a file: give the name of a folder"),
    ],
)
def test_bad_input_is_told_before_work_starts(root, capsys, spoil, message):
    spoil(root)
    said = fuse(capsys, root, code=2)
    assert message in said and said.count("\n") == 1
    assert not (root / "out").exists() or (root / "out").is_file()


def test_a_folder_of_something_else_is_left_alone(root, capsys):
    (root / "out").mkdir()
    (root / "out" / "notes.txt").write_text("mine")
    assert "holds other things: give a folder that is empty" in fuse(capsys, root, code=2)
    assert [path.name for path in (root / "out").iterdir()] == ["notes.txt"]


def test_values_that_are_no_masks_are_refused_and_nothing_is_lost(root, capsys):
    write_torch(root / "one.pth", draw(1))
    (root / "fuse.yaml").write_text(PIPELINE.replace("two, holds: logits", "two, holds: probabilities"))
    said = fuse(capsys, root, code=2)
    assert "video ant, sentence 0 has values outside of 0 to 1: say that it holds logits" in said
    assert len(products(root, "one")) == 3
    (root / "fuse.yaml").write_text(PIPELINE)
    Image.fromarray(np.full((HEIGHT, WIDTH), 7, np.uint8)).save(root / "three" / "cat" / "0" / "00010.png")
    assert "has other values than 0 and 255" in fuse(capsys, root, code=2)
    Image.fromarray(np.zeros((HEIGHT - 1, WIDTH), np.uint8)).save(root / "three" / "cat" / "0" / "00010.png")
    assert "pictures of several sizes: 00010.png" in fuse(capsys, root, code=2)
    assert len(products(root, "three")) == 2


def test_logits_and_scores_that_are_no_numbers_are_refused(root, capsys):
    member = draw(1)
    logits, scores = member["bee"]["1"]
    logits[0, 0, :2], logits[0, 1, :2] = np.inf, -np.inf
    write_torch(root / "one.pth", member)
    fuse(capsys, root, "--step", "one")
    logits[2, 3, 3] = np.nan
    write_torch(root / "one.pth", member)
    assert "video bee, sentence 1 has logits that are no numbers" in fuse(capsys, root, "--step", "one", code=2)
    member["bee"]["1"] = (np.zeros_like(logits), [*scores[:3], float("nan")])
    write_torch(root / "one.pth", member)
    assert "video bee, sentence 1 has a score that is no number" in fuse(capsys, root, "--step", "one", code=2)


class Meddler:
    """Changes a member the moment the given step begins."""

    def __init__(self, step: str, change) -> None:
        self.step, self.change = step, change

    def begin(self, step, total, done):
        if step.name == self.step:
            self.change()

    def made(self, step):
        pass

    def end(self, step):
        pass


@pytest.mark.parametrize("step", ["two", "submission"])
def test_a_member_that_changes_during_the_run_is_noticed(root, step):
    from singleout.errors import InputError
    from singleout.fusion.running import run

    pipeline = load_pipeline(root / "fuse.yaml")
    board = Board(pipeline, read_videos(pipeline, root / "data"), root / "out", Tools("ref-youtube-vos", root))

    def change():
        Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(root / "three" / "cat" / "0" / "00010.png")

    with pytest.raises(InputError, match=r"three changed during the run \(video cat\): run again"):
        run(board, pipeline.wanted(), Meddler(step, change))
    assert len(products(root, "one")) == 3


def test_a_stopped_export_is_checked_before_it_counts(root, capsys):
    fuse(capsys, root)
    archive = root / "out" / "submission" / "submission.zip"
    whole = archive.read_bytes()
    picture = root / "out" / "submission" / "Annotations" / "bee" / "1" / "00005.png"
    picture.unlink()
    archive.unlink()
    fuse(capsys, root)
    assert archive.read_bytes() == whole and picture.is_file()
