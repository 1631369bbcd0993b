"""`singleout run` of MUTR: its own settings, and the layouts that its benchmarks are handed in with."""

from __future__ import annotations

import zipfile

import numpy as np
import tiny_mutr
from PIL import Image

import benchmark_data
from singleout.prompts import Phrase

MODEL = ("--model", "tiny_mutr:load", "--option", "size=64")


def test_ref_youtube_vos_becomes_the_archive_that_the_server_takes(singleout, tmp_path):
    data = benchmark_data.ref_youtube_vos(tmp_path / "data")
    asked = ("ref-youtube-vos", "--split", "train", "--data", data)
    made = singleout("run", *asked, *MODEL, "--out", tmp_path / "out", "--json")
    assert made.code == 0, made.err
    video = data / "train" / "JPEGImages" / "one"
    wanted = tiny_mutr.load().segment(video, Phrase("blue one"), mode="whole", size=64)
    with zipfile.ZipFile(made.json["submission"]) as packed:
        assert {name.split("/")[0] for name in packed.namelist()} == {"Annotations"}
        for place, name in enumerate(benchmark_data.names_of(5)):
            with packed.open(f"Annotations/one/1/{name}.png") as file, Image.open(file) as picture:
                found = np.array(picture)
            assert set(np.unique(found)) <= {0, 255}
            assert np.mean((found > 0) == (wanted.id_map(place) > 0)) > 0.999
    scored = singleout("eval", *asked, "--predictions", tmp_path / "out", "--json")
    assert scored.code == 0, scored.err
    assert 0 <= scored.json["table"]["J&F"] <= 1


def test_ref_davis_is_answered_in_clips_whose_objects_compete(singleout, tmp_path):
    data, out = benchmark_data.ref_davis(tmp_path / "data"), tmp_path / "out"
    made = singleout("run", "ref-davis", *MODEL, "--option", "window=3", "--data", data, "--out", out, "--json")
    assert made.code == 0, made.err
    phrases = [Phrase("the red square", object_id=1), Phrase("the blue square", object_id=2)]
    video = data / "valid" / "JPEGImages" / "one"
    wanted = tiny_mutr.load().segment(video, phrases, mode="clips", window=3, exclusive=True, size=64)
    for place, name in enumerate(benchmark_data.names_of()):
        with Image.open(out / "predictions" / "anno_2" / "one" / f"{name}.png") as picture:
            assert picture.mode == "P"
            assert np.mean(np.array(picture) == wanted.id_map(place)) > 0.99
    # The folders may also have the names that MUTR's own script gives them.
    predictions = out / "predictions"
    before = singleout("eval", "ref-davis", "--data", data, "--predictions", predictions, "--json").json["table"]
    theirs = ("Davis17_annot1", "Davis17_annot1_full_video", "Davis17_annot2", "Davis17_annot2_full_video")
    for number, name in enumerate(theirs):
        (predictions / f"anno_{number}").rename(predictions / name)
    after = singleout("eval", "ref-davis", "--data", data, "--predictions", predictions, "--json").json["table"]
    assert after == before
