"""OV2Seg as a Segmenter: names, tables of names, pictures, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.ov2seg.tiny import NAMES, SMALL, TINY, tiny_network, tiny_system, write_table
from tests.text_towers import tiny_words

from singleout.errors import InputError
from singleout.prompts import Categories, Phrase
from singleout.systems.ov2seg.classifier import make_classifier
from singleout.systems.ov2seg.inference import OV2Seg
from singleout.systems.ov2seg.options import Options
from singleout.vocabularies import categories

CLIP = np.random.default_rng(3).integers(0, 255, (3, 40, 60, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def system():
    return tiny_system()


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "table.npy")


def test_names_are_read_by_a_text_tower(tmp_path):
    system = OV2Seg(tiny_network(), name="tiny", words=tiny_words(tmp_path))
    tracks = system.segment(CLIP, ["cat", "dog"], **SMALL)
    assert {track.info.label for track in tracks} <= {"cat", "dog"}
    assert not tracks.exclusive
    assert sum(len(answer.found) for answer in tracks.answers) == len(tracks)


def test_several_lists_of_names_are_asked_together(system, table):
    prompts = [Categories(["cat", "kite"]), Categories(["CAT", "dog"])]
    with pytest.raises(InputError, match="3 rows"):
        system.segment(CLIP, [Categories("cat,dog")], classifier=table, **SMALL)
    tracks = system.segment(CLIP, prompts, classifier=table, **SMALL)
    assert [answer.prompt for answer in tracks.answers] == ["cat", "kite", "CAT", "dog"]


def test_a_list_of_names_says_which_rows_are_meant(system, table, tmp_path):
    listing = tmp_path / "names.txt"
    listing.write_text("\n".join(NAMES))
    options = Options(classifier=table, classifier_names=listing)
    rows = system.classifier(["Kite", "cat"], options)
    whole = np.load(table)
    expected = torch.nn.functional.normalize(torch.from_numpy(whole[[2, 0]]), dim=-1)
    torch.testing.assert_close(rows, expected)
    with pytest.raises(InputError, match=r"no row for 'cow'"):
        system.classifier(["cow"], options)
    listing.write_text("cat\ndog\n")
    with pytest.raises(InputError, match=r"has 3 rows, but .* has 2 names"):
        system.classifier(["cat"], options)


def test_a_published_table_is_known_by_its_content(tmp_path, monkeypatch):
    from hashlib import sha256

    from singleout.systems.ov2seg import classifier

    names = [each.name for each in categories("ovis")]
    file = write_table(tmp_path / "any name.npy", len(names))
    digest = sha256(file.read_bytes()).hexdigest()[:16]
    monkeypatch.setitem(classifier._PUBLISHED, digest, ("ovis", len(names)))
    rows = make_classifier(["giant panda", "person"], TINY.text_width, words=None, file=file)
    expected = [names.index("Giant_panda"), names.index("Person")]
    np.testing.assert_array_equal(rows.numpy(), np.load(file)[expected])


def test_every_published_table_has_the_names_of_its_list():
    from singleout.systems.ov2seg import classifier

    for list_name, count in classifier._PUBLISHED.values():
        names = [classifier._plain(each.name) for each in categories(list_name)[:count]]
        assert len(set(names)) == count, list_name
    coco = categories("coco_panoptic")
    assert all(each.thing for each in coco[:80]) and not coco[80].thing


def test_nothing_above_the_threshold_says_what_to_lower(system, table):
    tracks = system.segment(CLIP, list(NAMES), classifier=table, short=64, threshold=1.0)
    assert len(tracks) == 0
    for answer in tracks.answers:
        assert "lower threshold" in answer.message
        assert 0 <= answer.best_score < 1


def test_thousands_of_names_get_one_answer(system, tmp_path):
    names = [f"name {number}" for number in range(500)]
    table = write_table(tmp_path / "many.npy", len(names))
    tracks = system.segment(CLIP, names, classifier=table, **{**SMALL, "threshold": 1.0})
    (answer,) = tracks.answers
    assert "any of 500 names" in answer.message


def test_a_picture_is_looked_at_as_the_authors_look_at_pictures():
    picture = Options.read("tiny", {}, picture=True)
    video = Options.read("tiny", {}, picture=False)
    assert (picture.short, picture.detections, picture.fine) == (800, 100, True)
    assert (video.short, video.detections, video.fine) == (480, 50, False)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_pictures_of_any_kind_and_of_one_pixel(system, table, tmp_path, mode):
    for size in ((1, 1), (50, 3)):
        file = tmp_path / f"{mode}{size[0]}.png"
        Image.new(mode, size).save(file)
        tracks = system.segment(file, list(NAMES), classifier=table, **SMALL)
        assert (tracks.width, tracks.height) == size


def test_fine_scores_are_those_of_masks_at_full_size(system, table):
    picture = CLIP[:1]
    (fine, coarse) = (
        system.segment(picture, list(NAMES), classifier=table, **SMALL, fine=fine) for fine in (True, False)
    )
    assert {track.info.label for track in fine} == {track.info.label for track in coarse}
    assert [track.info.score for track in fine] != [track.info.score for track in coarse]


@pytest.mark.parametrize("names", [["   "], [], ["cat", " "], "  "])
def test_names_without_a_word_are_refused(system, table, names):
    with pytest.raises(InputError):
        system.segment(CLIP, Categories(names) if isinstance(names, str) else names, classifier=table, **SMALL)


def test_other_prompts_are_refused(system):
    with pytest.raises(InputError, match="does not take a prompt by phrase; it takes: names"):
        system.segment(CLIP, Phrase("the cat"))
    with pytest.raises(InputError, match="no session"):
        system.session(["cat"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colour": 1}, "no option 'colour'"),
        ({"short": 0}, "from 1 on"),
        ({"threshold": 2}, "from 0 to 1"),
        ({"threshold": "high"}, "from 0 to 1"),
        ({"one_name": 1}, "true or false"),
        ({"classifier": 3}, "expected a file"),
        ({"classifier_names": "names.txt"}, "give the table"),
        ({"device": "toaster"}, "cannot be used here"),
    ],
)
def test_options_that_cannot_be_are_refused(system, table, options, said):
    given = {"classifier": table} | ({"classifier": None} if "classifier_names" in options else {}) | options
    with pytest.raises(InputError, match=said):
        list(system.stream(CLIP, list(NAMES), **given))


def test_tables_that_do_not_fit_are_refused(system, tmp_path):
    def refused(file, said):
        with pytest.raises(InputError, match=said):
            system.segment(CLIP, list(NAMES), classifier=file, **SMALL)

    refused(tmp_path / "missing.npy", "no such file")
    refused(write_table(tmp_path / "wide.npy", width=17), "rows of 17 numbers, where OV2Seg compares with 16")
    refused(write_table(tmp_path / "long.npy", 4), "4 rows for 3 names")
    (tmp_path / "text.npy").write_text("cat dog kite")
    refused(tmp_path / "text.npy", "cannot be read")
    np.save(tmp_path / "flat.npy", np.ones(16, np.float32))
    refused(tmp_path / "flat.npy", "one row of decimals")
    np.save(tmp_path / "nan.npy", np.full((3, 16), np.nan, np.float32))
    refused(tmp_path / "nan.npy", "no number in row 0")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused(tmp_path / "pickled.npy", "cannot be read")


def test_a_tower_of_another_width_is_refused(tmp_path):
    words = tiny_words(tmp_path)
    with pytest.raises(InputError, match="vectors of 16 numbers, where OV2Seg compares with rows of 512"):
        make_classifier(["cat"], 512, words=words)


def test_without_table_and_tower_it_says_what_to_give(system):
    with pytest.raises(InputError, match="singleout classifier make"):
        system.segment(CLIP, list(NAMES), **SMALL)
