"""Predictions that do not fit: one line that names the file, and no table of a part."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import benchmark_data
from singleout.errors import InputError
from singleout.evaluation.evaluating import evaluate


@pytest.fixture
def davis(tmp_path: Path) -> Callable[..., str]:
    """Evaluates DAVIS-2017 after something was done to perfect predictions; gives the error."""
    data = benchmark_data.davis(tmp_path / "data")
    ids = benchmark_data.frames_and_ids()[1]

    def refused(spoil: Callable[[Path], object], where: str = "pred", name: str = "davis2017") -> str:
        for video in ("one", "two"):
            found = np.minimum(ids, 1) if name == "davis2016" else ids
            benchmark_data.write_ids(tmp_path / "pred" / video, benchmark_data.names_of(), found)
        spoil(tmp_path / "pred")
        with pytest.raises(InputError) as error:
            evaluate(name, data=data, predictions=tmp_path / where, out=tmp_path / "out")
        assert not (tmp_path / "out").exists(), "nothing is written for a part"
        assert "\n" not in str(error.value)
        assert str(tmp_path) in str(error.value), "the file is named"
        return str(error.value)

    return refused


def overwrite(name: str, picture: Image.Image) -> Callable[[Path], object]:
    return lambda folder: picture.save(folder / name)


def test_a_missing_frame(davis):
    said = davis(lambda folder: (folder / "two" / "00003.png").unlink())
    assert "two/00003.png is missing (1 of the 4 frames of two have no prediction)" in said


def test_frames_that_are_not_scored_may_be_missing(tmp_path):
    data = benchmark_data.davis(tmp_path / "data")
    for name in ("one", "two"):
        names, ids = benchmark_data.names_of()[1:-1], benchmark_data.frames_and_ids()[1][1:-1]
        benchmark_data.write_ids(tmp_path / "pred" / name, names, ids)
    assert evaluate("davis2017", data=data, predictions=tmp_path / "pred").table["J&F-Mean"] == 1


def test_a_missing_video(davis):
    def spoil(folder: Path) -> None:
        (folder / "two").rename(folder / "tow")

    assert "two is missing: 1 of the 2 videos" in davis(spoil)


@pytest.mark.parametrize("name", ["davis2017", "davis2017-unsupervised", "davis2016"])
def test_a_wrong_size(davis, name):
    said = davis(overwrite("one/00002.png", Image.new("L", (47, 32))), name=name)
    assert "one/00002.png is 47x32 but the truth of this frame is 48x32" in said


def test_a_video_that_the_split_does_not_have(davis):
    def spoil(folder: Path) -> None:
        shutil.copytree(folder / "two", folder / "three")

    assert "pred/three is of no video of the split: take it out" in davis(spoil)


def test_other_videos_beside_those_of_a_development_part(tmp_path):
    data = benchmark_data.davis(tmp_path / "data")
    (data / "ImageSets" / "2017" / "val_dev.txt").write_text("one\n")
    for name in ("one", "two"):
        benchmark_data.write_ids(
            tmp_path / "pred" / name, benchmark_data.names_of(), benchmark_data.frames_and_ids()[1]
        )
    found = evaluate("davis2017", data=data, predictions=tmp_path / "pred", split="val_dev")
    assert found.table["J&F-Mean"] == 1
    assert any("not looked at: two (1)" in note for note in found.notes)


@pytest.mark.parametrize("split", ["val", "val_dev"])
def test_results_of_other_videos_beside_those_of_a_development_part(tmp_path, split):
    data = benchmark_data.ytvis(tmp_path / "data", lvvis=True)
    (data / "val_dev_instances.json").write_bytes((data / "val_instances.json").read_bytes())
    (tmp_path / "results.json").write_text(json.dumps([track(), track(video_id=8)]))
    if split == "val_dev":
        found = evaluate("lv-vis", data=data, predictions=tmp_path / "results.json", split=split)
        assert found.about["results"] == 1
        return
    with pytest.raises(InputError, match=r"result 1: there is no video 8"):
        evaluate("lv-vis", data=data, predictions=tmp_path / "results.json")


def test_a_sentence_that_the_video_does_not_have(tmp_path):
    data = benchmark_data.ref_youtube_vos(tmp_path / "data")
    masks = np.where(benchmark_data.frames_and_ids()[1] == 1, 255, 0)
    for sentence in "0123":
        benchmark_data.write_ids(tmp_path / "Annotations" / "one" / sentence, benchmark_data.names_of(5), masks)
    with pytest.raises(InputError, match=r"one/3 is of no sentence of the split"):
        evaluate("ref-youtube-vos", data=data, predictions=tmp_path, split="train")


def test_colours_in_place_of_ids(davis):
    said = davis(overwrite("one/00002.png", Image.new("RGB", (48, 32))))
    assert "one/00002.png" in said
    assert "mode is RGB" in said


def test_a_jpeg_in_place_of_ids(davis):
    said = davis(lambda folder: Image.new("L", (48, 32)).save(folder / "one" / "00002.png", format="JPEG"))
    assert "one/00002.png is a JPEG" in said


def test_several_objects_where_there_is_one(davis):
    ids = benchmark_data.frames_and_ids()[1][1]
    said = davis(overwrite("one/00001.png", Image.fromarray(ids)), name="davis2016")
    assert "one/00001.png has the object id 2, but DAVIS 2016 has one object" in said


def test_a_picture_that_is_cut_off(davis):
    def spoil(folder: Path) -> None:
        path = folder / "one" / "00002.png"
        path.write_bytes(path.read_bytes()[:60])

    assert "one/00002.png cannot be read" in davis(spoil)


def test_ids_beyond_the_truth(davis):
    said = davis(overwrite("two/00001.png", Image.fromarray(np.full((32, 48), 3, np.uint8))))
    assert "two/00001.png has the object id 3, but only 2 objects are in the truth" in said


def test_too_many_proposals(davis):
    picture = Image.fromarray(np.full((32, 48), 21, np.uint8))
    said = davis(overwrite("two/00001.png", picture), name="davis2017-unsupervised")
    assert "two/00001.png has the object id 21, but only 20 proposals are taken" in said


def test_a_folder_one_level_too_deep(davis, tmp_path):
    def spoil(folder: Path) -> None:
        (tmp_path / "outer").mkdir()
        folder.rename(tmp_path / "outer" / "results")

    assert f"{tmp_path / 'outer' / 'results'} holds the videos, one folder deeper" in davis(spoil, "outer")


def test_a_zip_that_is_cut_off(davis, tmp_path):
    def spoil(folder: Path) -> None:
        archive = tmp_path / "results.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            for path in folder.rglob("*.png"):
                packed.write(path, path.relative_to(folder))
        content = bytearray(archive.read_bytes())
        content[60:200] = bytes(140)
        archive.write_bytes(content)

    assert f"{tmp_path / 'results.zip'} cannot be unpacked" in davis(spoil, "results.zip")


def test_an_error_inside_a_zip_names_the_zip(davis, tmp_path):
    def spoil(folder: Path) -> None:
        Image.new("RGB", (48, 32)).save(folder / "one" / "00002.png")
        with zipfile.ZipFile(tmp_path / "results.zip", "w") as packed:
            for path in folder.rglob("*.png"):
                packed.write(path, path.relative_to(folder))

    assert davis(spoil, "results.zip").startswith(f"{tmp_path / 'results.zip'}/one/00002.png")


def test_predictions_that_are_some_other_file(davis, tmp_path):
    (tmp_path / "notes.txt").write_text("perfect")
    assert "notes.txt is neither a folder nor a zip" in davis(lambda folder: None, "notes.txt")


def test_a_report_in_place_of_a_file(tmp_path):
    (tmp_path / "report").write_text("mine")
    with pytest.raises(InputError, match="report is a file: give a folder"):
        evaluate("davis2017", data=tmp_path, predictions=tmp_path, out=tmp_path / "report")
    assert (tmp_path / "report").read_text() == "mine"


def test_a_file_in_place_of_the_data_set(tmp_path):
    (tmp_path / "davis.zip").write_text("not unpacked")
    with pytest.raises(InputError, match=r"davis.zip is a file where a folder is due"):
        evaluate("davis2017", data=tmp_path / "davis.zip", predictions=tmp_path)


def test_no_predictions_at_all(davis, tmp_path):
    assert "there is no such file or folder" in davis(lambda folder: None, "nowhere")


def test_truth_that_is_not_public(tmp_path):
    data = benchmark_data.davis(tmp_path / "data")
    (data / "ImageSets" / "2017" / "test-dev.txt").write_text("one\n")
    with pytest.raises(InputError, match="the truth of one is not public"):
        evaluate("davis2017", data=data, predictions=data, split="test-dev")


def test_a_mask_of_a_sentence_with_ids(tmp_path):
    data = benchmark_data.ref_youtube_vos(tmp_path / "data")
    ids = benchmark_data.frames_and_ids()[1]
    for sentence in "012":
        benchmark_data.write_ids(tmp_path / "Annotations" / "one" / sentence, benchmark_data.names_of(5), ids)
    with pytest.raises(InputError, match=r"one/0/00000.png holds the value 2"):
        evaluate("ref-youtube-vos", data=data, predictions=tmp_path, split="train")


def test_sentences_without_truth(tmp_path):
    data = benchmark_data.ref_youtube_vos(tmp_path / "data", "valid")
    with pytest.raises(InputError, match="give --truth"):
        evaluate("ref-youtube-vos", data=data, predictions=tmp_path)


def test_truth_of_sentences_from_elsewhere(tmp_path):
    data = benchmark_data.ref_youtube_vos(tmp_path / "data", "valid")
    ids = benchmark_data.frames_and_ids()[1]
    for sentence, number in (("0", 1), ("1", 2), ("2", 1)):
        masks = np.where(ids == number, 255, 0)
        benchmark_data.write_ids(tmp_path / "truth" / "one" / sentence, benchmark_data.names_of(5), masks)
    found = evaluate("ref-youtube-vos", data=data, predictions=tmp_path / "truth", truth=tmp_path / "truth")
    assert found.table == {"J&F": 1, "J": 1, "F": 1}


def test_an_unknown_id_of_youtube_vos(tmp_path):
    data = benchmark_data.youtube_vos(tmp_path / "data")
    wrong = np.full((6, 32, 48), 9, np.uint8)
    benchmark_data.write_ids(tmp_path / "Annotations" / "one", benchmark_data.names_of(5), wrong)
    with pytest.raises(InputError, match=r"one/00005.png has the object id 9, which the video does not have"):
        evaluate("youtube-vos-2018", data=data, predictions=tmp_path, split="train")


@pytest.fixture
def tracks(tmp_path: Path) -> Callable[[Any], str]:
    """Evaluates YouTube-VIS with this as results.json; gives the error."""
    data = benchmark_data.ytvis(tmp_path / "data")

    def refused(results: Any) -> str:
        text = results if isinstance(results, str) else json.dumps(results)
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(InputError) as error:
            evaluate("ytvis-2021", data=data, predictions=tmp_path / "results.json", out=tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert str(error.value).startswith(str(tmp_path / "results.json"))
        return str(error.value)

    return refused


def track(**changes: Any) -> dict[str, Any]:
    mask = benchmark_data.rle(benchmark_data.frames_and_ids()[1][0] == 1)
    return {"video_id": 7, "category_id": 1, "score": 0.5, "segmentations": [mask] * 6, **changes}


def test_results_that_are_whole(tmp_path):
    data = benchmark_data.ytvis(tmp_path / "data")
    (tmp_path / "results.json").write_text(json.dumps([track()]))
    assert evaluate("ytvis-2021", data=data, predictions=tmp_path / "results.json").table["AP"] >= 0


def test_truncated_json(tracks):
    assert "not a whole JSON file" in tracks(json.dumps([track()])[:-40])


def test_a_score_that_is_no_number(tracks):
    assert "result 1" in tracks([track(), track(score=float("nan"))])


def test_an_unknown_video(tracks):
    assert "there is no video 8" in tracks([track(video_id=8)])


def test_an_unknown_category(tracks):
    assert "category 5" in tracks([track(category_id=5)])


def test_too_few_frames(tracks):
    assert "6 frames of video 7" in tracks([track(segmentations=[None] * 5)])


def test_a_mask_of_another_size(tracks):
    mask = benchmark_data.rle(np.ones((31, 48), np.bool_))
    assert "48x31" in tracks([track(segmentations=[mask] * 6)])


def test_a_mask_whose_code_is_cut_off(tracks):
    mask = benchmark_data.rle(benchmark_data.frames_and_ids()[1][0] == 1)
    said = tracks([track(segmentations=[{**mask, "counts": mask["counts"][:-3]}] * 6)])
    assert "video 7: a run-length code does not describe a picture of 48x32" in said


def test_a_true_mask_whose_code_is_cut_off(tmp_path):
    data = benchmark_data.ytvis(tmp_path / "data")
    content = json.loads((data / "valid.json").read_text())
    mask = content["annotations"][0]["segmentations"][0]
    mask["counts"] = mask["counts"][:-3]
    (data / "valid.json").write_text(json.dumps(content))
    (tmp_path / "results.json").write_text(json.dumps([track()]))
    with pytest.raises(InputError, match=r"valid\.json: video 7: a run-length code"):
        evaluate("ytvis-2021", data=data, predictions=tmp_path / "results.json")


def test_an_empty_list(tracks):
    assert "empty list" in tracks([])


def test_results_that_lie_too_deep(tmp_path):
    data = benchmark_data.ytvis(tmp_path / "data")
    (tmp_path / "pred" / "inference").mkdir(parents=True)
    (tmp_path / "pred" / "inference" / "results.json").write_text(json.dumps([track()]))
    with pytest.raises(InputError, match="one folder deeper than expected"):
        evaluate("ytvis-2021", data=data, predictions=tmp_path / "pred")


def test_truth_without_annotations(tmp_path):
    data = benchmark_data.ytvis(tmp_path / "data")
    content = json.loads((data / "valid.json").read_text())
    (data / "valid.json").write_text(json.dumps({**content, "annotations": None}))
    with pytest.raises(InputError, match="its truth is not public"):
        evaluate("ytvis-2021", data=data, predictions=tmp_path)


def panoptic(tmp_path: Path) -> tuple[Path, Path]:
    """VIPSeg, and perfect predictions for it."""
    data, predictions = benchmark_data.vipseg(tmp_path / "data"), tmp_path / "pred"
    shutil.copytree(data / "panomasksRGB", predictions / "pan_pred")
    shutil.copy(data / "panoptic_gt_VIPSeg_val.json", predictions / "pred.json")
    return data, predictions


def test_panoptic_results_that_are_whole(tmp_path):
    data, predictions = panoptic(tmp_path)
    assert evaluate("vipseg", data=data, predictions=predictions).table["VPQ1"] == 100


def test_an_unknown_panoptic_video(tmp_path):
    data, predictions = panoptic(tmp_path)
    content = json.loads((predictions / "pred.json").read_text())
    content["annotations"][0]["video_id"] = "other"
    (predictions / "pred.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"pred.json has the video 'other'"):
        evaluate("vipseg", data=data, predictions=predictions)


def test_a_panoptic_video_that_is_listed_twice(tmp_path):
    data, predictions = panoptic(tmp_path)
    content = json.loads((predictions / "pred.json").read_text())
    content["annotations"].append(content["annotations"][0])
    (predictions / "pred.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"pred.json: video one is listed twice"):
        evaluate("vipseg", data=data, predictions=predictions)


def test_a_missing_panoptic_frame(tmp_path):
    data, predictions = panoptic(tmp_path)
    content = json.loads((predictions / "pred.json").read_text())
    content["annotations"][0]["annotations"].pop(2)
    (predictions / "pred.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"pred.json: frame 00002 of video one is missing"):
        evaluate("vipseg", data=data, predictions=predictions)


def test_panoptic_pictures_without_colours(tmp_path):
    data, predictions = panoptic(tmp_path)
    Image.new("L", (48, 32)).save(predictions / "pan_pred" / "one" / "00001.png")
    with pytest.raises(InputError, match=r"one/00001.png: expected an RGB PNG"):
        evaluate("vipseg", data=data, predictions=predictions)


def test_a_class_beyond_those_of_vspw(tmp_path):
    data = benchmark_data.vspw(tmp_path / "data")
    benchmark_data.write_ids(tmp_path / "pred" / "one", benchmark_data.names_of(), np.full((6, 32, 48), 124))
    with pytest.raises(InputError, match=r"one/00000.png has the class 124, but classes are 0 to 123"):
        evaluate("vspw", data=data, predictions=tmp_path / "pred")


def test_a_class_beyond_those_of_pictures(tmp_path):
    data = benchmark_data.ade(tmp_path / "data")
    benchmark_data.write_ids(tmp_path / "pred", ["ADE_0", "ADE_1"], np.full((2, 32, 48), 150))
    with pytest.raises(InputError, match=r"ADE_0.png has the class 150, but classes are 0 to 149"):
        evaluate("ade20k-150", data=data, predictions=tmp_path / "pred")


def test_a_missing_picture_of_classes(tmp_path):
    data = benchmark_data.ade(tmp_path / "data")
    benchmark_data.write_ids(tmp_path / "pred", ["ADE_0"], np.zeros((1, 32, 48)))
    with pytest.raises(InputError, match=r"ADE_1.png is missing"):
        evaluate("ade20k-150", data=data, predictions=tmp_path / "pred")


def test_a_category_that_images_do_not_have(tmp_path):
    data = benchmark_data.images(tmp_path / "data")
    mask = benchmark_data.rle(np.ones((32, 48), np.bool_))
    entry = {"image_id": 1, "category_id": 77, "score": 1.0, "segmentation": mask}
    (tmp_path / "results.json").write_text(json.dumps([entry]))
    with pytest.raises(InputError, match=r"results.json: result 0: category 77 is not in"):
        evaluate("coco", data=data, predictions=tmp_path / "results.json")


def test_a_sentence_without_a_result(tmp_path):
    data = benchmark_data.refcoco(tmp_path / "data")
    mask = benchmark_data.rle(np.ones((32, 48), np.bool_))
    entry = {"image_id": 1, "category_id": 1, "score": 1.0, "segmentation": mask, "bbox": [0, 0, 48, 32]}
    (tmp_path / "results.json").write_text(json.dumps([entry]))
    with pytest.raises(InputError, match=r"results.json has no result for sentence 2"):
        evaluate("refcoco", data=data, predictions=tmp_path / "results.json")


def test_an_annotator_is_missing(tmp_path):
    data = benchmark_data.ref_davis(tmp_path / "data")
    (tmp_path / "pred" / "anno_0").mkdir(parents=True)
    with pytest.raises(InputError, match=r"anno_1 is missing"):
        evaluate("ref-davis", data=data, predictions=tmp_path / "pred")
