"""Replay goldens of the official systems: ``python -m tests.parity.check [--shared FOLDER] PATH…``

PATH is a golden file or a folder of them, also of ones that were never seen here, as long as the format is known.
Real frames are taken from FOLDER/davis16 (default: ../shared), side files from beside the golden, then from
FOLDER/reference/PART. Prints a line for each array or number with its error and its limit, and ends with 1 if anything
is over its limit, missing or unknown.

A format is added by a module ``tests/parity/replay_NAME.py``, which is found by its name and has

* ``PART``: the folder under ``reference`` that the goldens come from, by which limits and side files are found;
* ``claims(path) -> bool``: whether this module replays that golden file. It is asked about every .npz and .json, and
  other parts have goldens of the same name, so look at `goldens.spec_of` where the name does not tell;
* ``replay(path, context) -> Iterator[Comparison]``: opens the golden with ``context.open(path)``, computes, and yields
  ``golden.compare(name, ours)`` for each array. What it needs of the file it reads by ``golden.input(name)``. A case
  that it does not know is a `CannotReplayError`;
* ``golden_of(path) -> Path | None``, if goldens have files beside them: the golden that such a file belongs to.

An example, whole::

    PART = "doubling"

    def claims(path):
        return path.suffix == ".npz" and spec_of(path).get("reference") == "doubling 1.0"

    def replay(path, context):
        golden = context.open(path)
        if golden.spec["case"] != "twice":
            raise CannotReplayError(f"unknown case {golden.spec['case']}")
        yield golden.compare("out/doubled", 2 * golden.input("in/numbers"))

Limits stand in `limits`; a part whose README states its own adds rules there. `weights` fills a network by the rule
that the official systems' networks were filled by.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from tests.parity.goldens import CannotReplayError, Comparison, Context
from tests.parity.limits import limit_for

DOCUMENTS = (".md", ".py", ".txt")


@dataclass(frozen=True)
class Line:
    """One outcome: an array of a golden beside its limit, or what kept a golden from being replayed."""

    golden: Path
    name: str
    passed: bool
    error: str
    limit: str = ""

    def __str__(self) -> str:
        text = f"{'ok  ' if self.passed else 'FAIL'}  {self.name:<44}  error {self.error}"
        return f"{text}  limit {self.limit}" if self.limit else text


@dataclass(frozen=True)
class Replayers:
    """The modules ``replay_*.py`` of this folder, and why some could not be loaded, in a line each."""

    modules: tuple[ModuleType, ...]
    broken: tuple[str, ...]


@cache
def load_replayers() -> Replayers:
    """Load every replayer. One that cannot be loaded leaves the goldens of the others to be replayed."""
    modules, broken = [], []
    for path in sorted(Path(__file__).parent.glob("replay_*.py")):
        try:
            modules.append(importlib.import_module(f"tests.parity.{path.stem}"))
        # A system may need a package that is not there, or be in the middle of a change.
        except Exception as problem:
            broken.append(f"{path.name} could not be loaded: {type(problem).__name__}: {problem}")
    return Replayers(tuple(modules), tuple(broken))


def replayers() -> tuple[ModuleType, ...]:
    """Every module ``replay_*.py`` of this folder that could be loaded."""
    return load_replayers().modules


def find(path: Path) -> tuple[list[Path], list[Line]]:
    """The goldens of a file or folder, and a failed line for each file that no replayer knows."""
    if not path.exists():
        return [], [Line(path, "the path", False, "there is no such file or folder")]
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    goldens: dict[Path, None] = {}
    unknown = []
    for file in files:
        owner = _golden_of(file)
        if owner is not None:
            goldens[owner] = None
        elif file == path or not (file.suffix in DOCUMENTS or file.name.startswith(".")):
            why = "; ".join(["unknown: no tests/parity/replay_*.py claims this file", *load_replayers().broken])
            unknown.append(Line(file, "the format", False, why))
    if not goldens and not unknown:
        unknown.append(Line(path, "the folder", False, "holds no golden"))
    return list(goldens), unknown


def replay(path: Path, shared: Path) -> Iterator[Line]:
    """Replay one golden: a line for each comparison, then one for each array that was not looked at."""
    owners = [module for module in replayers() if _claims(module, path)]
    if len(owners) != 1:
        names = " and ".join(module.__name__ for module in owners) or "no module"
        yield Line(path, "the format", False, f"is claimed by {names}, and must be by one")
        return
    context = Context(shared)
    count = 0
    try:
        for comparison in owners[0].replay(path, context):
            count += 1
            yield judge(path, owners[0].PART, comparison)
    except CannotReplayError as problem:
        yield Line(path, "the replay", False, f"stopped: {problem}")
        return
    # Whatever goes wrong with one golden, the others are still to be replayed.
    except Exception as problem:
        place = traceback.extract_tb(problem.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        yield Line(path, "the replay", False, f"stopped: {type(problem).__name__}: {problem} ({where})")
        return
    for golden in context.opened:
        for name in golden.unseen():
            yield Line(path, name, False, "unknown: the replay did not look at this array")
    if count == 0:
        yield Line(path, "the replay", False, "compared nothing")


def judge(path: Path, part: str, comparison: Comparison) -> Line:
    """Measure one comparison against its limit."""
    ours, golden = np.asarray(comparison.ours), np.asarray(comparison.golden)
    rule = limit_for(part, path.name, comparison.name, golden)
    limit = str(rule.limit)
    if ours.shape != golden.shape:
        error = f"our shape is {list(ours.shape)}, the official {list(golden.shape)}"
        return Line(path, comparison.name, False, error, limit)
    if (ours.dtype.kind in "US") != (golden.dtype.kind in "US") or "O" in (ours.dtype.kind, golden.dtype.kind):
        return Line(path, comparison.name, False, f"we have {ours.dtype}, the official is {golden.dtype}", limit)
    verdict = rule.limit.judge(ours, golden)
    values = f" ({ours} instead of {golden})" if golden.ndim == 0 and not verdict.passed else ""
    return Line(path, comparison.name, verdict.passed, verdict.error + values, limit)


def check(paths: Iterable[Path], shared: Path) -> Iterator[Line]:
    """Replay every golden of these files and folders."""
    seen: set[Path] = set()
    for path in paths:
        goldens, unknown = find(path)
        yield from unknown
        for golden in goldens:
            if golden.resolve() not in seen:
                seen.add(golden.resolve())
                yield from replay(golden, shared)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the lines and return the exit status: 0 if every one is within its limit, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.parity.check", description=(__doc__ or "").split("\n\n")[1], allow_abbrev=False
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a golden file, or a folder of them")
    default = os.environ.get("SINGLEOUT_SHARED") or Path(__file__).parents[3] / "shared"
    parser.add_argument("--shared", type=Path, default=Path(default), metavar="FOLDER", help=f"default: {default}")
    given = parser.parse_args(arguments)
    heading, num_lines, failed = None, 0, []
    for line in check(given.paths, given.shared):
        if line.golden != heading:
            heading = line.golden
            print(heading)
        print(f"  {line}", flush=True)
        num_lines += 1
        if not line.passed:
            failed.append(line)
    if failed:
        print(f"\n{len(failed)} of {num_lines} lines FAILED:")
        for line in failed:
            print(f"  {line.golden}: {line.name}: {line.error}")
        return 1
    print(f"\nall {num_lines} values are within their limits")
    return 0


def _claims(module: ModuleType, path: Path) -> bool:
    try:
        return bool(module.claims(path))
    # A damaged file may be anything, and is nobody's.
    except Exception:
        return False


def _golden_of(path: Path) -> Path | None:
    for module in replayers():
        if path.suffix in (".npz", ".json") and _claims(module, path):
            return path
    for module in replayers():
        owner: Path | None = module.golden_of(path) if hasattr(module, "golden_of") else None
        if owner is not None:
            return owner
    return None


if __name__ == "__main__":
    sys.exit(main())
