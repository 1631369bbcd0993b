"""Files, names and keys as the evaluators and servers want them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from singleout.exports import FORMATS
from singleout.media.palette import DAVIS
from singleout.tracks import FrameMasks, ObjectInfo, Tracks

Export = Callable[..., Path]


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_davis_is_a_palette_png_a_frame_with_the_id_as_index(scene: Tracks, export: Export) -> None:
    folder = export(scene, "davis")
    assert files_below(folder) == [f"clip/{name}.png" for name in scene.frame_names or ()]
    with Image.open(folder / "clip" / "00000.png") as picture:
        assert picture.mode == "P"
        assert picture.getpalette() == DAVIS.ravel().tolist()
        assert np.array_equal(np.asarray(picture), scene.id_map(0))


def test_the_zip_for_the_davis_server_has_the_video_folders_at_its_root(scene: Tracks, export: Export) -> None:
    folder = export(scene, "davis", archive=True)
    FORMATS["davis"].write(scene, folder, video_name="other", frame_names=scene.frame_names or (), archive=True)
    with zipfile.ZipFile(folder / "davis.zip") as packed:
        assert {Path(name).parts[0] for name in packed.namelist()} == {"clip", "other"}
        assert len(packed.namelist()) == 12


def test_the_zip_for_ref_youtube_vos_has_annotations_at_its_top(scene: Tracks, export: Export) -> None:
    folder = export(scene, "ref-ytvos")
    expected = [f"Annotations/clip/{key}/{name}.png" for key in range(4) for name in scene.frame_names or ()]
    with zipfile.ZipFile(folder / "Annotations.zip") as packed:
        assert packed.namelist() == expected
        with packed.open("Annotations/clip/2/00005.png") as file, Image.open(file) as picture:
            assert picture.mode == "L"
            assert np.array_equal(np.asarray(picture), scene[7].mask(1) * 255)


def test_objects_of_one_sentence_are_united(crowd: Tracks, export: Export) -> None:
    read = FORMATS["ref-ytvos"].read(export(crowd, "ref-ytvos", sentences={"0": [3, 5]}))
    assert np.array_equal(read[1].mask(1), crowd[3].mask(1) | crowd[5].mask(1))


def test_youtube_vis_results_have_the_official_keys(scene: Tracks, export: Export) -> None:
    folder = export(scene, "ytvis", categories={"car": 5, "object": 1, "road": 40}, video_id=7, archive=True)
    results = json.loads((folder / "results.json").read_text())
    assert [entry["category_id"] for entry in results] == [1, 5, 40]
    assert all(entry.keys() == {"video_id", "category_id", "score", "segmentations"} for entry in results)
    islands = results[0]["segmentations"]
    assert [code is None for code in islands] == [False, False, True, True, False, False]
    assert islands[0]["size"] == [48, 64]
    assert np.array_equal(coco.decode(islands[0]).astype(bool), scene[2].mask(0))
    with zipfile.ZipFile(folder / "results.zip") as packed:
        assert packed.namelist() == ["results.json"]
    truth = json.loads((folder / "instances.json").read_text())
    assert truth["videos"] == [
        {"id": 7, "width": 64, "height": 48, "length": 6, "file_names": [f"clip/{i * 5:05d}.jpg" for i in range(6)]}
    ]
    assert [entry["name"] for entry in truth["categories"]] == ["object", "car", "road"]
    ring = truth["annotations"][1]
    assert ring["areas"] == scene[7].areas.tolist()
    assert ring["bboxes"][0] == coco.toBbox(ring["segmentations"][0]).tolist()
    assert truth["annotations"][0]["bboxes"][2] is truth["annotations"][0]["areas"][2] is None


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_pycocotools_reads_the_coco_file(name: str, scene: Tracks, export: Export) -> None:
    read = COCO(export(scene, name) / "instances.json")
    assert [image["file_name"] for image in read.imgs.values()] == [f"clip/{i * 5:05d}.jpg" for i in range(6)]
    assert len(read.anns) == 6 + 6 + 4
    for annotation in read.anns.values():
        mask = scene[annotation["track_id"]].mask(annotation["image_id"] - 1)
        assert np.array_equal(read.annToMask(annotation).astype(bool), mask)
        assert annotation["area"] == mask.sum()
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert annotation["bbox"] == [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert read.loadRes([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 1}]).anns


def test_mots_numbers_ids_by_class_and_keeps_kittis_classes(scene: Tracks, export: Export) -> None:
    lines = [line.split() for line in (export(scene, "mots") / "clip.txt").read_text().splitlines()]
    assert {(line[1], line[2]) for line in lines} == {("1007", "1"), ("3002", "3"), ("4009", "4")}
    assert [line[0] for line in lines if line[1] == "3002"] == ["0", "1", "4", "5"]
    assert all(line[3:5] == ["48", "64"] for line in lines)


def test_panoptic_lists_what_its_pictures_show(scene: Tracks, export: Export) -> None:
    renamed = scene.rename({7: 70000})
    folder = export(renamed, "panoptic", categories={"object": 0, "car": 3, "road": 98})
    content = json.loads((folder / "pred.json").read_text())
    (video,) = content["annotations"]
    assert video["video_id"] == "clip"
    assert [frame["file_name"] for frame in video["annotations"]] == [f"{name}.png" for name in scene.frame_names or ()]
    with Image.open(folder / "pan_pred" / "clip" / "00000.png") as picture:
        assert picture.mode == "RGB"
        red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
    assert np.array_equal(red + 256 * green + 65536 * blue, renamed.id_map(0))
    segments = {segment["id"]: segment for segment in video["annotations"][0]["segments_info"]}
    assert {key: one["category_id"] for key, one in segments.items()} == {2: 0, 70000: 3, 9: 98}
    assert segments[70000]["area"] == scene[7].areas[0]
    left, top, right, bottom = scene[7].boxes[0].tolist()
    assert segments[70000]["bbox"] == [left, top, right - left, bottom - top]
    assert {entry["name"]: entry["isthing"] for entry in content["categories"]} == {"object": 1, "car": 1, "road": 0}


def test_panoptic_lists_may_name_the_video_frames(scene: Tracks, export: Export) -> None:
    path = export(scene, "panoptic") / "pred.json"
    path.write_text(path.read_text().replace(".png", ".jpg"))
    assert np.array_equal(FORMATS["panoptic"].read(path)[7].masks(), scene[7].masks())


def test_semantic_pictures_hold_class_numbers_and_255(scene: Tracks, export: Export) -> None:
    folder = export(scene, "semantic", categories={"road": 0, "car": 7, "object": 254})
    with Image.open(folder / "clip" / "00000.png") as picture:
        assert picture.mode == "L"
        values = np.asarray(picture)
    expected = np.full((48, 64), 255)
    for key, number in ((9, 0), (7, 7), (2, 254)):
        expected[scene[key].mask(0)] = number
    assert np.array_equal(values, expected)


def test_many_classes_make_semantic_pictures_of_16_bits(scene: Tracks, export: Export) -> None:
    folder = export(scene, "semantic", categories={"road": 0, "car": 255, "object": 846})
    with Image.open(folder / "clip" / "00000.png") as picture:
        assert picture.mode.startswith("I")
        values = set(np.asarray(picture).astype(int).ravel().tolist())
    assert values == {0, 255, 846, 65535}
    read = FORMATS["semantic"].read(folder)
    assert {track.label: track.id for track in read} == {"road": 1, "car": 256, "object": 847}
    assert np.array_equal(read[256].masks(), scene[7].masks())


def test_wide_ids_need_16_bits_and_read_back(export: Export) -> None:
    mask = np.zeros((1, 6, 7), np.bool_)
    mask[0, 2:4, 1:5] = True
    tracks = Tracks(6, 7, 1)
    tracks.append(FrameMasks(0, [300], [1.0], mask, 6, 7))
    read = FORMATS["davis"].read(export(tracks, "davis", sixteen_bit=True))
    assert np.array_equal(read[300].mask(0), mask[0])


def test_every_frame_reads_back_in_natural_order(scene: Tracks, export: Export) -> None:
    names = ["1", "2", "9", "10", "11", "100"]
    read = FORMATS["davis"].read(export(scene, "davis", frame_names=names))
    assert read.frame_names == tuple(names)
    assert np.array_equal(read[7].masks(), scene[7].masks())


def test_void_of_davis_ground_truth_is_no_object(tmp_path: Path) -> None:
    ids = np.zeros((4, 5), np.uint8)
    ids[1], ids[2] = 1, 255
    picture = Image.fromarray(ids)
    picture.putpalette(DAVIS.tobytes())
    picture.save(tmp_path / "00000.png")
    assert FORMATS["davis"].read(tmp_path).ids == (1, 255)
    assert FORMATS["davis"].read(tmp_path, void=255).ids == (1,)


def test_labels_are_numbered_in_the_order_of_the_ids(export: Export) -> None:
    tracks = Tracks(4, 4, 1).describe({3: ObjectInfo(3, label="b"), 1: ObjectInfo(1, label="c"), 2: ObjectInfo(2)})
    content = json.loads((export(tracks, "coco") / "instances.json").read_text())
    assert [(entry["id"], entry["name"]) for entry in content["categories"]] == [(1, "c"), (2, "object"), (3, "b")]
