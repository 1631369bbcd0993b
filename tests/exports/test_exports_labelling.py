"""Files for labelling tools, against readers and a schema written from what the tools document.

test_exports_own_tools does the same with the tools themselves, where they are installed.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
import supervision
from exports_strategies import masks
from hypothesis import given
from PIL import Image

from singleout.exports.brush import encode
from singleout.tracks import ObjectInfo, Tracks

Export = Callable[..., Path]

# https://labelstud.io/guide/predictions and https://labelstud.io/tags/brushlabels
LABEL_STUDIO_TASKS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["data", "predictions"],
        "properties": {
            "data": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}},
            "predictions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["result"],
                    "properties": {
                        "model_version": {"type": "string"},
                        "score": {"type": "number"},
                        "result": {"type": "array", "items": {"$ref": "#/$defs/region"}},
                    },
                },
            },
        },
    },
    "$defs": {
        "region": {
            "type": "object",
            "required": ["id", "type", "from_name", "to_name", "original_width", "original_height", "value"],
            "properties": {
                "id": {"type": "string"},
                "type": {"const": "brushlabels"},
                "original_width": {"type": "integer", "minimum": 1},
                "original_height": {"type": "integer", "minimum": 1},
                "image_rotation": {"type": "number"},
                "value": {
                    "type": "object",
                    "required": ["format", "rle", "brushlabels"],
                    "properties": {
                        "format": {"const": "rle"},
                        "rle": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}},
                        "brushlabels": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    },
                },
            },
        }
    },
}


def read_brush(rle: Sequence[int]) -> npt.NDArray[np.uint8]:
    """The values of an @thi.ng/rle-pack stream, bit by bit as its README describes it."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    num_values = take(32)
    word = take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < num_values:
        repeats = take(1)
        count = take(sizes[take(2)]) + 1
        values += [take(word)] * count if repeats else [take(word) for _ in range(count)]
    assert len(bits) - at < 8, "no more bytes than needed"
    return np.array(values, np.uint8)


@given(masks())
def test_brush_masks_decode_to_four_equal_channels(mask: npt.NDArray[np.bool_]) -> None:
    expected = np.repeat(mask[..., None] * np.uint8(255), 4, axis=-1)
    assert np.array_equal(read_brush(encode(mask)).reshape(expected.shape), expected)


@pytest.mark.parametrize("num_pixels", [16383, 16384, 16385, 32768, 32769])
def test_long_brush_runs_are_divided(num_pixels: int) -> None:
    mask = np.ones((1, num_pixels), np.bool_)
    assert np.all(read_brush(encode(mask)) == 255)
    assert len(read_brush(encode(mask))) == 4 * num_pixels


def test_label_studio_tasks_fit_the_documented_schema(scene: Tracks, export: Export) -> None:
    folder = export(scene, "labelstudio")
    tasks = json.loads((folder / "clip.json").read_text(encoding="utf-8"))
    jsonschema.validate(tasks, LABEL_STUDIO_TASKS)
    assert [task["data"]["image"] for task in tasks[:2]] == [
        "/data/local-files/?d=clip/00000.jpg",
        "/data/local-files/?d=clip/00005.jpg",
    ]
    assert [len(task["predictions"][0]["result"]) for task in tasks] == [3, 3, 2, 2, 3, 3]
    config = ElementTree.parse(folder / "clip.config.xml").getroot()
    labels = {label.attrib["value"] for label in config.iter("Label")}
    names = {tag.attrib["name"] for tag in config if "name" in tag.attrib}
    for frame, task in enumerate(tasks):
        for region in task["predictions"][0]["result"]:
            assert set(region["value"]["brushlabels"]) <= labels
            assert {region["from_name"], region["to_name"]} <= names
            object_id = int(region["meta"]["text"][0].removeprefix("object "))
            read = read_brush(region["value"]["rle"]).reshape(48, 64, 4)[..., 3] > 0
            assert np.array_equal(read, scene[object_id].mask(frame))


def test_cvat_masks_are_what_its_documentation_describes(scene: Tracks, export: Export) -> None:
    root = ElementTree.parse(export(scene, "cvat") / "clip.xml").getroot()
    assert root.tag == "annotations"
    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/size") == "6"
    assert root.findtext("meta/task/mode") == "annotation"
    assert [label.findtext("name") for label in root.iter("label")] == ["object", "car", "road"]
    images = root.findall("image")
    assert [(image.attrib["id"], image.attrib["name"]) for image in images[:2]] == [
        ("0", "00000.jpg"),
        ("1", "00005.jpg"),
    ]
    for frame, image in enumerate(images):
        assert (image.attrib["width"], image.attrib["height"]) == ("64", "48")
        shown = {}
        for element in image.findall("mask"):
            left, top, width, height = (int(element.attrib[key]) for key in ("left", "top", "width", "height"))
            runs = [int(run) for run in element.attrib["rle"].split(",")]
            assert sum(runs) == width * height
            pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
            mask = np.zeros((48, 64), np.bool_)
            mask[top : top + height, left : left + width] = pixels
            shown[int(element.attrib["group_id"])] = mask
        assert shown.keys() == {track.id for track in scene if track.mask(frame).any()}
        for key, mask in shown.items():
            assert np.array_equal(mask, scene[key].mask(frame))


def test_cvat_puts_the_higher_score_on_top(crowd: Tracks, export: Export) -> None:
    root = ElementTree.parse(export(crowd, "cvat") / "clip.xml").getroot()
    order = {mask.attrib["group_id"]: int(mask.attrib["z_order"]) for mask in root.findall("image")[1].iter("mask")}
    assert order["5"] > order["3"]


def test_names_that_xml_and_yaml_could_misread_survive(scene: Tracks, export: Export) -> None:
    label = "a \"b\" & <c>: 'd' #e 人"
    scene.describe({7: ObjectInfo(7, label=label + "\n")})
    root = ElementTree.parse(export(scene, "cvat") / "clip.xml").getroot()
    assert label in [element.findtext("name") for element in root.iter("label")]
    assert label in [mask.attrib["label"] for mask in root.iter("mask")]
    config = ElementTree.parse(export(scene, "labelstudio") / "clip.config.xml").getroot()
    assert label in [element.attrib["value"] for element in config.iter("Label")]
    assert label in (export(scene, "yolo") / "classes.txt").read_text(encoding="utf-8").splitlines()


def test_supervision_reads_the_yolo_folder(scene: Tracks, export: Export) -> None:
    names = [f"{index:05d}" for index in range(scene.num_frames)]
    folder = export(scene, "yolo", frame_names=names)
    pictures = folder / "images" / "clip"
    pictures.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (scene.width, scene.height)).save(pictures / f"{name}.jpg")
    data = supervision.DetectionDataset.from_yolo(
        str(pictures), str(folder / "labels" / "clip"), str(folder / "data.yaml"), force_masks=True
    )
    assert data.classes == ["object", "car", "road"]
    for path, _, found in data:
        frame = int(Path(path).stem)
        shown = [track for track in scene if track.mask(frame).any()]
        assert [data.classes[number] for number in found.class_id] == [track.label or "object" for track in shown]
        for box, track in zip(found.xyxy, shown, strict=True):
            assert np.allclose(box, track.boxes[frame], atol=1)


def test_yolo_coordinates_lie_on_pixel_edges(scene: Tracks, export: Export) -> None:
    folder = export(scene, "yolo")
    lines = (folder / "labels" / "clip" / "00000.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "2"]
    corners = np.array(lines[2].split()[1:], float).reshape(-1, 2) * (64, 48)
    assert np.allclose(corners, np.round(corners), atol=1e-3)
    assert corners.min(axis=0).round().tolist() == [0, 37]
    assert corners.max(axis=0).round().tolist() == [64, 48]
    assert (folder / "data.yaml").read_text() == (
        'path: .\ntrain: images\nval: images\nnames:\n  0: "object"\n  1: "car"\n  2: "road"\n'
    )


def test_a_frame_without_objects_has_an_empty_yolo_file(export: Export) -> None:
    folder = export(Tracks(4, 5, 2), "yolo")
    assert [path.read_text() for path in sorted((folder / "labels" / "clip").iterdir())] == ["", ""]
