"""OV2Seg in the catalogue of checkpoints: both sizes, its tables of names, and terms of use."""

from __future__ import annotations

import pytest
from tests.ov2seg.tiny import write_table

from singleout.errors import InputError
from singleout.systems.catalog import ReadsWords
from singleout.systems.ov2seg import SYSTEM
from singleout.zoo.catalogue import find_checkpoint
from singleout.zoo.fetching import put_in
from singleout.zoo.loading import open_weights

TABLES = {"lvis": 1203, "lvvis": 1196, "coco": 80, "ytvis19": 40, "ytvis21": 40, "ovis": 25}


@pytest.mark.parametrize("variant", SYSTEM.variants())
def test_each_size_is_listed_with_its_figures(variant):
    entry = find_checkpoint(f"ov2seg/{variant}")
    assert entry.variant == variant
    assert [figure.benchmark for figure in entry.figures][:2] == ["LV-VIS val", "LV-VIS test"]
    assert (entry.url is None) == (variant == "swin-b"), "nobody publishes Swin-B"


def test_terms_name_the_data():
    publisher = find_checkpoint("ov2seg/resnet-50").publisher
    assert publisher.licence_code == "GPL-3.0"
    assert "CC BY-NC-SA" in publisher.licence_data


def test_the_text_tower_is_one_of_the_catalogue():
    assert isinstance(SYSTEM, ReadsWords)
    assert find_checkpoint(SYSTEM.text_tower).system == "clip"


@pytest.mark.parametrize("name", TABLES)
def test_a_published_table_is_taken_into_the_cache(tmp_path, monkeypatch, name):
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "cache"))
    entry = find_checkpoint(f"ov2seg/classifier-{name}")
    assert entry.kind == "part"
    assert str(TABLES[name]) in entry.trained
    file = write_table(tmp_path / "given.npy", 2)
    assert put_in(entry, file, offline=True).path.read_bytes() == file.read_bytes()
    assert entry.path.name == f"fg_bg_5_10_{name}_ens.npy"


def test_a_table_is_not_weights(tmp_path):
    with pytest.raises(InputError, match="one table of numbers"):
        open_weights(write_table(tmp_path / "table.npy"))
