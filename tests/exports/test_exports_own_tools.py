"""The tools that the files are for read them: TrackEval, datumaro and CVAT's SDK, Label Studio's SDK, Ultralytics.

They are large and want other versions of many things, so `.ci/run` installs them (`tools-1.txt`, `tools-2.txt`) in
environments of their own; elsewhere these tests are skipped. `docs/formats/checked.md` says how to run them. What the
tools read is compared with the tracks, pixel by pixel.
"""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from singleout.tracks import Tracks

Export = Callable[..., Path]


def tool(module: str, package: str) -> Any:
    """A module of a tool; without the tool the test is skipped, unless SINGLEOUT_TOOLS=1 says that it is there."""
    if os.environ.get("SINGLEOUT_TOOLS") == "1":
        return import_module(module)
    return pytest.importorskip(module, reason=f"needs the package {package}, see docs/formats/checked.md")


def write_frames(folder: Path, tracks: Tracks) -> None:
    """Pictures of the video, which some tools want to see beside the labels."""
    folder.mkdir(parents=True)
    for index in range(tracks.num_frames):
        Image.new("RGB", (tracks.width, tracks.height)).save(folder / f"{index:05d}.jpg")


@pytest.mark.parametrize("first_frame", [0, 1])
def test_trackeval_reads_mots_and_finds_it_perfect(scene: Tracks, export: Export, first_frame: int) -> None:
    trackeval = tool("trackeval", "trackeval")
    categories = {"car": 1, "object": 2, "road": 3}
    folder = export(scene, "mots", first_frame=first_frame, categories=categories)
    text = (folder / "clip.txt").read_text()
    common = {"GT_FOLDER": folder / "gt", "TRACKERS_FOLDER": folder / "trackers", "TRACKERS_TO_EVAL": ["ours"]}
    kitti = first_frame == 0
    predicted = folder / "trackers" / "ours" / "data" / "clip.txt"
    truth = folder / "gt" / ("label_02/clip.txt" if kitti else "clip/gt/gt.txt")
    for path in (predicted, truth):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    common = {key: str(value) if isinstance(value, Path) else value for key, value in common.items()}
    config = {**common, "SEQ_INFO": {"clip": scene.num_frames}, "SKIP_SPLIT_FOL": True}
    data = (trackeval.datasets.KittiMOTS if kitti else trackeval.datasets.MOTSChallenge)(config)

    raw = data.get_raw_seq_data("ours", "clip")
    for frame, (ids, codes) in enumerate(zip(raw["tracker_ids"], raw["tracker_dets"], strict=True)):
        shown = {track.id: track.mask(frame) for track in scene if track.mask(frame).any()}
        assert {key % 1000 for key in ids.tolist()} == shown.keys()
        for key, code in zip(ids.tolist(), codes, strict=True):
            assert np.array_equal(coco.decode(code).astype(bool), shown[key % 1000])
    sequence = data.get_preprocessed_seq_data(raw, "pedestrian")
    assert sequence["num_tracker_dets"] == 4
    assert np.mean(trackeval.metrics.HOTA().eval_sequence(sequence)["HOTA"]) == pytest.approx(1)


def test_datumaro_reads_the_masks_of_the_cvat_file(scene: Tracks, export: Export) -> None:
    datumaro = tool("datumaro", "datumaro")
    names = [f"{index:05d}" for index in range(scene.num_frames)]
    folder = export(scene, "cvat", frame_names=names)
    write_frames(folder / "images", scene)
    dataset = datumaro.Dataset.import_from(str(folder), "cvat")
    items = list(dataset)
    assert len(items) == scene.num_frames
    for item in items:
        frame = item.attributes["frame"]
        read = {mask.group: mask.image.astype(bool) for mask in item.annotations}
        expected = {track.id: track.mask(frame) for track in scene if track.mask(frame).any()}
        assert read.keys() == expected.keys()
        for key, mask in expected.items():
            assert np.array_equal(read[key], mask)


def test_cvat_sdk_decodes_and_encodes_the_same_runs(scene: Tracks, export: Export) -> None:
    masks = tool("cvat_sdk.masks", "cvat-sdk")
    root = ElementTree.parse(export(scene, "cvat") / "clip.xml").getroot()
    for image in root.iter("image"):
        for element in image.iter("mask"):
            left, top, width, height = (int(element.attrib[key]) for key in ("left", "top", "width", "height"))
            runs = [int(run) for run in element.attrib["rle"].split(",")]
            points = [*runs, left, top, left + width - 1, top + height - 1]
            expected = scene[int(element.attrib["group_id"])].mask(int(image.attrib["id"]))
            decoded = masks.decode_mask(points, image_width=scene.width, image_height=scene.height)
            assert np.array_equal(decoded, expected)
            assert masks.encode_mask(expected) == points


def test_label_studio_sdk_accepts_the_tasks_and_decodes_the_masks(scene: Tracks, export: Export) -> None:
    interface = tool("label_studio_sdk.label_interface", "label-studio-sdk")
    brush = tool("label_studio_sdk.converter.brush", "label-studio-sdk")
    folder = export(scene, "labelstudio")
    labels = interface.LabelInterface((folder / "clip.config.xml").read_text(encoding="utf-8"))
    labels.validate()
    for frame, task in enumerate(json.loads((folder / "clip.json").read_text(encoding="utf-8"))):
        assert labels.validate_task({"data": task["data"]})
        for prediction in task["predictions"]:
            assert labels.validate_prediction(prediction)
            for region in prediction["result"]:
                rle = region["value"]["rle"]
                read = brush.decode_rle(rle).reshape(scene.height, scene.width, 4)[..., 3]
                expected = scene[int(region["meta"]["text"][0].split()[1])].mask(frame)
                assert np.array_equal(read, expected * 255)
                # The SDK's own encoder adds a byte where the bits fill the last one.
                assert brush.encode_rle(np.repeat(expected.ravel() * np.uint8(255), 4))[: len(rle)] == rle


def test_ultralytics_accepts_the_labels(scene: Tracks, export: Export) -> None:
    utils = tool("ultralytics.data.utils", "ultralytics")
    names = [f"{index:05d}" for index in range(scene.num_frames)]
    folder = export(scene, "yolo", frame_names=names)
    write_frames(folder / "images" / "clip", scene)
    for frame, name in enumerate(names):
        picture, text = folder / "images" / "clip" / f"{name}.jpg", folder / "labels" / "clip" / f"{name}.txt"
        assert [str(text)] == utils.img2label_paths([str(picture)])
        arguments = (str(picture), str(text), "", False, 3, 0, 0, False)
        _, labels, shape, segments, _, lost, found, empty, corrupt, message = utils.verify_image_label(arguments)
        assert (lost, found, empty, corrupt, message) == (0, 1, 0, 0, "")
        shown = [track for track in scene if track.mask(frame).any()]
        assert labels[:, 0].tolist() == [[0, 1, 2][[2, 7, 9].index(track.id)] for track in shown]
        for segment, track in zip(segments, shown, strict=True):
            corners = segment * (scene.width, scene.height)
            assert np.allclose(corners, np.round(corners), atol=1e-3)
            code = coco.frPyObjects([np.round(corners).ravel().tolist()], *shape)
            assert np.array_equal(coco.decode(code)[..., 0].astype(bool), track.mask(frame))
