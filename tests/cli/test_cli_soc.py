"""`singleout segment` and `singleout run` of SOC: its own settings on every benchmark of sentences."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict

import numpy as np
import pytest
import tiny_soc
from PIL import Image

import benchmark_data
from singleout.exports.rle import from_json
from singleout.media import Video
from singleout.prompts import Phrase
from singleout.tracks import codes

MODEL = ("--model", "tiny_soc:load")
SMALL = ("--option", "size=64", "--option", "longest=96")


def run_and_score(singleout, name, data, out, *options):
    """What `run` and then `eval` say of one benchmark."""
    made = singleout("run", name, *MODEL, "--data", data, "--out", out, "--json", *options)
    assert made.code == 0, made.err
    asked = [word for word in options if word in {"--split", "train"}]
    predictions = made.json["submission"] or out
    scored = singleout("eval", name, "--data", data, "--predictions", predictions, "--json", *asked)
    assert scored.code == 0, scored.err
    return made.json, scored.json


def scores_of(out):
    """Scores and masks of each sample."""
    found = defaultdict(list)
    for each in json.loads((out / "predictions" / "results.json").read_text()):
        code = from_json(each["segmentation"], benchmark_data.HEIGHT, benchmark_data.WIDTH, "here")
        found[each["image_id"]].append((each["score"], codes.decode(code, benchmark_data.HEIGHT, benchmark_data.WIDTH)))
    return found


def agree(found, wanted):
    scores, masks = zip(*found, strict=True)
    np.testing.assert_allclose(scores, wanted.scores, rtol=1e-4)
    assert np.mean(np.stack(masks) == wanted.masks.numpy()) > 0.999


def test_a_sentence_finds_its_object_in_a_folder_of_frames(singleout, tmp_path):
    video = benchmark_data.ref_youtube_vos(tmp_path / "data") / "train" / "JPEGImages" / "one"
    done = singleout("segment", video, "--say", "blue one", *MODEL, *SMALL, "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert list((tmp_path / "out").rglob("tracks.json"))


def test_ref_youtube_vos_is_answered_whole_videos_at_once(singleout, tmp_path):
    data = benchmark_data.ref_youtube_vos(tmp_path / "data")
    made, scored = run_and_score(singleout, "ref-youtube-vos", data, tmp_path / "out", "--split", "train", *SMALL)
    assert 0 <= scored["table"]["J&F"] <= 1
    video = data / "train" / "JPEGImages" / "one"
    wanted = tiny_soc.load().segment(video, Phrase("blue one"), mode="whole", size=64, longest=96)
    with zipfile.ZipFile(made["submission"]) as packed:
        for place, name in enumerate(benchmark_data.names_of(5)):
            with packed.open(f"Annotations/one/1/{name}.png") as file, Image.open(file) as picture:
                found = np.array(picture)
            assert set(np.unique(found)) <= {0, 255}
            assert np.mean((found > 0) == (wanted.id_map(place) > 0)) > 0.999


def test_ref_davis_is_answered_in_clips_whose_objects_compete(singleout, tmp_path):
    data, out = benchmark_data.ref_davis(tmp_path / "data"), tmp_path / "out"
    _, scored = run_and_score(singleout, "ref-davis", data, out, "--option", "window=3", *SMALL)
    assert scored["table"]
    phrases = [Phrase("the red square", object_id=1), Phrase("the blue square", object_id=2)]
    settings = {"mode": "clips", "window": 3, "exclusive": True, "size": 64, "longest": 96}
    wanted = tiny_soc.load().segment(data / "valid" / "JPEGImages" / "one", phrases, **settings)
    for place, name in enumerate(benchmark_data.names_of()):
        with Image.open(out / "predictions" / "anno_1" / "one" / f"{name}.png") as picture:
            assert np.mean(np.array(picture) == wanted.id_map(place)) > 0.99


@pytest.mark.parametrize("name", ["a2d-sentences", "jhmdb-sentences"])
def test_a_frame_is_seen_in_the_middle_of_eight(singleout, tmp_path, name):
    draw = benchmark_data.a2d if name == "a2d-sentences" else benchmark_data.jhmdb
    data, out = draw(tmp_path / "data"), tmp_path / "out"
    # The published sizes would take long here; the length of the clip stays.
    run_and_score(singleout, name, data, out, *SMALL)
    found, system = scores_of(out), tiny_soc.load()
    if name == "a2d-sentences":
        with Video(data / "Release" / "clips320H" / "one.mp4") as video:
            frames = list(video.frames())
        sentence, sample, places = "a red square", "v_one_f_1_i_0", (0, 0, 0, 0, 0, 1, 2, 3)
    else:
        folder = data / "Rename_Images" / "wave" / "one"
        frames = [np.array(Image.open(folder / f"{number:05d}.png")) for number in (1, 2, 3, 4)]
        sentence, sample, places = "red square", "v_one_f_2", (0, 0, 0, 0, 1, 2, 3, 3)
    clip = [frames[place] for place in places]
    (wanted,) = system.candidates(clip, system.tokens([sentence]), 4, short=64, longest=96)
    agree(found[sample], wanted)


def test_refcoco_counts_all_queries_of_a_picture(singleout, tmp_path):
    data, out = benchmark_data.refcoco(tmp_path / "data"), tmp_path / "out"
    run_and_score(singleout, "refcoco", data, out, *SMALL)
    with Video(data / "train2014" / "picture.jpg") as video:
        picture = list(video.frames())
    system = tiny_soc.load()
    (wanted,) = system.candidates(picture, system.tokens(["red square"]), short=64, longest=96)
    agree(scores_of(out)[1], wanted)
