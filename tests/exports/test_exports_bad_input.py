"""What cannot be written or read is refused in one line that names the file, and nothing half-written stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from singleout.errors import InputError
from singleout.exports import FORMATS
from singleout.tracks import FrameMasks, ObjectInfo, Tracks

Export = Callable[..., Path]


def refused(call: Callable[[], object], *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    for part in parts:
        assert part in message


def changed(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("video_name", ["../out", "a/b", "..", "", "a\\b", "a\nb", "/etc/x", "x" * 300])
def test_names_never_leave_the_folder(name: str, video_name: str, scene: Tracks, tmp_path: Path) -> None:
    frames = scene.frame_names or ()
    refused(lambda: FORMATS[name].write(scene, tmp_path / "o", video_name=video_name, frame_names=frames), "video name")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("frame_name", ["../../x", "a/b", "", "00005"])
def test_frame_names_are_checked(frame_name: str, scene: Tracks, tmp_path: Path) -> None:
    names = [frame_name, *(scene.frame_names or ())[1:]]
    refused(
        lambda: FORMATS["davis"].write(scene, tmp_path, video_name="clip", frame_names=names),
        "named" if frame_name == "00005" else "frame name",
    )
    refused(
        lambda: FORMATS["davis"].write(scene, tmp_path, video_name="clip", frame_names=["0"]),
        "1 frame names",
        "6 frames",
    )


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_what_is_there_is_not_replaced_unless_asked(name: str, scene: Tracks, export: Export) -> None:
    folder = export(scene, name)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    refused(lambda: export(scene, name), "is there already")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    export(scene, name, overwrite=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"tracks"}))
def test_an_export_that_fails_midway_leaves_nothing(
    name: str, scene: Tracks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, frame = Tracks.frames, Tracks.frame

    def break_off(tracks: Tracks, index: int) -> Any:
        if index == 4:
            raise KeyboardInterrupt
        return frame(tracks, index)

    monkeypatch.setattr(Tracks, "frame", break_off)
    monkeypatch.setattr(Tracks, "frames", frames)
    monkeypatch.setattr(Tracks, "places", lambda tracks, key: iter([break_off(tracks, i) for i in range(6)]))
    with pytest.raises(KeyboardInterrupt):
        FORMATS[name].write(scene, tmp_path / "o", video_name="clip", frame_names=scene.frame_names or ())
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in left if path.name not in ("classes.txt", "data.yaml", "classes.json")] == []


def test_ids_that_do_not_fit(scene: Tracks, export: Export) -> None:
    refused(lambda: export(scene.rename({7: 256}), "davis"), "256", "panoptic")
    refused(lambda: export(scene.rename({7: 65536}), "davis", sixteen_bit=True), "65536")
    refused(lambda: export(scene.rename({7: 2**24}), "panoptic"), str(2**24))


def test_categories_that_do_not_fit(scene: Tracks, export: Export) -> None:
    refused(lambda: export(scene, "coco", categories={"car": 1, "object": 2}), "'road'", "categories")
    refused(lambda: export(scene, "coco", categories={"car": 1, "object": 2, "road": 1}), "same number")
    refused(lambda: export(scene, "coco", categories={"car": -1, "object": 2, "road": 1}), "negative")
    refused(lambda: export(scene, "mots", categories={"car": 10, "object": 2, "road": 1}), "10", "ignored")
    refused(lambda: export(scene, "yolo", categories={"car": 1, "object": 2, "road": 3}), "0, 1, 2")
    refused(lambda: export(scene, "semantic", categories={"car": 65535, "object": 2, "road": 3}), "65535")


def test_classes_of_another_video_in_the_folder(scene: Tracks, export: Export) -> None:
    folder = export(scene, "yolo")
    other = scene.describe({7: ObjectInfo(7, label="bus")})
    names = scene.frame_names or ()
    refused(
        lambda: FORMATS["yolo"].write(other, folder, video_name="two", frame_names=names), "classes.txt", "same cat"
    )
    assert not (folder / "labels" / "two").exists()


def test_more_objects_of_a_class_than_mots_can_number(export: Export) -> None:
    many = Tracks(2, 2, 1).describe({key: ObjectInfo(key, label="car") for key in range(1, 1001)})
    refused(lambda: export(many, "mots"), "999", "'car'")


def test_formats_that_are_only_written(tmp_path: Path) -> None:
    refused(lambda: FORMATS["yolo"].read(tmp_path), "only written", "davis")


# Reading


def test_an_rgb_picture_where_a_palette_is_due(scene: Tracks, export: Export) -> None:
    for name in ("davis", "semantic"):
        folder = export(scene, name)
        Image.new("RGB", (64, 48)).save(folder / "clip" / "00010.png")
        refused(lambda name=name, folder=folder: FORMATS[name].read(folder), "00010.png", "colour")


def test_a_palette_picture_where_rgb_is_due(scene: Tracks, export: Export) -> None:
    folder = export(scene, "panoptic")
    Image.new("P", (64, 48)).save(folder / "pan_pred" / "clip" / "00010.png")
    refused(lambda: FORMATS["panoptic"].read(folder), "00010.png", "RGB")


@pytest.mark.parametrize("name", ["davis", "semantic", "panoptic", "ref-ytvos"])
def test_a_picture_of_another_size(name: str, scene: Tracks, export: Export) -> None:
    folder = export(scene, name)
    path = max(folder.rglob("00010.png"))
    with Image.open(path) as picture:
        smaller = picture.resize((32, 24))
    smaller.save(path)
    root = folder / "Annotations" if name == "ref-ytvos" else folder
    refused(lambda: FORMATS[name].read(root), str(path), "32x24")


@pytest.mark.parametrize("name", ["davis", "semantic", "panoptic", "ref-ytvos"])
@pytest.mark.parametrize("damage", [b"", b"not a picture", None])
def test_a_damaged_or_missing_picture(name: str, damage: bytes | None, scene: Tracks, export: Export) -> None:
    folder = export(scene, name)
    path = max(folder.rglob("00010.png"))
    whole = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(damage or whole[: len(whole) // 2])
    root = folder / "Annotations" if name == "ref-ytvos" else folder
    options = {} if name == "panoptic" else {"frame_names": scene.frame_names}
    refused(lambda: FORMATS[name].read(root, **options), str(path))


@pytest.mark.parametrize("name", ["tracks", "ytvis", "coco", "panoptic"])
@pytest.mark.parametrize("content", [b"", b"[", b"[1, 2]", b'"x"', b"{}", b"\xff\xfe\x00", b"null", None])
def test_json_that_is_cut_off_or_something_else(
    name: str, content: bytes | None, scene: Tracks, export: Export
) -> None:
    folder = export(scene, name)
    path = next(
        folder / file
        for file in ("results.json", "tracks.json", "pred.json", "instances.json")
        if (folder / file).exists()
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    refused(lambda: FORMATS[name].read(folder), str(path))


@pytest.mark.parametrize("name", sorted(form.name for form in FORMATS.values() if form.readable))
def test_a_path_with_nothing(name: str, tmp_path: Path) -> None:
    refused(lambda: FORMATS[name].read(tmp_path / "nothing"), "nothing")
    refused(lambda: FORMATS[name].read(tmp_path), str(tmp_path))


def test_unknown_ids_in_results(scene: Tracks, export: Export) -> None:
    folder = export(scene, "ytvis")
    refused(lambda: FORMATS["ytvis"].read(folder, video_id=9), "results.json", "video 9")
    refused(lambda: FORMATS["ytvis"].read(folder, categories={"car": 1}), "results.json", "category 2")
    changed(folder / "results.json", lambda results: results[1].update(video_id=2))
    refused(lambda: FORMATS["ytvis"].read(folder), "2 videos", "video_id")


def test_results_whose_masks_do_not_fit(scene: Tracks, export: Export) -> None:
    folder = export(scene, "ytvis")
    path = folder / "results.json"
    whole = path.read_text()
    for change, part in (
        (lambda results: results[1]["segmentations"].pop(), "5 segmentations for 6 frames"),
        (lambda results: results[1]["segmentations"][3].update(size=[64, 48]), "48x64"),
        (lambda results: results[1]["segmentations"][3].update(counts="oops\x7f"), "frame 3"),
        (lambda results: results[1]["segmentations"].__setitem__(3, [1, 2]), "expected a run-length code"),
        (lambda results: results[1].update(score="high"), "score"),
        (lambda results: results[1].pop("category_id"), "category_id"),
        (lambda results: results[1].pop("segmentations"), "segmentations"),
    ):
        path.write_text(whole)
        changed(path, change)
        refused(lambda: FORMATS["ytvis"].read(folder), str(path), part)


def test_results_that_show_nothing_need_the_size(scene: Tracks, export: Export) -> None:
    folder = export(scene, "ytvis")
    (folder / "instances.json").unlink()
    changed(folder / "results.json", lambda results: [entry.update(segmentations=[None]) for entry in results])
    refused(lambda: FORMATS["ytvis"].read(folder), "size of the video")


def test_coco_annotations_of_nothing_known(scene: Tracks, export: Export) -> None:
    path = export(scene, "coco") / "instances.json"
    whole = path.read_text()
    for change, part in (
        (lambda content: content["annotations"][0].update(image_id=77), "image 77"),
        (lambda content: content["annotations"][0].update(category_id=77), "category 77"),
        (lambda content: content["annotations"][0].update(track_id=7), "twice"),
        (lambda content: content["images"][0].update(width=77), "different sizes"),
        (lambda content: content.pop("images"), "images"),
        (lambda content: content["annotations"][0].update(segmentation=None), "annotation 1"),
    ):
        path.write_text(whole)
        changed(path, change)
        refused(lambda: FORMATS["coco"].read(path), str(path), part)


def test_panoptic_lists_and_pictures_that_disagree(scene: Tracks, export: Export) -> None:
    folder = export(scene, "panoptic")
    path = folder / "pred.json"
    whole = path.read_text()

    def frame(content: Any) -> Any:
        return content["annotations"][0]["annotations"][1]

    for change, parts in (
        (lambda content: frame(content)["segments_info"].pop(), ("00005.png", "segment 9")),
        (lambda content: frame(content)["segments_info"][0].update(id=77), ("00005.png", "segment")),
        (lambda content: frame(content)["segments_info"][0].update(category_id=77), ("category 77",)),
        (lambda content: frame(content).update(file_name="../../x.png"), ("../../x.png",)),
        (lambda content: content["annotations"][0].update(video_id="../.."), ("../..",)),
    ):
        path.write_text(whole)
        changed(path, change)
        refused(lambda: FORMATS["panoptic"].read(folder), *parts)


def test_mots_lines_that_are_damaged(scene: Tracks, export: Export) -> None:
    folder = export(scene, "mots")
    path = folder / "clip.txt"
    first, second, *_ = path.read_text().splitlines()
    for line, part in (
        ("0 1007 1 48", "line 2"),
        ("0 1007 one 48 64 abc", "line 2"),
        (first, "twice"),
        (second.replace(" 48 64 ", " 64 48 "), "another size"),
        ("1" + first[1:].replace(" 3 48", " 2 48"), "class 2"),
        ("99" + second[1:], "frame 99"),
        ("0 1007 1 48 64 oops", "damaged"),
        (second.replace("1007 1 ", "9007 9 "), "class 9"),
        ("ä", "ASCII"),
    ):
        path.write_text(f"{first}\n{line}\n", encoding="utf-8")
        refused(lambda: FORMATS["mots"].read(folder), str(path), part)


def test_a_sentence_folder_without_a_number(scene: Tracks, export: Export) -> None:
    folder = export(scene, "ref-ytvos") / "Annotations"
    (folder / "clip" / "0").rename(folder / "clip" / "first")
    refused(lambda: FORMATS["ref-ytvos"].read(folder), "first", "number")


def test_a_mask_with_other_values_than_0_and_255(scene: Tracks, export: Export) -> None:
    folder = export(scene, "ref-ytvos") / "Annotations"
    Image.fromarray(np.full((48, 64), 7, np.uint8)).save(folder / "clip" / "0" / "00005.png")
    refused(lambda: FORMATS["ref-ytvos"].read(folder), "00005.png", "0 and 255")


def test_a_folder_of_several_videos(scene: Tracks, export: Export) -> None:
    folder = export(scene, "davis")
    FORMATS["davis"].write(scene, folder, video_name="other", frame_names=scene.frame_names or ())
    refused(lambda: FORMATS["davis"].read(folder), "2 folders", "clip")


def test_a_class_without_a_name(scene: Tracks, export: Export) -> None:
    folder = export(scene, "semantic")
    refused(lambda: FORMATS["semantic"].read(folder, categories={"car": 0}), "class 1", "clip")


def test_a_read_only_folder(scene: Tracks, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in FORMATS:
        target = tmp_path / "file"
        refused(
            lambda name=name, target=target: FORMATS[name].write(
                scene, target, video_name="clip", frame_names=scene.frame_names or ()
            ),
            "file",
        )


def test_empty_masks_are_left_out_and_no_error(export: Export) -> None:
    tracks = Tracks(4, 5, 1)
    tracks.append(FrameMasks(0, [1], [1.0], np.zeros((1, 4, 5), np.bool_), 4, 5))
    for name in FORMATS:
        export(tracks, name)
