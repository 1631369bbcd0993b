"""``singleout eval``: the official numbers of predictions, and a report."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from singleout.cli.progress import Progress
from singleout.evaluation.benchmarks import benchmark_names

DESCRIPTION = """\
Score predictions as the official evaluator of a benchmark does, on this computer. The table goes to stdout; --out also
gets a CSV with a line for each object, everything as JSON, and a page with plots and pictures of the worst objects.

Predictions are a submission (its folder or zip), the --out of singleout run, or, where a benchmark scores masks of
object ids, a folder with one --out of singleout segment for each video.
"""
EXAMPLES = f"""\
examples:
  singleout eval davis2016 --data DAVIS --predictions results/ --out report/
  singleout eval ytvis-2021 --data ytvis_2021 --predictions results.json
  singleout eval ref-youtube-vos --data rvos --predictions submission.zip --json

benchmarks: {", ".join(benchmark_names())}
See docs/evaluation.md for the data that each expects and what its numbers mean.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("benchmark", metavar="BENCHMARK", help="a name from the list below")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="the data set, as it is downloaded")
    parser.add_argument("--predictions", required=True, metavar="WHERE", help="folder, zip or JSON file of predictions")
    parser.add_argument("--split", metavar="NAME", help="part of the data set (default: the one that papers report)")
    parser.add_argument("--truth", metavar="WHERE", help="truth from elsewhere, see docs/evaluation.md")
    parser.add_argument("--resolution", metavar="NAME", help="of DAVIS: 480p (the default) or Full-Resolution")
    parser.add_argument("--samples", metavar="FILE", help="samples of A2D, JHMDB or texts of Ref-DAVIS from elsewhere")
    parser.add_argument("--corrected", action="store_true", help="mend the known defects of the official evaluator")
    parser.add_argument("--out", metavar="FOLDER", help="write the report here; earlier files of it are replaced")
    parser.add_argument("--json", action="store_true", help="print everything as JSON for programs instead of a table")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Evaluate and print; returns the exit code."""
    from singleout.evaluation.benchmarks import get
    from singleout.evaluation.evaluating import evaluate
    from singleout.evaluation.report.files import PAGE_FILE, as_json, table_text

    progress: Progress | None = None

    def on_video(name: str, done: int, total: int) -> None:
        nonlocal progress
        if progress is None:
            progress = Progress(args.benchmark, total, quiet=args.quiet, unit=get(args.benchmark).unit)
        progress.step()

    try:
        found = evaluate(
            args.benchmark,
            data=args.data,
            predictions=args.predictions,
            split=args.split,
            truth=args.truth,
            resolution=args.resolution,
            samples=args.samples,
            corrected=args.corrected,
            out=args.out,
            on_video=on_video,
        )
    finally:
        if progress is not None:
            progress.close()
    if args.json:
        print(json.dumps(as_json(found), indent=1, allow_nan=False))
    else:
        print(table_text(found))
        for note in found.notes:
            print(f"singleout: note: {note}", file=sys.stderr)
    if args.out and not args.quiet:
        print(f"singleout: report: {Path(args.out) / PAGE_FILE}", file=sys.stderr)
    return 0
