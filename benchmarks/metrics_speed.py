"""How long metrics take on loads of known size, beside the official evaluators and the plainest implementation.

    python benchmarks/metrics_speed.py                      everything, as a table
    python benchmarks/metrics_speed.py --only jf-files,vpq  some of the loads
    python benchmarks/metrics_speed.py --plain              also the plain implementations, which take minutes

Each load is measured in a process of its own; after a run that is not counted, the best of `--repeat` runs is taken.
Seconds of the official evaluators are those of the metrics' reference, section 14, from a machine of two cores that was
shared (VPQ: with two processes). A fixed loop is timed before and after each load, so that a busy machine shows; there,
the seconds of the processor say more than those of the clock, and are compared with those of the plain implementation.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import metrics_loads as loads
import metrics_work as work
from memory import peak_bytes
from singleout.evaluation.memory import reuse_freed_memory

Work = Callable[[Path, work.Stopwatch], float]


@dataclass(frozen=True)
class Measured:
    """What one process found.

    seconds: by the clock; processor: seconds of all threads; check: the metric's number; calibration: see `calibrate`.
    """

    seconds: float
    processor: float
    check: float
    peak_mib: float
    calibration: tuple[float, float]


@dataclass(frozen=True)
class Load:
    """One load. official: seconds of the official evaluator, None where it was not measured; aim: times faster.

    ours, plain: take the folder of the load, time themselves and return the metric's number. plain_share: the plain one
    sees one video of so many, and its seconds are multiplied.
    """

    about: str
    make: Callable[[Path, Path], None]
    ours: Work
    official: float | None = None
    aim: float | None = None
    plain: Work | None = None
    plain_share: int = 1


_CLIPS = "20 clips of 20 frames, 360x640, about 12 segments"
LOADS = {
    "jf-files": Load(
        "J&F, 12 sequences of DAVIS-2016, PNG reading", loads.davis, work.jf_files, 16.8, 4, work.jf_plain
    ),
    "jf-masks": Load("J&F, the same, decoded masks", loads.davis, work.jf_masks, 16.8, 8),
    "jf-command": Load("the same, as singleout eval davis2016", loads.davis, work.jf_command, 16.8, 4),
    "vpq": Load(f"VPQ, five windows, {_CLIPS}", loads.panoptic, work.vpq, 119.4, 20, work.vpq_plain, 5),
    "stq": Load("STQ, the same clips", loads.panoptic, work.stq, 10.8, 5, work.stq_plain, 5),
    "panoptic-command": Load("both, as singleout eval vipseg", loads.panoptic, work.panoptic_command, 130.2),
    "track-ap": Load(
        "track AP, 100 videos of 30 frames, 500 and 1000 tracks", loads.tracks, work.track_ap, 2.2, 3, work.track_plain
    ),
    "track-command": Load("the same, as singleout eval ytvis-2019", loads.tracks, work.track_command, 2.2, 3),
    "image-ap": Load("mask AP, the same masks as 3000 images", loads.tracks, work.image_ap, 4.4),
    "semantic-150": Load(
        "OVSeg, 500 maps 480x640, 150 classes, RLE",
        loads.class_maps(150, 110),
        work.semantic,
        31.8,
        3,
        work.semantic_plain,
        5,
    ),
    "semantic-847": Load(
        "the same, 847 classes", loads.class_maps(847, 170), work.semantic, 36.6, 3, work.semantic_plain, 5
    ),
    "matrix-150": Load("VSPW's matrix, the same maps, no RLE", loads.class_maps(150, 110), work.matrix, 1.5),
    "matrix-847": Load("the same, 847 classes", loads.class_maps(847, 170), work.matrix, 2.1),
    "vc": Load("VC8 and VC16, 10 clips of 50 frames, 480x854", loads.label_videos(10, 50, 30), work.consistency, 6.0),
    "pvos": Load(
        "ViPOSeg, 10 clips of 20 frames, 10 objects, 480x854", loads.label_videos(10, 20, 10), work.objects, 4.1
    ),
    "sentences": Load("A2D, 1000 samples of 5 masks, 320x480", loads.samples, work.sentences, 0.8),
}


def calibrate() -> tuple[float, float]:
    """Seconds of a fixed piece of work, counting, sorting and plain Python: by the clock, and of the processor."""
    values = np.random.default_rng(0).integers(0, 1000, 400_000)
    start, begun = time.perf_counter(), time.process_time()
    for _ in range(8):
        np.bincount(values, minlength=1000)
        np.sort(values)
    total = 0
    for number in range(1_500_000):
        total += number & 7
    assert total
    return time.perf_counter() - start, time.process_time() - begun


def measure(name: str, kind: str, folder: Path, repeat: int) -> Measured:
    """Time one load in this process: the best of `repeat` runs after one that is not counted (plain: one run)."""
    load = LOADS[name]
    reuse_freed_memory()
    before = calibrate()
    piece, times = (load.plain, load.plain_share) if kind == "plain" else (load.ours, 1)
    assert piece is not None
    runs = []
    for _ in range(1 if kind == "plain" else repeat + 1):
        watch = work.Stopwatch()
        check = piece(folder, watch)
        runs.append((times * watch.wall, times * watch.processor))
    seconds, processor = min(runs[-repeat:])
    after = calibrate()
    mean = (before[0] + after[0]) / 2, (before[1] + after[1]) / 2
    return Measured(seconds, processor, check, peak_bytes() / 2**20, mean)


def in_own_process(name: str, kind: str, folder: Path, *more: str) -> str:
    """One load in a fresh process, with one thread for arithmetic; what it printed.

    Loads are made in one as well: a process inherits the peak of memory of the one that started it.
    """
    command = [sys.executable, __file__, "--measure", name, kind, str(folder), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} ({kind}) failed:\n{done.stderr}")
    return done.stdout


def main(arguments: list[str] | None = None) -> int:
    """Make the loads, measure each, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SINGLEOUT_SHARED", "../shared")))
    parser.add_argument("--only", default=",".join(LOADS), help="loads, with commas between")
    parser.add_argument("--plain", action="store_true", help="measure the plain implementations as well")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each load; the best one counts")
    parser.add_argument("--work", type=Path, help="folder to make the loads in, and to find them again (default: none)")
    parser.add_argument("--measure", nargs=3, metavar=("LOAD", "KIND", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        name, kind, folder = given.measure
        if kind == "make":
            LOADS[name].make(given.shared, Path(folder))
            return 0
        print(json.dumps(vars(measure(name, kind, Path(folder), given.repeat))))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        place = (given.work or Path(temporary)).resolve()
        titles = (
            "load",
            "s",
            "CPU s",
            "official s",
            "times",
            "aim",
            "plain CPU s",
            "times",
            "MiB",
            "value",
            "fixed loop s",
        )
        print(f"| {' | '.join(titles)} |")
        print(f"| {' | '.join('---' for _ in titles)} |")
        for name in given.only.split(","):
            print(row(name, place, given.shared.resolve(), plain=given.plain, repeat=given.repeat), flush=True)
    return 0


def row(name: str, place: Path, shared: Path, *, plain: bool, repeat: int) -> str:
    """Measure one load; its line of the table."""
    load = LOADS[name]
    # Loads of one maker and its numbers share their files.
    folder = place / {"jf": "davis", "vpq": "panoptic", "stq": "panoptic", "track": "tracks", "image": "tracks"}.get(
        name.split("-", maxsplit=1)[0], name.replace("matrix", "semantic").removesuffix("-command")
    )
    if not folder.exists():
        in_own_process(name, "make", folder, "--shared", str(shared))
    ours = Measured(**json.loads(in_own_process(name, "ours", folder, "--repeat", str(repeat))))
    slow = Measured(**json.loads(in_own_process(name, "plain", folder))) if plain and load.plain else None
    cells = [
        load.about,
        f"{ours.seconds:.2f}",
        f"{ours.processor:.2f}",
        f"{load.official:.1f}" if load.official else "",
        f"{load.official / ours.seconds:.1f}" if load.official else "",
        f"{load.aim:g}" if load.aim else "",
        f"{slow.processor:.1f}" if slow else "",
        f"{slow.processor / ours.processor:.1f}" if slow else "",
        f"{ours.peak_mib:.0f}",
        f"{ours.check:.6g}",
        "{:.2f}, {:.2f}".format(*ours.calibration),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
