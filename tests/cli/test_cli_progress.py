"""Progress as people and logs see it, and how the second Ctrl-C works."""

from __future__ import annotations

import io
import signal
import time

import pytest

from singleout.cli.progress import Progress, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_is_rewritten():
    stream = Terminal()
    progress = Progress("street", 4, start=1, stream=stream)
    assert stream.getvalue() == "\rstreet: 1 of 4 frames (25 %), 0.0 frames/s"
    time.sleep(0.11)
    progress.step(2)
    assert "\rstreet: 3 of 4 frames (75 %), " in stream.getvalue() and " left" in stream.getvalue()
    progress.close()
    assert stream.getvalue().count("\n") == 1
    last = stream.getvalue().rsplit("\r", 1)[1]
    assert last.startswith("street: 3 of 4 frames in 0.") and "frames/s" in last


def test_a_log_gets_plain_lines_and_quiet_gets_none():
    stream = io.StringIO()
    progress = Progress("street", 4, stream=stream)
    for _ in range(4):
        progress.step()
    progress.close()
    assert stream.getvalue().startswith("street: 4 of 4 frames in ") and "\r" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1
    silent = Terminal()
    Progress("street", 4, stream=silent, quiet=True).close()
    assert silent.getvalue() == ""


@pytest.mark.parametrize(("seconds", "shown"), [(4.21, "4.2 s"), (65, "1:05"), (3665.2, "1:01:05"), (59.99, "60.0 s")])
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_a_second_ctrl_c_does_not_wait_for_the_frame(start, squares_file, tmp_path):
    program = start("segment", squares_file, "--say", "red", "--out", tmp_path / "out", delay=60)
    program.wait_for((tmp_path / "out" / ".singleout" / "records").exists)
    program.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    result = program.send(signal.SIGINT)
    assert result.code == 130 and time.monotonic() - began < 20
    assert "stopping after this frame" in result.err and "stopped: nothing is kept" in result.err
    assert not (tmp_path / "out").exists()


def test_a_frame_that_takes_too_long_is_not_waited_for(start, squares_file, tmp_path):
    program = start("segment", squares_file, "--say", "red", "--out", tmp_path / "out", delay=60)
    program.wait_for((tmp_path / "out" / ".singleout" / "records").exists)
    began = time.monotonic()
    assert program.send(signal.SIGINT).code == 130
    assert time.monotonic() - began < 30
