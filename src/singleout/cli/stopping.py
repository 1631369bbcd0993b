"""Ctrl-C as a request: the first one asks the run to stop after the frame in hand, a second one stops it at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

# A frame takes well under this; what takes longer (a search through the whole video) is not waited for.
_PATIENCE = 5.0


class StopRequest:
    """Inside ``with``, SIGINT and SIGTERM set ``asked``; a second signal, or five seconds, raise KeyboardInterrupt.

    Outside of the main thread, where Python gives no signals, it does nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}
        self._timer: threading.Timer | None = None

    @property
    def asked(self) -> bool:
        """Whether the user asked to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a program that was stopped by this signal returns: 130 for Ctrl-C."""
        return 128 + (self.signal or signal.SIGINT)

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # Whoever started us may have asked for a signal to be ignored (nohup, a shell's background job).
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        # Not print: the signal may have come in the middle of one, which does not bear another.
        os.write(2, b"\nsingleout: stopping after this frame (Ctrl-C again stops at once)\n")
        self._timer = threading.Timer(_PATIENCE, _send, (number,))
        self._timer.daemon = True
        self._timer.start()


def _send(number: int) -> None:
    if hasattr(signal, "pthread_kill"):
        # To the main thread by name: only there does a signal wake a wait for a lock.
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)
