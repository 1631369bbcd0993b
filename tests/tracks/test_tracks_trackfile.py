"""tracks.json: reads back equal, follows its schema, and is refused in one line where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from pycocotools import mask as coco
from tracks_strategies import tracks

from singleout.errors import InputError
from singleout.exports import trackfile
from singleout.tracks import Answer, FrameMasks, ObjectInfo, Tracks

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/formats/tracks.schema.json").read_text())


@pytest.fixture
def made() -> Tracks:
    made = Tracks(6, 8, 3, times=[0, 0.1, 0.3], video_name="naïve 猫", source={"frame": 1, "masks": [{"frame": 2}]})
    masks = np.random.default_rng(1).random((2, 6, 8)) > 0.5
    made.append(FrameMasks(1, [4, 2], [0.1, 1 / 3], masks, 6, 8))  # type: ignore[arg-type]
    made.append(FrameMasks(0, [], [], masks[:0], 6, 8))  # type: ignore[arg-type]
    return made.describe({4: ObjectInfo(4, 'a "dog"\n', "\\", 1 / 3, False)}, [Answer("x", (4,), 0.1, 0.2, "no")])


@given(made=tracks())
def test_reading_gives_equal_tracks_and_the_file_follows_its_schema(
    tmp_path_factory: pytest.TempPathFactory, made: Tracks
) -> None:
    path = tmp_path_factory.mktemp("written") / "tracks.json"
    trackfile.write(made, path)
    assert trackfile.read(path) == made
    jsonschema.validate(json.loads(path.read_text("utf-8")), SCHEMA)
    assert list(path.parent.iterdir()) == [path]


def test_entries_are_what_pycocotools_takes(tmp_path: Path, made: Tracks) -> None:
    trackfile.write(made, tmp_path / "tracks.json")
    content = json.loads((tmp_path / "tracks.json").read_text("utf-8"))
    (frame,) = content["frames"]
    assert frame["frame"] == 1
    assert [entry["id"] for entry in frame["masks"]] == [2, 4]
    for entry in frame["masks"]:
        assert np.array_equal(coco.decode(entry), made[entry["id"]].mask(1))
    assert [entry["score"] for entry in frame["masks"]] == [0.33333334, 0.1]


def test_another_order_of_keys_and_other_spacing_read_the_same(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "tracks.json"
    trackfile.write(made, path)
    content = json.loads(path.read_text("utf-8"))
    turned = {"note": {"mine": 1}, **dict(reversed(content.items()))}
    path.write_text(json.dumps(turned, indent=3), encoding="utf-16-le")
    with pytest.raises(InputError, match=r"not the tracks|not JSON"):
        trackfile.read(path)
    path.write_text(json.dumps(turned, indent=3), encoding="utf-8-sig")
    assert trackfile.read(path) == made


def test_a_file_cut_off_anywhere_is_refused_with_its_name(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "tracks.json"
    trackfile.write(made, path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 20, 7), *range(len(whole) - 20, len(whole) - 2)]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut off or not JSON|not the tracks") as refused:
            trackfile.read(path)
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)


def _change(content: dict[str, Any], keys: str, value: Any) -> None:
    *way, last = [int(key) if key.isdigit() else key for key in keys.split("/")]
    place: Any = content
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ("format", "coco", 'expected "format": "singleout-tracks"'),
        ("format", ..., 'expected "format": "singleout-tracks"'),
        ("version", 2, "version 2 of the format, this singleout reads version 1"),
        ("version", "1", "version '1'"),
        ("video", [], '"video" is'),
        ("video/height", ..., '"height" is None'),
        ("video/height", 0, "not a video"),
        ("video/height", 7, "expected .7, 8."),
        ("video/width", 8.0, '"width" is 8.0, expected a whole number'),
        ("video/num_frames", 1, "times for a video of 1 frames"),
        ("video/times", [0, 1], "2 times"),
        ("video/times", [0, 1, None], '"times" must hold numbers'),
        ("video/frame_names", "abc", '"frame_names" is'),
        ("exclusive", 1, '"exclusive" is 1'),
        ("source", [], '"source" is'),
        ("objects", ..., "objects"),
        ("objects", [{"id": 1}], "label"),
        ("objects/0/id", 0, "not an object id"),
        ("objects/0/id", True, "not an object id"),
        ("objects/0/score", "high", ".score. is .high., expected a number"),
        ("objects/0/label", None, ".label. is None"),
        ("answers/0/found", [1.5], "not an object id"),
        ("answers", {}, "answers"),
        ("frames", ..., '"frames" is None, expected a list'),
        ("frames", {}, "expected"),
        ("frames", [3], '"frame" is None'),
        ("frames/0/frame", 3, "frame 3 is outside the video"),
        ("frames/0/frame", -1, "frame -1"),
        ("frames/0/frame", True, '"frame" is True'),
        ("frames/0/masks", None, '"masks" is None'),
        ("frames/0/masks/0/id", 4, "distinct"),
        ("frames/0/masks/0/id", 2**31, "from 1"),
        ("frames/0/masks/0/score", 1e999, "is inf"),
        ("frames/0/masks/0/score", 10**400, "expected a number"),
        ("video/times", [0, 1, 10**400], "must hold numbers"),
        ("frames/0/masks/0/score", None, '"score" is None'),
        ("frames/0/masks/0/score", float("nan"), "is nan, expected a number"),
        ("frames/0/masks/0/size", [8, 6], "size .8, 6., expected .6, 8."),
        ("frames/0/masks/0/counts", [5, 3, 40], '"counts" is'),
        ("frames/0/masks/0/counts", "", "run-length code"),
        ("frames/0/masks/0/counts", "?", "run-length code"),
        ("frames/0/masks/0/counts", "\ud800", "run-length code"),
        ("frames/0/masks/0/counts", "a1", "covers"),
    ],
)
def test_wrong_values_are_refused_in_one_line(
    tmp_path: Path, made: Tracks, keys: str, value: Any, message: str
) -> None:
    path = tmp_path / "tracks.json"
    trackfile.write(made, path)
    content = json.loads(path.read_text("utf-8"))
    _change(content, keys, value)
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(InputError, match=message) as refused:
        trackfile.read(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"3", b"null", b"{}", b"[" * 100000, b"\x89PNG", b'{"format": 1' + b"0" * 5000 + b"}"]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.json") as refused:
        trackfile.read(path)
    assert "\n" not in str(refused.value)


def test_a_frame_given_twice_is_refused(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "tracks.json"
    trackfile.write(made, path)
    content = json.loads(path.read_text("utf-8"))
    content["frames"] *= 2
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(InputError, match="frame 1 was given twice"):
        trackfile.read(path)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            trackfile.read(path)


def test_what_json_cannot_hold_leaves_nothing_behind(tmp_path: Path, made: Tracks) -> None:
    made.source["far"] = float("inf")
    with pytest.raises(ValueError, match="JSON"):
        trackfile.write(made, tmp_path / "tracks.json")
    assert list(tmp_path.iterdir()) == []
