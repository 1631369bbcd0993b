"""OVSeg as a Segmenter and on the command line, with a tiny network of random weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.ovseg.tiny import tiny_segmenter

from singleout.cli.main import main
from singleout.errors import InputError
from singleout.systems.ovseg.pictures import ask_clip, look

NAMES = ["cat", "a road", "sky", "dog"]


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return tiny_segmenter(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (1, 50, 70, 3), dtype=np.uint8)


def codes(tracks):
    return [(one, tracks.frame(frame).codes) for frame in range(tracks.num_frames) for one in tracks.ids]


@pytest.mark.parametrize("options", [{}, {"rule": "ensemble"}, {"rule": "ensemble", "mask_prompts": False}])
def test_the_number_of_regions_that_go_together_changes_nothing(segmenter, picture, options):
    found = [segmenter.segment(picture, NAMES, regions_at_once=count, **options) for count in (1, 4, 100)]
    assert found[0].ids
    for other in found[1:]:
        assert other.ids == found[0].ids
        for one, two in zip(codes(found[0]), codes(other), strict=True):
            assert one == two


def test_logits_of_regions_do_not_depend_on_the_batch(segmenter, picture):
    from singleout.systems.ovseg.options import Options

    with torch.inference_mode():
        rows = segmenter.rows(NAMES)
        seen = look(segmenter.network, picture[0], 64, 128)
        logits = []
        for count in (1, 3, 100):
            rules = Options(rule="ensemble", regions_at_once=count).rules(segmenter.network.config)
            regions, found = ask_clip(segmenter.network.clip.images, seen.picture, seen.shares, rows, rules)
            assert len(regions) == len(found) > 1
            logits.append(found)
    for other in logits[1:]:
        torch.testing.assert_close(other, logits[0], rtol=0, atol=1e-3)


def test_the_ensemble_leaves_no_pixel_without_a_class(segmenter, picture):
    tracks = segmenter.segment(picture, NAMES, rule="ensemble", task="semantic")
    covered = tracks.id_map(0) > 0
    assert covered.all()
    assert all(not tracks.objects[one].thing for one in tracks.ids)
    assert {tracks.objects[one].label for one in tracks.ids} <= set(NAMES)


def test_a_single_name_stands_against_others_which_are_not_drawn(segmenter, picture):
    tracks = segmenter.segment(picture, ["cat"])
    assert set(tracks.ids) <= {1}
    assert [answer.prompt for answer in tracks.answers] == ["cat"]


def test_no_proposal_kept_says_what_to_lower(segmenter, picture):
    tracks = segmenter.segment(picture, NAMES, mask_threshold=1.0)
    assert not tracks.ids
    assert "lower it (--option mask_threshold=" in tracks.answers[0].message
    # The proposals' own opinion remains where both have a say.
    assert segmenter.segment(picture, NAMES, mask_threshold=1.0, rule="ensemble").ids


def test_frames_are_seen_one_by_one(segmenter, picture):
    other = 255 - picture
    both = segmenter.segment(np.concatenate([picture, other]), NAMES)
    assert np.array_equal(both.id_map(1), segmenter.segment(other, NAMES).id_map(0))


def test_a_picture_of_one_pixel(segmenter):
    tracks = segmenter.segment(np.full((1, 1, 1, 3), 90, np.uint8), NAMES, rule="ensemble")
    assert (tracks.id_map(0) > 0).all()


def test_published_settings_are_those_of_each_data_set(segmenter):
    assert segmenter.published("voc-20") == {"rule": "ensemble", "weight": 0.45}
    assert segmenter.published("pascal-context-459")["weight"] == 0.6
    assert segmenter.published("ade20k-847")["weight"] == 0.7
    assert segmenter.published("davis16") == {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": "best"}, "expected demo or ensemble"),
        ({"weight": 1.5, "rule": "ensemble"}, "expected a number from 0 to 1"),
        ({"weight": 0.5}, "rule demo goes by CLIP alone"),
        ({"regions_at_once": 0}, "expected a whole number from 1 on"),
        ({"fill": "white"}, "expected mean or zero"),
        ({"expand": 0}, "expected a number above 0"),
        ({"mask_prompts": "yes"}, "expected true or false"),
        ({"colour": 1}, "has no option 'colour'"),
        ({"task": "panoptic"}, "does not do the task panoptic"),
    ],
)
def test_wrong_options_are_refused(segmenter, picture, options, words):
    with pytest.raises(InputError, match=words):
        segmenter.segment(picture, NAMES, **options)


@pytest.mark.parametrize("names", [["   "], ["cat", " "], [], ["..."]])
def test_names_without_words_are_refused(segmenter, picture, names):
    with pytest.raises(InputError):
        segmenter.segment(picture, names)


def test_without_a_tokenizer_it_says_how_to_get_one(picture):
    with pytest.raises(InputError, match="tokenizer-only"):
        tiny_segmenter(None).segment(picture, NAMES)


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "1", "I;16"])
def test_pictures_of_every_kind_go_through_the_command(mode, segmenter, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tests.ovseg.tiny.READY", segmenter, raising=False)
    pixels = np.random.default_rng(1).integers(0, 255, (40, 30), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture = Image.fromarray(pixels.astype(np.uint16) * 256) if mode == "I;16" else picture.convert(mode)
    file = tmp_path / "photo.png"
    picture.save(file)
    command = ["segment", str(file), "--names", "cat,a road", "--model", "tests.ovseg.tiny:READY", "--task", "semantic"]
    assert main([*command, "--option", "rule=ensemble", "--out", str(tmp_path / "out"), "--json", "--quiet"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["status"] == "finished"
    assert (tmp_path / "out" / "tracks.json").is_file()


def test_names_of_spaces_are_refused_by_the_command(tmp_path, capsys):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    command = ["segment", str(tmp_path / "photo.png"), "--names", "  ", "--model", "tests.ovseg.tiny:READY"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "name" in error and not (tmp_path / "out").exists()
