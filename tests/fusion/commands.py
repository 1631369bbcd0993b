"""The command as tests give it, and what it leaves."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from singleout.cli.main import main

_ROOT = Path(__file__).parents[2]
_APART = multiprocessing.get_context("forkserver")


def arguments(root: Path, *words: object, pipeline: str = "fuse.yaml") -> list[str]:
    """The words of the command on the data, members and pipeline of `members.write_all`."""
    return list(map(str, ["fuse", root / pipeline, "--data", root / "data", "--out", root / "out", "--quiet", *words]))


def fuse(
    capsys: pytest.CaptureFixture[str], root: Path, *words: object, code: int = 0, pipeline: str = "fuse.yaml"
) -> str:
    """Runs the command; returns what it says: stdout where it went well, else the message."""
    capsys.readouterr()
    found = main(arguments(root, *words, pipeline=pipeline))
    out, err = capsys.readouterr()
    assert found == code, err
    return out if code == 0 else err


def products(root: Path, step: str = "*") -> dict[str, int]:
    """The time at which each product was made."""
    paths = [path for path in (root / "out" / "steps").glob(f"{step}/*.*") if not path.name.startswith(".")]
    return {f"{path.parent.name}/{path.name}": path.stat().st_mtime_ns for path in paths if path.exists()}


def environment() -> dict[str, str]:
    """What a process needs that runs this code."""
    paths = [str(_ROOT / "src"), str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def ready_to_start() -> None:
    """Let processes of `start` come from one that has everything imported: starting from nothing takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        _APART.set_forkserver_preload(["tests.fusion.members", "tests.fusion.commands", "singleout.fusion.running"])
        forkserver.ensure_running()


def start(root: Path, **extra: str) -> BaseProcess:
    """The command, without its report, in a process of its own, which says what it says into ``PID.txt``.

    extra: variables that `members.slow_count` reads.
    """
    process = _APART.Process(target=_run, args=(arguments(root, "--no-report"), extra, str(root)))
    process.start()
    return process


def said(root: Path, process: BaseProcess) -> str:
    """What a process of `start` wrote."""
    path = root / f"{process.pid}.txt"
    return path.read_text() if path.exists() else ""


def _run(words: Sequence[str], extra: Mapping[str, str], root: str) -> None:
    with (Path(root) / f"{os.getpid()}.txt").open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.environ.update(extra)
    sys.exit(main(list(words)))
