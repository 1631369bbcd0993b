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
from singleout.systems.ovseg.inference import OVSeg
from singleout.systems.ovseg.options import Options
from singleout.systems.ovseg.pictures import ask_clip, look
from singleout.systems.ovseg.search import Grid, best, label_maps
from singleout.vocabularies.categories import categories

NAMES = ["cat", "a road", "sky", "dog"]


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return tiny_segmenter(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (1, 50, 70, 3), dtype=np.uint8)


class InMemory(dict):
    def put(self, name, vector):
        self[name] = vector


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


def test_bfloat16_says_nearly_the_same(segmenter, picture):
    with torch.inference_mode():
        rows, seen = segmenter.rows(NAMES), look(segmenter.network, picture[0], 64, 128)
        found = []
        for precision in ("float32", "bfloat16", "float32"):
            rules = Options(rule="ensemble", precision=precision).rules(segmenter.network.config)
            found.append(ask_clip(segmenter.network.clip.images, seen.picture, seen.shares, rows, rules)[1])
    assert 0 < (found[1] - found[0]).abs().max() < 3, "of 100 times a cosine"
    assert torch.equal(found[2], found[0])


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
        ({"precision": "half"}, "expected float32 or bfloat16"),
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


def test_a_benchmark_runs_with_the_published_settings(segmenter, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tests.ovseg.tiny.READY", segmenter, raising=False)
    root, draws = tmp_path / "data" / "VOCdevkit" / "VOC2012", np.random.default_rng(2)
    images, truth = root / "images_detectron2" / "val", root / "annotations_detectron2" / "val"
    for folder in (images, truth):
        folder.mkdir(parents=True)
    pictures = {}
    for name in ("one", "two"):
        Image.fromarray(draws.integers(0, 256, (24, 36, 3), dtype=np.uint8)).save(images / f"{name}.jpg")
        Image.fromarray(draws.integers(0, 20, (24, 36), dtype=np.uint8)).save(truth / f"{name}.png")
        pictures[name] = np.array(Image.open(images / f"{name}.jpg").convert("RGB"))
    out = tmp_path / "out"
    command = ["run", "voc-20", "--model", "tests.ovseg.tiny:READY", "--data", str(tmp_path / "data")]
    assert main([*command, "--out", str(out), "--quiet"]) == 0, capsys.readouterr().err
    names = [each.name.strip() for each in categories("pascal_voc_20")]
    for name, picture in pictures.items():
        (found,) = [file for file in out.rglob(f"{name}.png") if "look" not in str(file)]
        ours = segmenter.segment(picture[None], names, rule="ensemble", weight=0.45).id_map(0) - 1
        assert np.array_equal(np.array(Image.open(found)), ours)


def test_masks_are_named_one_by_one(segmenter, picture):
    masks = np.zeros((3, 50, 70), np.bool_)
    masks[0, :20, :30], masks[2, 30:, 40:] = True, True
    found = segmenter.name_masks(picture[0], masks, NAMES)
    assert found.shape == (3, len(NAMES)) and not found[1].any()
    np.testing.assert_allclose(found[[0, 2]].sum(1), 1, rtol=1e-5)
    alone = segmenter.name_masks(picture[0], masks[2:], NAMES)
    np.testing.assert_allclose(alone[0], found[2], atol=1e-5)


def test_the_search_gives_what_single_runs_give(segmenter, picture):
    grid = Grid(thresholds=(0.3, 0.5), weights=(0.2, 0.7))
    rules = Options(rule="ensemble").rules(segmenter.network.config)
    rows = segmenter.rows(NAMES)
    found = dict(label_maps(segmenter.network, picture[0], rows, rules, grid))
    assert list(found) == grid.pairs()
    for (threshold, weight), labels in found.items():
        options = {"rule": "ensemble", "mask_threshold": threshold, "weight": weight}
        tracks = segmenter.segment(picture, NAMES, **options)
        assert np.array_equal(tracks.id_map(0) - 1, labels.numpy())
    assert best([((0.3, 0.2), 5.0), ((0.5, 0.7), 7.0), ((0.5, 0.2), 7.0)]) == (0.5, 0.7)


def test_vectors_of_names_are_kept(segmenter):
    kept = InMemory()
    for _ in range(2):
        system = OVSeg(segmenter.network, name="ovseg/tiny", tokenizer=segmenter._folder, kept=kept)
        rows = system.rows(["cat", "dog"])
        torch.testing.assert_close(rows, segmenter.rows(["cat", "dog"]))
        torch.testing.assert_close(rows[:2], torch.stack([kept["cat"], kept["dog"]]))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
