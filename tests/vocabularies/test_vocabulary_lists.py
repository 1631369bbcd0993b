"""The packaged lists say what the data sets say, and a combined names file is trusted only where its rows fit."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from singleout.errors import InputError
from singleout.vocabularies import Part, categories, list_names, number_table, read_combined, source
from singleout.vocabularies.categories import parse
from singleout.vocabularies.combined import UNIVS_PARTS

SIZES = {
    "ytvis_2019": 40,
    "ytvis_2021": 40,
    "ovis": 25,
    "lvvis": 1196,
    "vipseg": 124,
    "vspw": 124,
    "coco_panoptic": 133,
    "ade20k_150": 150,
    "ade20k_847": 847,
    "coco_stuff_171": 171,
    "pascal_context_59": 59,
    "pascal_context_459": 459,
    "pascal_voc_20": 20,
    "lvis_v1": 1203,
}


def test_lists_are_whole_and_say_where_they_come_from():
    assert set(list_names()) == {*SIZES, "viposeg", "coco_stuff_raw"}
    for name, size in SIZES.items():
        listed = categories(name)
        assert len(listed) == size, name
        assert all(category.name.strip() for category in listed), name
    assert all(source(name) for name in list_names())


def test_facts_of_single_lists():
    lvvis = categories("lvvis")
    assert [category.id for category in lvvis] == list(range(1, 1197)), "base and novel are picked by id - 1"
    assert [sum(category.base is kind for category in lvvis) for kind in (True, False)] == [641, 555]
    vipseg = categories("vipseg")
    assert [sum(category.thing is kind for category in vipseg) for kind in (True, False)] == [58, 66]
    assert [each.name for each in vipseg] == [each.name for each in categories("vspw")]
    assert categories("vspw")[0].id == 1 and vipseg[0].id == 0
    assert categories("ovis")[24].name == "Vehical"
    assert {category.frequency for category in categories("lvis_v1")} == {"r", "c", "f"}
    assert sorted(category.train_id for category in categories("ade20k_847")) == list(range(847))
    names_459 = {category.name for category in categories("pascal_context_459")}
    assert {category.name for category in categories("pascal_context_59")} <= names_459
    assert categories("ovis")[0].base is None


def test_tables():
    groups = number_table("viposeg")
    members = [
        number for name in ("thing_seen", "thing_unseen", "stuff_seen", "stuff_unseen") for number in groups[name]
    ]
    assert sorted(members) == list(range(124))
    assert len(groups["class_98_is_unseen_in"]) == 23
    raw = number_table("coco_stuff_raw")
    assert sorted(raw.values()) == [*range(171), 255]
    # The train id is the place in the list, and a pixel is the number of the category - 1.
    listed = categories("coco_stuff_171")
    assert all(listed[train_id].id == int(pixel) + 1 for pixel, train_id in raw.items() if pixel != "255")
    groups["thing_seen"].clear()
    assert number_table("viposeg")["thing_seen"], "what is handed out is a copy"


def test_unknown_lists_and_kinds_are_refused():
    with pytest.raises(InputError, match="there is no category list 'coco': choose one of ade20k_150"):
        categories("coco")
    with pytest.raises(InputError, match="read it with number_table"):
        categories("viposeg")
    with pytest.raises(InputError, match="read it with categories"):
        number_table("ovis")


@pytest.mark.parametrize("entries", [None, [{"id": 1}], [{"id": "1", "name": "a"}], [{"id": 1, "name": "a"}] * 2])
def test_damaged_categories_are_refused(entries):
    with pytest.raises(InputError, match=r"^gt\.json"):
        parse(entries, "gt.json")


@pytest.mark.needs_shared
def test_lists_are_those_of_the_reference(shared):
    reference = json.loads((shared / "reference/metrics/categories.json").read_text(encoding="utf-8"))
    for name, entries in reference.items():
        if name == "coco_stuff_raw_pixel_to_train":
            assert number_table("coco_stuff_raw") == entries
        elif name == "viposeg":
            assert number_table("viposeg") == entries
        elif isinstance(entries[0], str):
            assert [category.name for category in categories(name)] == entries
        else:
            for category, entry in zip(categories(name), entries, strict=True):
                assert (category.id, category.name) == (entry["id"], entry["name"])
                assert category.thing == (bool(entry["isthing"]) if "isthing" in entry else None)
                assert category.partition == entry.get("partition") and category.frequency == entry.get("frequency")
                assert category.train_id == entry.get("trainId")
                assert category.color == (tuple(entry["color"]) if "color" in entry else None)


PARTS = {
    "ovis": Part(0, 25, "ovis"),
    "ytvis": Part(25, 40, "ytvis_2021"),
    "mine": Part(65, 3, first="tench", last="girl"),
    "first": Part(65, 2, first="tench"),
}


def names_file(path, *, names=()):
    listed = [each.name for key in ("ovis", "ytvis_2021") for each in categories(key)]
    # The last line has no newline, as in UniVS's own file.
    path.write_text("\n".join([*listed, *(names or ("tench, Tinca tinca,", "b :  a thing", "girl"))]), encoding="utf-8")
    return path


def test_a_combined_file(tmp_path):
    combined = read_combined(names_file(tmp_path / "names.txt"), PARTS)
    assert len(combined.names) == 68
    assert combined.of("mine") == ("tench, Tinca tinca,", "b :  a thing", "girl")
    assert combined.rows("ytvis") == range(25, 65)
    assert combined.row("ytvis", 1) == 25 and combined.row("first", 2) == 66
    with pytest.raises(InputError, match="ovis has no label 0: its labels are 1 to 25"):
        combined.row("ovis", 0)
    with pytest.raises(InputError, match="has no part 'lvis': choose one of ovis"):
        combined.of("lvis")


def change(lines):
    return lambda text: "\n".join(lines(text.split("\n")))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change(lambda lines: lines[:-1]), "has 67 lines where 68 are due"),
        (change(lambda lines: [*lines, "more"]), "has 69 lines where 68 are due"),
        (change(lambda lines: [*lines[:30], "", *lines[31:]]), "line 31: there is no name"),
        (change(lambda lines: [*lines[1:], "girl"]), "line 1: expected 'Person' of ovis, got 'Bird'"),
        (change(lambda lines: [*lines[:-1], "boy"]), "line 68: expected 'girl' of mine, got 'boy'"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path, spoil, message):
    path = names_file(tmp_path / "names.txt")
    path.write_text(spoil(path.read_text()))
    with pytest.raises(InputError, match=message) as refused:
        read_combined(path, PARTS)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("offset", [64, 66])
def test_parts_that_overlap_or_leave_a_gap_are_refused(tmp_path, offset):
    parts = {key: replace(part, offset=offset) if part.offset == 65 else part for key, part in PARTS.items()}
    with pytest.raises(InputError, match=f"a part begins at row {offset}, but the one before it ends at row 65"):
        read_combined(names_file(tmp_path / "names.txt"), parts)


@pytest.mark.needs_shared
def test_the_file_of_univs(shared):
    combined = read_combined(shared / "reference/univs/names.txt")
    assert len(combined.names) == 3938
    assert sum(len(combined.of(key)) for key in UNIVS_PARTS if key not in {"burst", "coco", "vspw", "viposeg"}) == 3938
    assert combined.names[combined.row("ovis", 25)] == "Vehical"
    assert combined.of("coco") == combined.of("coco_panoptic")[:80]
