"""One writer per output folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from singleout.errors import BusyError
from singleout.media.atomic import write_errors


class FolderLock:
    """A lock on a file that the operating system holds for this process and drops when it ends, however it ends.

    So a run that was killed leaves no stale lock. The file stays behind and names the last holder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def acquire(self, folder: Path) -> None:
        """Take the lock. Raises BusyError where another process, or another run of this one, holds it."""
        with write_errors(self.path):
            file = self.path.open("a+", encoding="utf-8")
        try:
            _lock(file)
            # A run that found nothing to keep takes its lock file away: then this is no longer the file to hold.
            if not self.path.exists() or self.path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                raise BlockingIOError
        except OSError as error:
            file.seek(1)
            holder = file.read().strip()
            file.close()
            raise BusyError(
                f"another run is writing to {folder}{f' (process {holder})' if holder else ''}: "
                "wait until it has ended, or choose another folder"
            ) from error
        with write_errors(self.path):
            file.truncate(0)
            file.write(f" {os.getpid()}\n")
            file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        # Windows forbids reading locked bytes, so only the first one, a blank, is locked.
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
