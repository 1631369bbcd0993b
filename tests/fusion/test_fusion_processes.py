"""Runs of a pipeline as processes of their own: killed, sharing, in each other's way, on a full disk, without torch."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fusion.commands import arguments, fuse, products
from tests.fusion.members import PIPELINE, VIDEOS, write_all

from singleout.cli.main import main

ROOT = Path(__file__).parents[2]


def environment(delay: float = 0.0) -> dict[str, str]:
    paths = [str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "VOTE_DELAY": str(delay), "OMP_NUM_THREADS": "1"}


def run_code(code: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    typed = [sys.executable, "-c", code, *words]
    return subprocess.run(typed, check=False, capture_output=True, text=True, env=environment())


def start(root: Path, delay: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "singleout", *arguments(root, "--no-report")]
    return subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(delay))


def locks(root: Path) -> list[Path]:
    return [path for path in (root / "out" / ".singleout").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """More videos, and what an undisturbed run makes of them."""
    root = tmp_path_factory.mktemp("many")
    write_all(root, [f"{name}{number}" for name in VIDEOS for number in range(2)])
    assert main([*arguments(root), "--out", str(root / "whole"), "--no-report"]) == 0
    return root, (root / "whole" / "submission" / "submission.zip").read_bytes()


def test_a_run_that_is_killed_anywhere_ends_with_the_same_bytes(many):
    root, whole = many
    shutil.rmtree(root / "out", ignore_errors=True)
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    steps = 9 * 6
    for kill in range(10):
        process = start(root, delay=0.004)
        target = moments.randrange((kill + 1) * steps // 11 + 1)
        until = time.monotonic() + 60
        while len(products(root)) < target and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(moments.random() * 0.03)
        process.kill()
        process.communicate()
    last = start(root, delay=0)
    _, err = last.communicate(timeout=60)
    assert last.returncode == 0, f"seed {seed}: {err}"
    assert (root / "out" / "submission" / "submission.zip").read_bytes() == whole, f"seed {seed}"
    assert not locks(root)
    assert not list((root / "out").rglob("*partial*"))


def test_two_processes_share_the_work_and_leave_no_lock(many):
    root, whole = many
    shutil.rmtree(root / "out", ignore_errors=True)
    both = [start(root, delay=0.02) for _ in range(2)]
    said = [process.communicate(timeout=100) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert (root / "out" / "submission" / "submission.zip").read_bytes() == whole
    assert not locks(root)


def test_another_pipeline_waits_for_the_one_at_work(many, capsys):
    root, _ = many
    shutil.rmtree(root / "out", ignore_errors=True)
    process = start(root, delay=0.1)
    while not (root / "out" / "steps" / "first").is_dir() and process.poll() is None:
        time.sleep(0.01)
    (root / "other.yaml").write_text(PIPELINE.replace("at_least: 2", "at_least: 3"))
    assert "is at work on" in fuse(capsys, root, pipeline="other.yaml", code=2)
    process.kill()
    process.communicate()
    fuse(capsys, root, "--no-report", pipeline="other.yaml")
    assert not locks(root)


def test_a_full_disk_is_one_clear_line_and_what_was_done_is_kept(root, capsys):
    fuse(capsys, root, "--step", "one")
    before = products(root, "one")
    code = (
        "import resource, signal, sys\n"
        "from singleout.cli.main import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = run_code(code, arguments(root))
    assert done.returncode == 2, done.stderr
    assert "the disk is full" in done.stderr and done.stderr.count("\n") == 1
    assert products(root, "one") == before
    assert not list((root / "out").rglob("*partial*"))
    fuse(capsys, root)


def test_no_torch_is_needed_for_members_votes_and_export(root):
    (root / "light.yaml").write_text(PIPELINE.replace("of: [carried, first, two]", "of: [one, first, two]"))
    code = (
        "import sys\n"
        "from singleout.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "sys.exit(code or 3 * ('torch' in sys.modules))\n"
    )
    text = (
        (root / "light.yaml")
        .read_text()
        .replace("tests.fusion.members:slow_count", "count")
        .replace("at_least", "at-least")
    )
    (root / "light.yaml").write_text(text)
    done = run_code(code, arguments(root, pipeline="light.yaml"))
    assert done.returncode == 0, done.stderr
