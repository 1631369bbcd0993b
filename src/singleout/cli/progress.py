"""Progress on stderr: one line that is rewritten on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_TERMINAL_PAUSE = 0.1
_LOG_PAUSE = 10.0


class Progress:
    """Counts the frames of one step.

    total: frames to do, None where that is not known; start: frames done before; label: what is being done.
    unit: what is counted where it is not frames.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        *,
        start: int = 0,
        quiet: bool = False,
        stream: TextIO | None = None,
        unit: str = "frames",
    ) -> None:
        self.label, self.total, self.start, self.done, self.unit = label, total, start, start, unit
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.is_terminal = self.stream.isatty()
        self.began = time.monotonic()
        self._next = self.began + (0 if self.is_terminal else _LOG_PAUSE)
        self._shown = 0
        if self.is_terminal:
            # The first frame may take a while: a search for words goes through many of them first.
            self._show(self._line(self.began))

    def step(self, frames: int = 1) -> None:
        """Some more frames are done."""
        self.done += frames
        now = time.monotonic()
        if now >= self._next:
            self._next = now + (_TERMINAL_PAUSE if self.is_terminal else _LOG_PAUSE)
            self._show(self._line(now))

    def close(self) -> None:
        """The step is over, or was cut short: leave a last line with the figures."""
        seconds = max(time.monotonic() - self.began, 1e-9)
        made = self.done - self.start
        rate = f", {self._rate(made / seconds)}" if made else ""
        self._show(f"{self.label}: {self._count()} {self.unit} in {clock(seconds)}{rate}", last=True)

    def _line(self, now: float) -> str:
        rate = (self.done - self.start) / max(now - self.began, 1e-9)
        share = left = ""
        if self.total is not None:
            share = f" ({100 * self.done // max(self.total, 1)} %)"
            left = f", {clock((self.total - self.done) / rate)} left" if rate else ""
        return f"{self.label}: {self._count()} {self.unit}{share}, {self._rate(rate)}{left}"

    def _rate(self, rate: float) -> str:
        # What takes longer than ten seconds would be 0.0.
        return f"{rate:.1f} {self.unit}/s" if rate >= 0.1 or not rate else f"{60 * rate:.1f} {self.unit}/min"

    def _count(self) -> str:
        return str(self.done) if self.total is None else f"{self.done} of {self.total}"

    def _show(self, line: str, last: bool = False) -> None:
        if self.quiet:
            return
        if self.is_terminal:
            blank = " " * max(self._shown - len(line), 0)
            self.stream.write(f"\r{line}{blank}" + ("\n" if last else ""))
            self._shown = len(line)
        else:
            self.stream.write(line + "\n")
        self.stream.flush()


def clock(seconds: float) -> str:
    """A duration as people write it: 4.2 s, 1:05, 1:01:05."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
