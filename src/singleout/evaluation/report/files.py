"""The table as text, and an evaluation as CSV and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singleout.evaluation.report.page import page
from singleout.evaluation.report.values import Evaluation
from singleout.exports.layout import text_file
from singleout.version import __version__

OBJECTS_FILE, JSON_FILE, PAGE_FILE = "objects.csv", "results.json", "report.html"
_WIDEST = 118


def table_text(evaluation: Evaluation) -> str:
    """The official table as lines of text: a heading, the names, the numbers below them."""
    cells = {name: shown(value, evaluation.decimals) for name, value in evaluation.table.items()}
    widths = {name: max(len(name), len(value)) for name, value in cells.items()}
    lines = [f"{evaluation.title}, {evaluation.split}"]
    if sum(widths.values()) + 2 * len(widths) <= _WIDEST:
        lines += ["  ".join(name.rjust(widths[name]) for name in cells)]
        lines += ["  ".join(value.rjust(widths[name]) for name, value in cells.items())]
    else:
        name_width, value_width = max(map(len, cells)), max(map(len, cells.values()))
        lines += [f"{name:<{name_width}}  {value:>{value_width}}" for name, value in cells.items()]
    return "\n".join(lines)


def shown(value: float, decimals: int) -> str:
    """A number for people; a dash where there is none, as for a mean over nothing."""
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but the courses over time and the pictures, in JSON's types; what is no number becomes null."""
    return {
        "benchmark": evaluation.benchmark,
        "title": evaluation.title,
        "split": evaluation.split,
        "singleout": __version__,
        "about": dict(evaluation.about),
        "table": _plain(evaluation.table),
        "notes": list(evaluation.notes),
        "parts": {
            title: {row: _plain(values) for row, values in rows.items()} for title, rows in evaluation.parts.items()
        },
        "objects": [{"video": each.video, "object": each.name, **_plain(each.values)} for each in evaluation.objects],
    }


def write(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write CSV, JSON, the page and the official evaluator's own files into a folder; returns their paths.

    Earlier files of the same names are replaced, each whole. Raises InputError where the folder cannot be written.
    """
    written = [folder / OBJECTS_FILE, folder / JSON_FILE, folder / PAGE_FILE]
    columns = list(dict.fromkeys(name for each in evaluation.objects for name in each.values))
    with text_file(written[0]) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["video", "object", *columns])
        for each in evaluation.objects:
            values = [each.values.get(name, math.nan) for name in columns]
            rows.writerow([each.video, each.name, *("" if math.isnan(value) else repr(value) for value in values)])
    with text_file(written[1]) as file:
        file.write(json.dumps(as_json(evaluation), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    with text_file(written[2]) as file:
        file.writelines(page(evaluation))
    for name, text in evaluation.files.items():
        with text_file(folder / name) as file:
            file.write(text)
        written.append(folder / name)
    return written


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}
