"""Runs of a pipeline as processes of their own: killed, sharing, in each other's way, on a full disk, without torch."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.fusion.commands import arguments, environment, fuse, products, ready_to_start, said, start
from tests.fusion.members import FRAMES, PIPELINE, VIDEOS, write_all

from singleout.cli.main import main


def run_code(code: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    typed = [sys.executable, "-c", code, *words]
    return subprocess.run(typed, check=False, capture_output=True, text=True, env=environment())


def locks(root: Path) -> list[Path]:
    return [path for path in (root / "out" / ".singleout").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """More videos, and what an undisturbed run makes of them."""
    ready_to_start()
    root = tmp_path_factory.mktemp("many")
    write_all(root, [f"{name}{number}" for name in VIDEOS for number in range(2)])
    assert main([*arguments(root), "--out", str(root / "whole"), "--no-report"]) == 0
    return root, (root / "whole" / "submission" / "submission.zip").read_bytes()


def test_a_run_that_is_killed_anywhere_ends_with_the_same_bytes(many):
    root, whole = many
    shutil.rmtree(root / "out", ignore_errors=True)
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    made, at_work, total = [0], 0, 9 * 6
    for kill in range(10):
        process = start(root, VOTE_DELAY="0.004")
        # Some products after those that are there: each kill comes to another place, and all come before the end.
        target = made[-1] + moments.randint(1, max(1, (total - made[-1]) // (11 - kill)))
        until = time.monotonic() + 60
        while len(products(root)) < target and process.is_alive() and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(moments.random() * 0.01)
        at_work += process.is_alive()
        process.kill()
        process.join()
        made.append(len(products(root)))
    assert at_work >= 7, f"seed {seed}: {made}"
    assert made == sorted(made), f"seed {seed}: what was done is lost, {made}"
    left = {name: time for name, time in products(root).items() if not name.startswith("submission/")}
    last = start(root)
    last.join(60)
    assert last.exitcode == 0, f"seed {seed}: {said(root, last)}"
    assert (root / "out" / "submission" / "submission.zip").read_bytes() == whole, f"seed {seed}"
    assert left.items() <= products(root).items(), f"seed {seed}: what was done was made again"
    assert not locks(root)
    assert not list((root / "out").rglob("*partial*"))


def test_two_processes_share_the_work_and_leave_no_lock(many):
    root, whole = many
    shutil.rmtree(root / "out", ignore_errors=True)
    log = root / "votes.txt"
    log.touch()
    # No vote is cast before both processes have come to one, each of another video.
    both = [start(root, VOTE_LOG=str(log)) for _ in range(2)]
    for process in both:
        process.join(100)
    assert [process.exitcode for process in both] == [0, 0], [said(root, process) for process in both]
    votes = log.read_text().split()
    assert set(votes) == {str(process.pid) for process in both}
    assert len(votes) == 2 * len(FRAMES) * sum(len(set(objects)) for objects in VIDEOS.values()), "each vote once"
    assert (root / "out" / "submission" / "submission.zip").read_bytes() == whole
    assert not locks(root)


def test_another_pipeline_waits_for_the_one_at_work(many, capsys):
    root, _ = many
    shutil.rmtree(root / "out", ignore_errors=True)
    process = start(root, VOTE_DELAY="0.1")
    while not (root / "out" / "steps" / "first").is_dir() and process.is_alive():
        time.sleep(0.01)
    (root / "other.yaml").write_text(PIPELINE.replace("at_least: 2", "at_least: 3"))
    assert "is at work on" in fuse(capsys, root, pipeline="other.yaml", code=2)
    process.kill()
    process.join()
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
