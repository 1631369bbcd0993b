"""``singleout data`` as users type it: findings on stdout, exit codes, lists that the readers take."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def davis(tmp_path):
    """Five sequences of one frame in the layout of DAVIS 2017."""
    for name in "abcde":
        for top, mode in (("JPEGImages", "RGB"), ("Annotations", "P")):
            folder = tmp_path / top / "480p" / name
            folder.mkdir(parents=True)
            picture = Image.fromarray(np.zeros((8, 10), np.uint8)).convert(mode)
            picture.save(folder / ("00000.jpg" if mode == "RGB" else "00000.png"))
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/val.txt").write_text("a\nb\nc\nd\ne\n")
    return tmp_path


def test_check_of_a_whole_data_set(davis, singleout):
    done = singleout("data", "check", "davis2017", davis)
    assert done.code == 0
    assert done.out.splitlines() == [
        f"note: {davis}: val has 5 videos, 30 are published; this is fine for a part of it; for published numbers take "
        "the whole",
        "val: 5 videos, 10 files, all right",
    ]
    assert "checking DAVIS 2017: 10 of 10 files" in done.err


def test_check_tells_each_finding_on_a_line_and_exits_with_2(davis, singleout):
    (davis / "JPEGImages/480p/b/00000.jpg").unlink()
    (davis / "Annotations/480p/d/00000.png").write_bytes(b"no picture")
    done = singleout("data", "check", "davis2017", davis)
    assert done.code == 2
    lines = [line for line in done.out.splitlines() if not line.startswith("note: ")]
    assert [line.partition(": ")[0] for line in lines] == [
        f"{davis}/JPEGImages/480p/b/00000.jpg",
        f"{davis}/Annotations/480p/d/00000.png",
    ]
    found = singleout("data", "check", "davis2017", davis, "--json")
    assert found.code == 2
    assert found.json["files"] == 10 and found.json["split"] == "val"
    assert [entry["problem"] for entry in found.json["findings"]][:2] == ["is missing", "is not a picture"]


def test_thorough_looks_at_the_numbers(davis, singleout):
    picture = Image.fromarray(np.full((8, 10), 4, np.uint8))
    picture.putpalette([0] * 768)
    picture.save(davis / "Annotations/480p/c/00001.png")
    Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(davis / "JPEGImages/480p/c/00001.jpg")
    assert singleout("data", "check", "davis2017", davis).code == 0
    done = singleout("data", "check", "davis2017", davis, "--thorough")
    assert done.code == 2 and "has the number 4, which the first frame of the video does not have" in done.out


def test_split_writes_a_list_that_can_be_checked(davis, singleout):
    done = singleout("data", "split", "davis2017", davis, "--count", "2")
    assert (done.code, done.out) == (0, f"{davis}/ImageSets/2017/val_dev.txt\n")
    assert (davis / "ImageSets/2017/val_dev.txt").read_text() == "a\nb\n"
    assert (
        "val_dev: 2 videos, 4 files, all right"
        in singleout("data", "check", "davis2017", davis, "--split", "val_dev").out
    )
    again = singleout("data", "split", "davis2017", davis, "--share", "0.6")
    assert again.code == 2 and "val_dev.txt is there already" in again.err
    assert singleout("data", "split", "davis2017", davis, "--share", "0.6", "--overwrite").code == 0
    assert (davis / "ImageSets/2017/val_dev.txt").read_text() == "a\nb\nc\n"


def test_convert(tmp_path, singleout):
    folder = tmp_path / "ADEChallengeData2016/annotations/validation"
    folder.mkdir(parents=True)
    Image.fromarray(np.array([[0, 150]], np.uint8)).save(folder / "a.png")
    done = singleout("data", "convert", "ade20k-150", tmp_path)
    target = tmp_path / "ADEChallengeData2016/annotations_detectron2/validation"
    assert (done.code, done.out) == (0, f"{target}\n")
    assert "converting ade20k-150: 1 steps in" in done.err
    with Image.open(target / "a.png") as picture:
        assert np.asarray(picture).tolist() == [[255, 149]]


@pytest.mark.parametrize("action", ["check", "split", "convert"])
def test_names_are_listed(singleout, action):
    done = singleout("data", action, "--list")
    assert done.code == 0
    assert any(line.startswith("vspw ") for line in done.out.splitlines())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check",), "give a name and a folder: singleout data check NAME FOLDER"),
        (("check", "davis"), "give a name and a folder"),
        (("check", "davis", "."), "there is no data set 'davis': choose one of davis2016"),
        (("check", "davis2017", "nowhere"), "nowhere is no folder"),
        (("split", "ovis", ".", "--halves", "--split", "valid"), "--halves is of the training set"),
        (("split", "ovis", ".", "--halves", "--count", "3"), "not allowed with argument --halves"),
        (("convert", "vspw", ".", "--height", "720"), "--height means nothing to vspw"),
        (("convert", "nothing", "."), "there is no conversion 'nothing'"),
        (("prepare",), "invalid choice"),
        ((), "ACTION"),
    ],
)
def test_bad_words_are_one_line(singleout, words, message):
    done = singleout("data", *words)
    assert done.code == 2
    assert message in done.err and len(done.err.strip().splitlines()) == 1
