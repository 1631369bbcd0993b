"""The table, CSV, JSON and page of an evaluation."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from singleout.evaluation.report.files import as_json, table_text, write
from singleout.evaluation.report.page import MOST_SHOWN, page
from singleout.evaluation.report.pictures import FOUND, MISSED, WRONG, draw
from singleout.evaluation.report.plots import course, spread
from singleout.evaluation.report.values import Evaluation, Look, ObjectResult

NAN = float("nan")


def evaluation(num_objects: int = 3, **changes) -> Evaluation:
    objects = tuple(
        ObjectResult(
            "video <1>",
            f"{number}",
            {"J": number / 10, "D": NAN},
            number / 10,
            {"J": np.array([0.5, NAN, number / 10])},
            ("a", "b", "c"),
            look,
        )
        for number in range(num_objects)
    )
    given = {"table": {"J-Mean": 0.123456, "J-Decay": NAN}, "objects": objects, **changes}
    return Evaluation("some", "Some & other", "val", **given)


def look(index: int) -> Look:
    truth, predicted = np.zeros((20, 30), bool), np.zeros((20, 30), bool)
    truth[5:10], predicted[8:15] = True, True
    return Look(f"frame {'abc'[index]}", truth, predicted)


def test_the_table_in_one_row_or_one_column():
    assert table_text(evaluation()).splitlines() == ["Some & other, val", "J-Mean  J-Decay", " 0.123        -"]
    wide = {f"a long name {number}": number / 7 for number in range(12)}
    lines = table_text(evaluation(table=wide)).splitlines()
    assert lines[1] == "a long name 0   0.000"
    assert len(lines) == 13


def test_csv_and_json_keep_every_digit(tmp_path):
    written = write(evaluation(files={"official.txt": "1\n"}), tmp_path / "out")
    assert [path.name for path in written] == ["objects.csv", "results.json", "report.html", "official.txt"]
    rows = list(csv.DictReader((tmp_path / "out" / "objects.csv").open()))
    assert rows[1] == {"video": "video <1>", "object": "1", "J": "0.1", "D": ""}
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["table"] == {"J-Mean": 0.123456, "J-Decay": None}
    assert content == json.loads(json.dumps(as_json(evaluation())))


def test_a_second_report_replaces_the_first(tmp_path):
    write(evaluation(), tmp_path)
    write(evaluation(num_objects=1), tmp_path)
    assert (tmp_path / "objects.csv").read_text().count("\n") == 2
    assert not list(tmp_path.glob(".*"))


class _Tags(HTMLParser):
    """Checks that tags are closed in order, and keeps what the tests ask for."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_the_page_is_whole_and_needs_nothing_else():
    text = "".join(page(evaluation(num_objects=40, notes=("a <note>",), parts={"By class": {"x": {"AP": 0.5}}})))
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen.count("img") == MOST_SHOWN
    assert tags.seen.count("svg") == MOST_SHOWN + 1
    assert not {"script", "link", "iframe"} & set(tags.seen)
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert "video &lt;1&gt; 0" in text
    assert "<note>" not in text


def test_the_worst_come_first_with_their_worst_frame():
    text = "".join(page(evaluation(num_objects=5)))
    order = re.findall(r"<h3>video &lt;1&gt; (\d)</h3>", text)
    assert order == ["0", "1", "2", "3", "4"]
    assert "frame c" in text
    assert "frame b" not in text, "a frame that does not count is not the worst"


def test_a_page_without_objects_or_with_nothing_but_nan():
    for objects in ((), (ObjectResult("v", "1", {"J": NAN}),)):
        tags = _Tags()
        tags.feed("".join(page(evaluation(objects=objects))))
        assert tags.open == []


def test_pages_of_large_sets_stay_small():
    objects = tuple(ObjectResult("v", str(number), {"IoU": 0.5}, 0.5) for number in range(30000))
    assert len("".join(page(evaluation(objects=objects)))) < 400_000


def test_plots_have_gaps_where_there_is_no_value():
    text = course({"J": np.array([0.0, 1.0, NAN, 0.5, NAN, NAN, 1.0])}, ["0", "6"])
    assert text.count("<polyline") == 3
    assert text.count("<circle") == 2
    assert course({"J": np.full(5, NAN)}, []).count("<polyline") == 0


def test_long_videos_are_thinned_out():
    values = np.linspace(0, 1, 100_000)
    points = re.search(r'points="([^"]*)"', course({"J": values}, []))
    assert points is not None
    assert 300 < len(points[1].split()) <= 600


@pytest.mark.parametrize("count", [1, 7, 5000])
def test_bars_of_all_objects_stand_inside_the_frame(count):
    text = spread([0.5] * count, ["x"] * count)
    edges = [float(x) + float(width) for x, width in re.findall(r'<rect x="([\d.]+)" .*?width="([\d.]+)"', text)]
    assert 0 < len(edges) <= 560
    assert max(edges) <= 560


def test_colours_say_what_was_found():
    drawn = draw(look(0)).astype(int)
    for row, colour in ((6, MISSED), (9, FOUND), (12, WRONG)):
        assert np.argmax(drawn[row, 0]) == np.argmax(colour)
    assert (drawn[18] == drawn[18, 0, 0]).all(), "what is in neither mask is left as it is"


def test_pictures_of_the_page_open(tmp_path):
    import base64

    text = "".join(page(evaluation(num_objects=1)))
    found = re.search(r"base64,([^\"]+)", text)
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        assert image.size == (30, 20)
    assert math.isnan(evaluation().table["J-Decay"])
