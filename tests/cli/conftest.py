"""Running the program as users do, in this process or as one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from singleout.cli.main import main
from singleout.errors import InputError
from singleout.exports.native import RecordReader

MODEL = ("--model", "colour_segmenter:ColourSegmenter")


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def singleout(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Runs the program in this process; `segment` gets the small system of these tests unless a model is given."""

    def call(*words: object) -> Result:
        capfd.readouterr()
        code = main(with_model(words))
        out, err = capfd.readouterr()
        return Result(code, out, err)

    return call


def with_model(words: tuple[object, ...]) -> list[str]:
    typed = [str(word) for word in words]
    return typed + list(MODEL) if typed[:1] == ["segment"] and "--model" not in typed else typed


class Program:
    """The program as a process of its own, slowed down so that something can happen to it."""

    def __init__(self, words: tuple[object, ...], delay: float) -> None:
        here = str(Path(__file__).parent)
        paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLOUR_DELAY": str(delay)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "singleout", *with_model(words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def wait_for(self, happened: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, self.process.stderr.read() if self.process.stderr else ""
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)

    def wait_for_frames(self, out: Path, count: int) -> None:
        """Until the run has recorded this many frames."""
        self.wait_for(lambda: frames_in(out) >= count)

    def send(self, number: signal.Signals) -> Result:
        self.process.send_signal(number)
        return self.end()

    def end(self) -> Result:
        out, err = self.process.communicate(timeout=60)
        return Result(self.process.returncode, out, err)


def frames_in(out: Path) -> int:
    try:
        return len(list(RecordReader(out / ".singleout" / "records")))
    except InputError:
        return 0


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Starts the program beside the test; whatever still runs at its end is killed."""
    started: list[Program] = []

    def begin(*words: object, delay: float = 0.0) -> Program:
        started.append(Program(words, delay))
        return started[-1]

    yield begin
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts a small tmpfs, which takes root; skips the test where that is not allowed."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        asked = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False
        )
        if asked.returncode:
            pytest.skip(f"a tmpfs cannot be mounted here: {asked.stderr.strip()}")
        mounted.append(place)
        return place

    try:
        yield mount
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    finally:
        for place in mounted:
            subprocess.run(["umount", str(place)], check=True)
