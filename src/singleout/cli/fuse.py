"""``singleout fuse``: the masks of several models made one, by a pipeline of steps."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.cli.progress import Progress
from singleout.cli.stopping import StopRequest
from singleout.errors import InputError

if TYPE_CHECKING:
    from singleout.evaluation.report.values import Evaluation
    from singleout.fusion.board import Board
    from singleout.fusion.pipeline import Pipeline
    from singleout.fusion.steps.base import Step

DESCRIPTION = """\
Make the masks of several models one: a pipeline file says which models predict (or where their masks lie), from which
frames masks are propagated, who votes on what, and what is exported. docs/fusion.md has all that a file can say.

Every step is kept video by video. Give the same command again to go on where it was stopped, or after a change of the
file: only what depends on the change is made anew. Started several times on one --out, processes share the work.
"""
EXAMPLES = """\
examples:
  singleout fuse mine.yaml --data rvos --out runs/fused
  singleout fuse mine.yaml --data rvos --out runs/fused --explain
  singleout fuse iccv2023 --members test --data rvos --out runs/fused --quirk double-sigmoid=no
  singleout fuse iccv2023 --show > mine.yaml

pipelines that come with singleout: iccv2023 (the winners of that challenge, as published) and iccv2023-mended
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "pipeline", metavar="PIPELINE", help="a YAML file, or the name of one that comes with singleout"
    )
    parser.add_argument("--data", metavar="FOLDER", help="the data set, as it is downloaded")
    parser.add_argument("--out", metavar="FOLDER", help="where to write; made if it does not exist")
    parser.add_argument(
        "--members", metavar="FOLDER", help="where paths in the file begin (default: its own folder, or this one)"
    )
    parser.add_argument("--split", metavar="NAME", help="part of the data set (default: the one in the file)")
    parser.add_argument("--truth", metavar="FOLDER", help="true masks that are not part of the data set")
    for option, what in (
        ("quirk", "NAME=yes or NAME=no: switch a quirk that the file names"),
        ("model", "NAME=MODEL: another model for one that the file names"),
        ("weights", "NAME=FILE: weights for a model that the file names"),
    ):
        parser.add_argument(f"--{option}", action="append", default=[], metavar="NAME=…", help=f"{what} (repeatable)")
    for option, what in (("step", "run this step alone"), ("up-to", "run this step and all that it needs")):
        parser.add_argument(f"--{option}", action="append", default=[], metavar="NAME", help=f"{what} (repeatable)")
    parser.add_argument("--explain", action="store_true", help="draw the pipeline with states and sizes; run nothing")
    parser.add_argument("--show", action="store_true", help="print the file, to make one of your own; run nothing")
    parser.add_argument("--no-report", action="store_true", help="leave out the report and its scores")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, …")
    parser.add_argument("--json", action="store_true", help="print a summary for programs on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Fuse, explain or show; returns the exit code."""
    from singleout.fusion import running
    from singleout.fusion.board import Board
    from singleout.fusion.pipeline import load_pipeline, text_of
    from singleout.fusion.tools import Tools
    from singleout.runs.segmenting import StoppedError

    if args.show:
        sys.stdout.write(text_of(args.pipeline))
        return 0
    for option in ("data", "out"):
        if getattr(args, option) is None:
            raise InputError(f"--{option} is missing: give a folder (see singleout fuse --help)")
    pipeline = load_pipeline(
        args.pipeline,
        quirks={name: _flag(name, value) for name, value in _pairs("quirk", args.quirk).items()},
        models=_pairs("model", args.model),
        weights=_pairs("weights", args.weights),
    )
    truth = None if args.truth is None else Path(args.truth)
    videos = running.read_videos(pipeline, Path(args.data), split=args.split, truth=truth)
    names = _chosen(pipeline, args.step, args.up_to)
    wants_report = not (args.no_report or args.step or args.up_to)
    if wants_report:
        from singleout.fusion import report

        pipeline = report.with_report(pipeline, videos)
        names += report.judging_steps(pipeline)
    here = Path(args.pipeline).parent if Path(args.pipeline).is_file() else Path()
    members = here if args.members is None else Path(args.members)
    with StopRequest() as stop:
        device = None if args.device == "auto" else args.device
        tools = Tools(pipeline.layout, members, device=device, stop=lambda: stop.asked)
        board = Board(pipeline, videos, Path(args.out), tools)
        if args.explain:
            from singleout.fusion.explain import explain

            print("\n".join(explain(board)))
            return 0
        began = time.monotonic()
        progress = _StepProgress(quiet=args.quiet)
        try:
            made = running.run(board, names, progress, alone=bool(args.step))
        except (StoppedError, KeyboardInterrupt):
            progress.close()
            print(
                f"singleout: stopped: what was finished is kept in {args.out}; give the same command again to go on",
                file=sys.stderr,
            )
            return stop.exit_code
        finally:
            progress.close()
    evaluation = report.write_report(board) if wants_report else None
    _tell(args, board, made, evaluation, time.monotonic() - began)
    return 0


class _StepProgress:
    """Videos on stderr, step by step; a step of which nothing is left is passed over in silence."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._shown: Progress | None = None

    def begin(self, step: Step, total: int, done: int) -> None:
        if done < total:
            self._shown = Progress(step.name, total, start=done, quiet=self.quiet, unit="videos")

    def made(self, step: Step) -> None:
        if self._shown is not None:
            self._shown.step()

    def end(self, step: Step) -> None:
        self.close()

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()
            self._shown = None


def _chosen(pipeline: Pipeline, alone: Sequence[str], up_to: Sequence[str]) -> list[str]:
    if alone and up_to:
        raise InputError("--step runs steps alone and --up-to with all that they need: give one of them")
    if alone:
        known = set(pipeline.up_to(alone)) & set(alone)
        return [name for name in pipeline.steps if name in known]
    return pipeline.up_to(up_to) if up_to else pipeline.wanted()


def _tell(
    args: argparse.Namespace, board: Board, made: dict[str, Path], evaluation: Evaluation | None, seconds: float
) -> None:
    from singleout.evaluation.report.files import as_json, table_text

    page = board.out / "report" / "report.html"
    if args.json:
        summary: dict[str, Any] = {
            "pipeline": args.pipeline,
            "videos": len(board.videos),
            "submissions": {name: str(path) for name, path in made.items()},
            "report": str(page) if evaluation else None,
            "seconds": round(seconds, 2),
        }
        if evaluation:
            summary["scores"] = {**as_json(evaluation)["table"]}
            summary["stages"] = as_json(evaluation)["parts"]["Members and stages"]
        print(json.dumps(summary, indent=1))
        return
    if evaluation:
        rows = evaluation.parts["Members and stages"]
        columns = list(dict.fromkeys(name for row in rows.values() for name in row))
        width = max(map(len, rows))
        print(table_text(evaluation))
        widths = {each: max(len(each), 6) for each in columns}
        print(f"{'':<{width}}  " + "  ".join(each.rjust(widths[each]) for each in columns))
        for name, row in rows.items():
            cells = ((f"{row[each]:.4f}" if each in row else "-").rjust(widths[each]) for each in columns)
            print(f"{name:<{width}}  " + "  ".join(cells))
        print(page)
    for path in made.values():
        print(path)


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in given:
        name, separator, value = word.partition("=")
        if not (name and separator and value):
            raise InputError(f"--{option} {word}: expected NAME=VALUE")
        found[name] = value
    return found


def _flag(name: str, value: str) -> bool:
    words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    if value.lower() not in words:
        raise InputError(f"--quirk {name}={value}: expected yes or no")
    return words[value.lower()]
