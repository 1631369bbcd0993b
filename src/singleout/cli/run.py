"""``singleout run``: predictions of a model for a whole benchmark, and the archive that its server takes."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.cli.inputs import read_options
from singleout.cli.progress import Progress
from singleout.cli.stopping import StopRequest
from singleout.errors import InputError
from singleout.evaluation.benchmarks import benchmark_names

if TYPE_CHECKING:
    from singleout.evaluation.benchmarks.base import Job

DESCRIPTION = """\
Let a model predict a whole benchmark, video by video. --out gets the folder predictions, in the format of the
benchmark, and submission.zip as its server takes it; singleout eval --predictions OUT scores it here where the truth is
public.

A run that was stopped goes on with the next video when the same command is given again.
"""
EXAMPLES = f"""\
examples:
  singleout run davis2017 --model starter --data DAVIS --out runs/davis2017
  singleout run ref-youtube-vos --model starter --data rvos --out runs/rvos --processes 2
  singleout eval davis2017 --data DAVIS --predictions runs/davis2017

benchmarks: {", ".join(benchmark_names())}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("benchmark", metavar="BENCHMARK", help="a name from the list below")
    parser.add_argument("--model", default="starter", metavar="NAME", help="see singleout models (default: starter)")
    parser.add_argument("--weights", metavar="FILE", help="published file or converted folder of the model")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="the data set, as it is downloaded")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where to write; made if it does not exist")
    parser.add_argument("--split", metavar="NAME", help="part of the data set (default: the one that papers report)")
    parser.add_argument("--all-frames", action="store_true", help="of YouTube-VOS: show frames at full rate")
    parser.add_argument("--resolution", metavar="NAME", help="of DAVIS: 480p (the default) or Full-Resolution")
    parser.add_argument("--samples", metavar="FILE", help="samples of A2D, JHMDB or texts of Ref-DAVIS from elsewhere")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="processes, each with the model loaded")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, …; several are dealt out in turn")
    parser.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a setting of the model; may be repeated"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another run that --out holds")
    parser.add_argument("--json", action="store_true", help="print a summary for programs on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Predict and pack; returns the exit code."""
    from singleout.evaluation.benchmarks import get
    from singleout.evaluation.benchmarks.base import Source
    from singleout.evaluation.running import RunSpec, run_benchmark
    from singleout.runs.segmenting import StoppedError
    from singleout.zoo import load
    from singleout.zoo.loading import fingerprint

    if args.processes < 1:
        raise InputError(f"--processes {args.processes}: expected 1 or more")
    benchmark = get(args.benchmark)
    devices = () if args.device == "auto" else tuple(name.strip() for name in args.device.split(","))
    samples = None if args.samples is None else Path(args.samples)
    data = benchmark.checked(
        Source(Path(args.data), args.split, all_frames=args.all_frames, resolution=args.resolution, samples=samples)
    )
    load_model = partial(load, args.model, weights=args.weights)
    model = fingerprint(args.model, args.weights)
    spec = RunSpec(benchmark.name, data, model, load_model, read_options(args.option), devices)
    began = time.monotonic()
    progress = _RunProgress(benchmark.name, quiet=args.quiet)
    out = Path(args.out)
    with StopRequest() as stop:
        try:
            archive = run_benchmark(
                spec,
                out,
                processes=args.processes,
                overwrite=args.overwrite,
                on_start=progress.begin,
                on_job=progress.done,
                stop=lambda: stop.asked,
            )
        except (StoppedError, KeyboardInterrupt):
            progress.close()
            print(
                f"singleout: stopped: {progress.num_done} of {progress.num_jobs} videos are kept in {out}; give the "
                "same command again to go on",
                file=sys.stderr,
            )
            return stop.exit_code
        finally:
            progress.close()
    summary: dict[str, Any] = {
        "benchmark": benchmark.name,
        "split": data.split,
        "model": args.model,
        "predictions": str(out / "predictions"),
        "submission": str(archive) if archive else None,
        "videos": progress.num_jobs,
        "done_before": progress.num_before,
        "seconds": round(time.monotonic() - began, 2),
    }
    if args.json:
        print(json.dumps(summary, indent=1))
    else:
        print(archive or summary["predictions"])
    if archive and not args.quiet:
        print(f"singleout: {archive.name}: {benchmark.archive}", file=sys.stderr)
    return 0


class _RunProgress:
    """Frames on stderr, and how many videos are done."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        self.name, self.quiet = name, quiet
        self.num_jobs = self.num_done = self.num_before = 0
        self._frames = self._total = 0
        self._shown: Progress | None = None

    def begin(self, jobs: Sequence[Job]) -> None:
        self.num_jobs = len(jobs)
        self._total = sum(job.num_frames for job in jobs)

    def done(self, job: Job, before: bool) -> None:
        self.num_done += 1
        self.num_before += before
        if before:
            self._frames += job.num_frames
            return
        if self._shown is None:
            self._shown = Progress(self.name, self._total, start=self._frames, quiet=self.quiet)
        self._shown.step(job.num_frames)

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()
            self._shown = None
