"""The command as tests give it, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleout.cli.main import main


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
