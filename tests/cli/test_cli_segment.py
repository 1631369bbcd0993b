"""`singleout segment` on real files: what it writes, what it says, and every way to ask."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import singleout as face
from singleout.cli.inputs import find_videos
from singleout.exports import trackfile

NUM_FRAMES, HEIGHT, WIDTH = 12, 64, 96


def iou(first, second) -> float:
    return float((first & second).sum() / max((first | second).sum(), 1))


def test_words_give_tracks_overlay_masks_and_a_sheet(singleout, squares, squares_file, tmp_path):
    out = tmp_path / "new folder" / "out"
    result = singleout("segment", squares_file, "--say", "the red thing", "--names", "blue,green", "--out", out)
    assert result.code == 0 and result.out == ""
    assert '"green" was not found: best score 0.10, 0.50 is needed' in result.err
    assert "2 objects: 1 the red thing, 2 blue" in result.err
    assert f"squares: {NUM_FRAMES} of {NUM_FRAMES} frames" in result.err

    tracks = trackfile.read(out / "tracks.json")
    assert [tracks.objects[one].label for one in tracks.ids] == ["the red thing", "blue"]
    _, truth = squares()
    for frame in range(NUM_FRAMES):
        ids, _, masks = tracks.masks(frame)
        for number, mask in zip(ids, masks, strict=True):
            assert iou(mask, truth[frame] == number) > 0.8
    with av.open(str(out / "overlay.mp4")) as overlay:
        stream = overlay.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sum(1 for _ in overlay.decode(video=0)) == NUM_FRAMES
    assert Image.open(out / "contact-sheet.png").width > 4 * WIDTH
    pictures = sorted((out / "masks" / "davis" / "squares").iterdir())
    assert len(pictures) == NUM_FRAMES
    assert set(np.unique(np.asarray(Image.open(pictures[0])))) == {0, 1, 2}
    run = json.loads((out / "run.json").read_text())
    assert run["status"] == "finished" and run["identity"]["prompts"][0]["text"] == "the red thing"
    made = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    listed = {name for names in run["files"].values() for name in names}
    assert made == listed | {"run.json", ".singleout/lock"}, "every file is listed, nothing else stays"


def test_json_goes_to_stdout_and_answers_unknown_words(singleout, squares_file, tmp_path):
    words = ("segment", squares_file, "--say", "a kite", "--say", "red", "--out")
    result = singleout(*words, tmp_path / "out", "--json", "--quiet")
    assert result.code == 0
    run = result.json["runs"][0]
    assert (run["status"], run["num_frames"], run["out"]) == ("finished", NUM_FRAMES, str(tmp_path / "out"))
    assert [one["label"] for one in run["objects"]] == ["red"]
    assert [(one["prompt"], one["found"]) for one in run["answers"]] == [("a kite", []), ("red", [1])]
    assert "does not know 'a kite'" in run["answers"][0]["message"]
    assert result.err.splitlines() == ["singleout: colour does not know 'a kite'; it knows: red, blue, green"]
    guessed = singleout(*words, tmp_path / "guess", "--json", "--quiet", "--guess").json["runs"][0]
    assert len(guessed["objects"]) == 2


def test_a_mask_with_two_objects_keeps_its_ids(singleout, squares, squares_file, tmp_path):
    ids = squares()[1][3].copy()
    ids[ids == 1] = 7
    picture = Image.fromarray(ids, "P")
    picture.putpalette([0, 0, 0] + [255, 0, 0] * 255)
    picture.save(tmp_path / "first.png")
    out = tmp_path / "out"
    result = singleout("segment", squares_file, "--mask", f"3:{tmp_path / 'first.png'}", "--out", out)
    assert result.code == 0, result.err
    assert trackfile.read(out / "tracks.json").ids == (2, 7)


def test_boxes_and_points_become_objects_by_their_ids(singleout, squares, squares_file, tmp_path):
    truth = squares()[1]

    def centre(number: int) -> tuple[int, int]:
        rows, columns = np.nonzero(truth[0] == number)
        return int(columns.mean()), int(rows.mean())

    (red_x, red_y), (blue_x, blue_y) = centre(1), centre(2)
    words = ["--box", f"5@0:{red_x - 4},{red_y - 4},{red_x + 4},{red_y + 4}", "--point", f"9@0:{blue_x},{blue_y}"]
    words += ["--point", f"9@0:{red_x},{red_y},-", "--out", str(tmp_path / "out")]
    result = singleout("segment", squares_file, *words)
    assert result.code == 0, result.err
    tracks = trackfile.read(tmp_path / "out" / "tracks.json")
    assert tracks.ids == (5, 9)
    points = json.loads((tmp_path / "out" / "run.json").read_text())["identity"]["prompts"][1]
    assert points["positive"] == [True, False], "two points of one id are one prompt"
    assert iou(tracks.masks(0)[2][0], truth[0] == 1) > 0.8


def test_frames_and_pixels_are_those_of_the_original(singleout, squares, squares_file, tmp_path):
    truth = squares()[1]
    rows, columns = np.nonzero(truth[6] == 2)
    mark = f"6:{int(columns.mean())},{int(rows.mean())}"
    options = ("--start", "0.3", "--end", "0:01", "--every", "3", "--resize", "32", "--out", tmp_path / "out")
    result = singleout("segment", squares_file, "--point", mark, *options)
    assert result.code == 0, result.err
    tracks = trackfile.read(tmp_path / "out" / "tracks.json")
    assert (tracks.height, tracks.width, tracks.num_frames) == (32, 48, 3), "frames 3, 6 and 9"
    assert iou(tracks.masks(1)[2][0], truth[6][::2, ::2] == 2) > 0.7
    other = singleout("segment", squares_file, "--point", "7:5,5", *options)
    assert other.code == 2 and "leave this frame of squares out; the nearest that is kept is 6" in other.err
    past = singleout("segment", squares_file, "--point", "12:5,5", "--out", tmp_path / "past")
    assert past.code == 2 and "--point on frame 12: the frames taken of squares are 0 to 11" in past.err
    outside = singleout("segment", squares_file, "--point", "0:96,5", "--out", tmp_path / "past")
    assert outside.code == 2 and "--point 96,5 lies outside the picture, which is 96x64" in outside.err
    box = singleout("segment", squares_file, "--box", "0:200,5,220,9", "--out", tmp_path / "past")
    assert box.code == 2 and "outside the picture" in box.err
    Image.fromarray(truth[0][:32]).save(tmp_path / "small.png")
    small = singleout("segment", squares_file, "--mask", f"0:{tmp_path / 'small.png'}", "--out", tmp_path / "past")
    assert small.code == 2 and "the mask is 96x32 but the video is 96x64" in small.err
    assert not (tmp_path / "past").exists()


def test_an_image_is_a_video_of_one_frame(singleout, squares, tmp_path):
    Image.fromarray(squares()[0][0]).save(tmp_path / "photo.png")
    out = tmp_path / "out"
    words = ("--names", "red", "--out", out, "--cutout", "transparent")
    assert singleout("segment", tmp_path / "photo.png", *words).code == 0
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "cutout-transparent.png",
        "masks",
        "overlay.png",
        "run.json",
        "tracks.json",
    ]
    alone = np.asarray(Image.open(out / "cutout-transparent.png"))
    assert alone.shape == (HEIGHT, WIDTH, 4) and set(np.unique(alone[squares()[1][0] == 2])) == {0}


def test_the_overlay_keeps_the_sound_and_cutouts_are_made_beside_it(singleout, squares, write_video, tmp_path):
    video = write_video(tmp_path / "with sound ü.mp4", squares()[0], sound=True)
    for how, name in (("blur", "cutout-blur.mp4"), ("#00ff00", "cutout-00ff00.mp4"), ("transparent", None)):
        result = singleout("segment", video, "--say", "red", "--out", tmp_path / "out", "--cutout", how)
        assert result.code == 0, result.err
        if name:
            with av.open(str(tmp_path / "out" / name)) as made:
                assert made.streams.audio and sum(1 for _ in made.decode(video=0)) == NUM_FRAMES
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as overlay:
        assert overlay.streams.audio
    frames = sorted((tmp_path / "out" / "cutout-transparent").iterdir())
    assert len(frames) == NUM_FRAMES and Image.open(frames[0]).mode == "RGBA"


def test_asked_formats_are_written_and_none_means_none(singleout, squares_file, tmp_path):
    words = ("segment", squares_file, "--say", "red", "--no-overlay", "--out")
    assert singleout(*words, tmp_path / "a", "--as", "mots,semantic", "--as", "ytvis").code == 0
    assert sorted(path.name for path in (tmp_path / "a" / "masks").iterdir()) == ["mots", "semantic", "ytvis"]
    assert not (tmp_path / "a" / "overlay.mp4").exists() and not (tmp_path / "a" / "contact-sheet.png").exists()
    assert singleout(*words, tmp_path / "b", "--as", "none").code == 0
    assert not (tmp_path / "b" / "masks").exists()


def test_several_videos_get_a_folder_each(singleout, squares, squares_file, write_video, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(squares_file, videos / "one.mp4")
    write_video(videos / "one.avi", squares()[0])
    (videos / "two.mp4").write_bytes(b"")
    (videos / "notes.txt").write_text("not a video")
    result = singleout("segment", videos, "--say", "red", "--out", tmp_path / "out", "--json")
    assert result.code == 2, "one of the videos is broken"
    runs = {Path(run["video"]).name: run for run in result.json["runs"]}
    assert {name: run["status"] for name, run in runs.items()} == {
        "one.avi": "finished",
        "one.mp4": "finished",
        "two.mp4": "refused",
    }
    assert "two.mp4" in runs["two.mp4"]["error"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.avi", "one.mp4"]
    assert (tmp_path / "out" / "one.avi" / "overlay.mp4").exists()


def test_folders_of_frames_and_of_sequences(singleout, squares, tmp_path):
    for sequence in ("goat", "swan"):
        (tmp_path / "davis" / sequence).mkdir(parents=True)
        for index, frame in enumerate(squares(3)[0]):
            Image.fromarray(frame).save(tmp_path / "davis" / sequence / f"frame{index}.png")
    one = singleout("segment", tmp_path / "davis" / "goat", "--say", "red", "--out", tmp_path / "one")
    assert one.code == 0, one.err
    assert (tmp_path / "one" / "masks" / "davis" / "goat" / "frame2.png").exists()
    both = singleout("segment", tmp_path / "davis", "--say", "red", "--out", tmp_path / "both", "--no-overlay")
    assert both.code == 0 and sorted(path.name for path in (tmp_path / "both").iterdir()) == ["goat", "swan"]
    inside = singleout("segment", tmp_path / "davis" / "goat", "--say", "red", "--out", tmp_path / "davis" / "goat")
    assert inside.code == 2 and "is the folder that the input comes from" in inside.err
    (tmp_path / "davis" / "goat" / "clip.mp4").write_bytes(b"x")
    mixed = singleout("segment", tmp_path / "davis" / "goat", "--say", "red", "--out", tmp_path / "mixed")
    assert mixed.code == 2 and "holds videos (clip.mp4, …) and pictures (frame0.png, …)" in mixed.err


def test_export_writes_into_the_run_or_elsewhere(singleout, squares_file, tmp_path):
    out = tmp_path / "out"
    assert singleout("export", squares_file, "--as", "davis").code == 2
    assert singleout("segment", squares_file, "--say", "red", "--out", out, "--no-overlay").code == 0
    result = singleout("export", out, "--as", "ytvis,coco")
    assert result.code == 0 and result.out.split() == [str(out / "masks" / "ytvis"), str(out / "masks" / "coco")]
    assert singleout("export", out, "--as", "davis").code == 0, "what the run made itself is made anew"
    assert "masks/coco" in json.loads((out / "run.json").read_text())["files"]
    elsewhere = singleout("export", out / "tracks.json", "--as", "yolo", "--out", tmp_path / "labels", "--json")
    assert elsewhere.json["exports"][0]["folder"] == str(tmp_path / "labels" / "yolo")
    again = singleout("export", out, "--as", "yolo", "--out", tmp_path / "labels")
    assert again.code == 2 and "not empty" in again.err
    (out / "masks" / "coco" / "mine.txt").write_text("keep me")
    kept = singleout("export", out, "--as", "coco")
    assert kept.code == 2 and "mine.txt is in the way" in kept.err
    (out / "tracks.json").write_text("{")
    broken = singleout("export", out, "--as", "davis")
    assert broken.code == 2 and "tracks.json is cut off or not JSON" in broken.err


def test_info_tells_what_a_video_is(singleout, squares_file):
    facts = singleout("info", squares_file, "--json").json
    assert (facts["width"], facts["height"], facts["num_frames"], facts["fps"]) == (WIDTH, HEIGHT, NUM_FRAMES, 10)
    assert facts["shots"] == [[0, NUM_FRAMES]] and facts["has_audio"] is False
    shown = singleout("info", squares_file)
    assert "num frames" in shown.out and f"0-{NUM_FRAMES - 1}" in shown.out


def test_damage_is_an_error_or_told(singleout, squares, write_video, tmp_path):
    whole = write_video(tmp_path / "whole.mkv", np.random.default_rng(0).integers(0, 255, (40, 64, 96, 3), np.uint8))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    words = ("segment", cut, "--say", "red", "--out", tmp_path / "out")
    refused = singleout(*words)
    assert refused.code == 2 and "cut.mkv" in refused.err
    assert not (tmp_path / "out" / "tracks.json").exists()
    taken = singleout(*words, "--tolerate-damage")
    assert taken.code == 0 and "only the first" in taken.err


def test_the_face_does_the_same_from_python(squares, squares_file, tmp_path):
    truth = squares()[1]
    Image.fromarray(truth[0] * 255).convert("RGB").save(tmp_path / "rgb.png")
    Image.fromarray((truth[0] == 2).astype(np.uint8) * 255).save(tmp_path / "blue.png")
    with pytest.raises(face.InputError, match=r"rgb\.png: the picture is in colour"):
        face.Mask(tmp_path / "rgb.png")
    model = "colour_segmenter:ColourSegmenter"
    tracks = face.segment(squares_file, face.Mask(tmp_path / "blue.png", object_id=4), model=model)
    assert tracks.ids == (4,) and tracks.video_name == "squares"
    assert tracks.save(tmp_path / "saved") == tmp_path / "saved"
    assert {"overlay.mp4", "tracks.json", "contact-sheet.png"} <= {path.name for path in (tmp_path / "saved").iterdir()}
    assert trackfile.read(tmp_path / "saved" / "tracks.json") == tracks
    other = face.load(face.load(model)).segment(face.Video(squares_file), ["red"])
    with pytest.raises(face.InputError, match="holds another run"):
        other.save(tmp_path / "saved")
    other.save(tmp_path / "saved", overwrite=True)
    assert trackfile.read(tmp_path / "saved" / "tracks.json").objects[1].label == "red"
    frames = squares()[0]
    by_array = face.segment(frames, face.Box((0, 0, 20, 20)), model=model)
    by_array.save(tmp_path / "array")
    assert (tmp_path / "array" / "overlay.mp4").exists()
    with pytest.raises(face.InputError, match="there is no model 'finisher': expected starter"):
        face.load("finisher")
    with pytest.raises(face.InputError, match="is a str, expected a singleout Segmenter"):
        face.load("string:digits")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        face.nothing  # noqa: B018
    assert {"load", "segment", "Video", "Tracks", "Mask"} <= set(dir(face))


def test_a_name_that_is_not_text_is_no_obstacle(start, squares_file, tmp_path):
    odd = tmp_path / os.fsdecode(b"stra\xdfe 1.mp4")
    try:
        shutil.copy(squares_file, odd)
    except OSError as error:
        pytest.skip(f"this file system takes only text as a name: {error}")
    result = start("segment", odd, "--say", "red", "--out", tmp_path / "out").end()
    assert result.code == 0, result.err
    assert start("info", odd, "--no-shots").end().code == 0
    assert start("segment", odd, "--say", "red", "--out", tmp_path / "out").end().code == 0


def test_the_input_is_never_deleted(singleout, squares_file, tmp_path):
    out = tmp_path / "out"
    assert singleout("segment", squares_file, "--say", "red", "--out", out).code == 0
    for made in (out / "overlay.mp4", out / "masks" / "davis" / "squares"):
        result = singleout("segment", made, "--say", "red", "--out", out, "--overwrite")
        assert result.code == 2 and "was made by the run in" in result.err and made.exists()


def test_more_objects_than_a_palette_holds(singleout, squares_file, tmp_path):
    words = ("segment", squares_file, "--point", "300@0:5,12", "--no-overlay", "--out", tmp_path / "out")
    default = singleout(*words)
    assert default.code == 0 and "note: masks/davis is left out: object id 300 does not fit" in default.err
    asked = singleout(*words, "--as", "davis,panoptic")
    assert asked.code == 2 and "error: --as davis: object id 300 does not fit" in asked.err
    assert (tmp_path / "out" / "masks" / "panoptic").is_dir()
    assert not (tmp_path / "out" / "masks" / "davis").exists()


def test_a_folder_may_hold_videos_and_folders_of_frames(tmp_path):
    for name in ("b.mp4", "a/0.png", "c/0.png", "notes/text.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert find_videos([str(tmp_path)]) == [tmp_path / "a", tmp_path / "b.mp4", tmp_path / "c"]
