"""`singleout run` of ReferFormer on every benchmark of sentences, from a data set on disk to the official table."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict

import numpy as np
import pytest
import tiny_referformer
from PIL import Image

import benchmark_data
from singleout.exports.rle import from_json
from singleout.media import Video
from singleout.tracks import codes

MODEL = ("--model", "tiny_referformer:load", "--option", "size=64")
QUERIES = 5


def run_and_score(singleout, name, data, out, *options):
    """What `run` and then `eval` say of one benchmark; `eval` is given the archive where there is one."""
    made = singleout("run", name, *MODEL, "--data", data, "--out", out, "--json", *options)
    assert made.code == 0, made.err
    predictions = made.json["submission"] or out
    scored = singleout("eval", name, "--data", data, "--predictions", predictions, "--json", *options)
    assert scored.code == 0, scored.err
    return made.json, scored.json


def by_sample(out):
    """The results of each sample: score, mask and box."""
    found = defaultdict(list)
    for each in json.loads((out / "predictions" / "results.json").read_text()):
        code = from_json(each["segmentation"], benchmark_data.HEIGHT, benchmark_data.WIDTH, "here")
        mask = codes.decode(code, benchmark_data.HEIGHT, benchmark_data.WIDTH)
        found[each["image_id"]].append((each["score"], mask, each["bbox"]))
    return found


def agree(found, clip, keep, sentence):
    """All five queries of the clip itself are there, best first."""
    system = tiny_referformer.load()
    (wanted,) = system.candidates(clip, system.tokens([sentence]), keep, short=64)
    assert len(found) == QUERIES
    scores, masks, boxes = zip(*found, strict=True)
    np.testing.assert_allclose(scores, wanted.scores, rtol=1e-4)
    assert np.mean(np.stack(masks) == wanted.masks.numpy()) > 0.999
    boxes = np.array(boxes)
    boxes[:, 2:] += boxes[:, :2]
    np.testing.assert_allclose(boxes, wanted.boxes, atol=1e-2)


def test_a2d_counts_all_queries_of_a_clip_around_the_annotated_frame(singleout, tmp_path):
    data, out = benchmark_data.a2d(tmp_path / "data"), tmp_path / "out"
    _, scored = run_and_score(singleout, "a2d-sentences", data, out)
    assert {"mAP 0.5:0.95", "P@0.5", "overall_iou"} <= scored["table"].keys()
    found = by_sample(out)
    assert found.keys() == {"v_one_f_1_i_0", "v_one_f_1_i_1", "v_one_f_4_i_0"}
    with Video(data / "Release" / "clips320H" / "one.mp4") as video:
        frames = list(video.frames())
    # Before the first frame it stands in for those that are not there.
    first = [frames[place] for place in (0, 0, 0, 1, 2)]
    agree(found["v_one_f_1_i_0"], first, 0, "a red square")
    agree(found["v_one_f_1_i_1"], first, 0, "the blue one")
    agree(found["v_one_f_4_i_0"], frames[1:6], 2, "a red square")


def test_a_model_of_longer_clips_is_a_setting(singleout, tmp_path):
    data, out = benchmark_data.a2d(tmp_path / "data"), tmp_path / "out"
    made = singleout("run", "a2d-sentences", *MODEL, "--option", "window=6", "--data", data, "--out", out, "--json")
    assert made.code == 0, made.err
    with Video(data / "Release" / "clips320H" / "one.mp4") as video:
        frames = list(video.frames())
    agree(by_sample(out)["v_one_f_4_i_0"], frames[0:6], 3, "a red square")


def test_jhmdb_counts_all_queries_at_both_ends_of_a_video(singleout, tmp_path):
    data, out = benchmark_data.jhmdb(tmp_path / "data"), tmp_path / "out"
    run_and_score(singleout, "jhmdb-sentences", data, out)
    found = by_sample(out)
    folder = data / "Rename_Images" / "wave" / "one"
    frames = [np.array(Image.open(folder / f"{number:05d}.png")) for number in (1, 2, 3, 4)]
    agree(found["v_one_f_2"], [frames[place] for place in (0, 0, 1, 2, 3)], 2, "red square")
    agree(found["v_one_f_4"], [frames[place] for place in (1, 2, 3, 3, 3)], 2, "red square")


def test_refcoco_counts_all_queries_with_the_boxes_that_were_predicted(singleout, tmp_path):
    data, out = benchmark_data.refcoco(tmp_path / "data"), tmp_path / "out"
    run_and_score(singleout, "refcoco", data, out)
    with Video(data / "train2014" / "picture.jpg") as video:
        picture = list(video.frames())
    found = by_sample(out)
    agree(found[1], picture, 0, "red square")
    agree(found[2], picture, 0, "the blue one")


@pytest.mark.parametrize(
    ("name", "draw", "options"),
    [
        ("ref-youtube-vos", benchmark_data.ref_youtube_vos, ("--split", "train")),
        ("ref-davis", benchmark_data.ref_davis, ()),
    ],
)
def test_videos_of_sentences_become_an_archive_and_a_table(singleout, tmp_path, name, draw, options):
    made, scored = run_and_score(singleout, name, draw(tmp_path / "data"), tmp_path / "out", *options)
    assert scored["table"]
    if name == "ref-youtube-vos":
        with zipfile.ZipFile(made["submission"]) as packed:
            names = set(packed.namelist())
            assert {f"Annotations/one/{sentence}/00000.png" for sentence in "012"} <= names
            with packed.open("Annotations/one/0/00005.png") as file, Image.open(file) as picture:
                assert picture.mode == "L"
                assert set(np.unique(np.array(picture))) <= {0, 255}
    else:
        with Image.open(tmp_path / "out" / "predictions" / "anno_3" / "one" / "00005.png") as picture:
            assert picture.mode == "P"
            assert set(np.unique(np.array(picture))) <= {0, 1, 2}
