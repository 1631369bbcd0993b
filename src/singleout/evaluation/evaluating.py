"""From predictions on disk to the official numbers and the report, in one call."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from singleout.errors import InputError
from singleout.evaluation.benchmarks import get
from singleout.evaluation.benchmarks.base import OnVideo, Source, quietly
from singleout.evaluation.benchmarks.predictions import opened
from singleout.evaluation.memory import reuse_freed_memory
from singleout.evaluation.report import files
from singleout.evaluation.report.values import Evaluation


def evaluate(
    benchmark: str,
    *,
    data: str | os.PathLike[str],
    predictions: str | os.PathLike[str],
    split: str | None = None,
    truth: str | os.PathLike[str] | None = None,
    resolution: str | None = None,
    samples: str | os.PathLike[str] | None = None,
    corrected: bool = False,
    out: str | os.PathLike[str] | None = None,
    on_video: OnVideo = quietly,
) -> Evaluation:
    """The official numbers of predictions, and where `out` is given the report in that folder.

    benchmark: a name of `benchmarks.benchmark_names`. data: folder of the data set. predictions: folder or zip of a
    submission, or the output of `singleout run` or `singleout segment`. split, truth, resolution, samples: see
    `benchmarks.base.Source`. corrected: mend the known defects of the official evaluator. out: folder for objects.csv,
    results.json, report.html and the official evaluator's own files. Raises InputError, naming the file, for whatever
    is missing, damaged or does not belong to the data set; nothing is written then.
    """
    if out is not None and Path(out).is_file():
        raise InputError(f"{out} is a file: give a folder for the report")
    reuse_freed_memory()
    chosen = get(benchmark)
    source = Source(
        Path(data),
        split,
        truth=None if truth is None else Path(truth),
        resolution=resolution,
        samples=None if samples is None else Path(samples),
    )
    source = chosen.checked(source, corrected=corrected)
    with opened(Path(predictions)) as folder:
        found = chosen.evaluate(source, folder, corrected=corrected, on_video=on_video)
        about = {"data": str(data), "predictions": str(predictions), **found.about}
        if corrected:
            about["corrected"] = chosen.corrects
        # Notes were made where a zip lay unpacked for the moment.
        notes = tuple(note.replace(str(folder), str(predictions)) for note in found.notes)
        found = replace(found, about=about, notes=notes)
        if out is not None:
            files.write(found, Path(out))
    return found
