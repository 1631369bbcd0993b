"""What the benchmarks share whose predictions are one JSON list of results: finding it, and making it of parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singleout.data.records import Rle
from singleout.errors import InputError
from singleout.evaluation.benchmarks.archive import pack_files
from singleout.evaluation.benchmarks.base import Benchmark, Job, Source
from singleout.evaluation.metrics.rles import checked
from singleout.exports.layout import read_json, text_file, write_json_list
from singleout.vocabularies import Category

RESULTS = "results.json"
_PARTS = "parts"


@dataclass(frozen=True)
class Listed(Benchmark):
    """Predictions are ``results.json``; its zip holds this file alone, at its top (sukjunhwang/VITA#12)."""

    def finish(self, data: Source, jobs: Sequence[Job], folder: Path) -> None:
        """``results.json`` of the parts of all jobs, in their order."""
        with text_file(folder / RESULTS) as file:
            write_json_list(file, _entries(jobs, folder))

    def submission(self, folder: Path, archive: Path) -> Path | None:
        """``results.json`` at the top of a zip."""
        return pack_files({RESULTS: folder / RESULTS}, archive)


def category_numbers(categories: Iterable[Category]) -> dict[str, int]:
    """The id of each category by its name, with single spaces, as it is asked for."""
    return {" ".join(each.name.split()): each.id for each in categories}


def by_category(
    scores: Mapping[int, Mapping[str, float]], categories: Iterable[Category], with_truth: Iterable[int]
) -> dict[str, Mapping[str, float]]:
    """The rows of the table of categories, of those that have truth. scores: by category id."""
    names, shown = {each.id: each.name for each in categories}, set(with_truth)
    return {f"{names[number]} ({number})": row for number, row in scores.items() if number in shown}


def write_part(job: Job, folder: Path, results: Sequence[dict[str, Any]]) -> list[Path]:
    """Keep the results of one job for `Listed.finish`."""
    path = folder / _PARTS / f"{job.name}.json"
    with text_file(path) as file:
        write_json_list(file, results)
    return [path]


def results_file(predictions: Path) -> Path:
    """The JSON file of results: the path itself, or ``results.json`` in it, or the only JSON file in it.

    Raises InputError where it is not there, naming where it lies where that is a folder deeper.
    """
    if predictions.is_file():
        return predictions
    if (predictions / RESULTS).is_file():
        return predictions / RESULTS
    found = sorted(predictions.glob("*.json"))
    if len(found) == 1:
        return found[0]
    deeper = sorted(predictions.glob(f"*/{RESULTS}"))
    if deeper:
        raise InputError(f"{deeper[0]} lies one folder deeper than expected: give that file, or pack it at the top")
    raise InputError(f"{predictions / RESULTS} is missing: expected the JSON list of results")


@contextmanager
def blaming(results: Path, truth: Path, true: Iterable[Rle | None]) -> Iterator[None]:
    """Name the file that an error of a metric is due to: the truth if one of its codes is damaged, else the results.

    true: the codes of the truth that the metric is given; they are looked at only where there is an error.
    """
    try:
        yield
    except InputError as error:
        try:
            checked([code for code in true if code is not None])
        except InputError:
            raise InputError(f"{truth}: {error}") from error
        raise InputError(f"{results}: {error}") from error


def refuse_nothing(path: Path, results: Sequence[object]) -> None:
    """Raises InputError for an empty list, which official evaluators cannot score."""
    if not results:
        raise InputError(f"{path} is an empty list: there is no result to score")


def _entries(jobs: Sequence[Job], folder: Path) -> Iterator[Any]:
    for job in jobs:
        yield from read_json(folder / _PARTS / f"{job.name}.json")
