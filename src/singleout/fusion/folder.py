"""An output folder that several processes write to at the same time, one product each, without waiting for another.

Locks are held by the operating system (`runs.lock`), so that those of a process that was killed are gone with it; their
files are taken away as well, by whoever held them or by the next one who comes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from singleout.errors import BusyError, InputError
from singleout.exports.layout import dump, read_json, text_file
from singleout.media.atomic import write_errors
from singleout.runs.folder import STATE_FOLDER
from singleout.runs.lock import FolderLock

PIPELINE_FILE, STEPS_FOLDER = "pipeline.json", "steps"
_FORMAT = 1
_PATIENCE, _PAUSE = 30.0, 0.02


class SharedFolder:
    """The folder, from ``with`` to its end. identity: tells pipelines apart.

    Raises BusyError where a process is at work on it with another pipeline, InputError where the folder holds something
    that singleout did not make, or cannot be written.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self._state = path / STATE_FOLDER
        self._runners, self._units = self._state / "runners", self._state / "units"
        self._mine = FolderLock(self._runners / f"{os.getpid()}-{secrets.token_hex(4)}")

    def __enter__(self) -> SharedFolder:
        with write_errors(self._state / "door"):
            if self.path.exists() and not self.path.is_dir():
                raise InputError(f"{self.path} is a file: give the name of a folder")
            if self.path.is_dir() and any(self.path.iterdir()) and not self._is_ours():
                raise InputError(f"{self.path} holds other things: give a folder that is empty or of an earlier run")
            self._state.mkdir(parents=True, exist_ok=True)
        with self._door():
            others = self._living()
            before = self._before()
            if others and before != self.identity:
                raise BusyError(
                    f"another process is at work on {self.path} with another pipeline or other settings: wait until it "
                    "has ended, or choose another folder"
                )
            if not others:
                self._tidy()
            if before != self.identity:
                with text_file(self.path / PIPELINE_FILE) as file:
                    file.write(dump({"format": _FORMAT, "identity": self.identity}) + "\n")
            with write_errors(self._mine.path):
                self._runners.mkdir(exist_ok=True)
                self._units.mkdir(exist_ok=True)
            self._mine.acquire(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, BusyError), self._door():
            _let_go(self._mine)
            if not self._living():
                shutil.rmtree(self._units, ignore_errors=True)
                with suppress(OSError):
                    self._runners.rmdir()
        self._mine.release()

    @contextmanager
    def unit(self, name: str) -> Iterator[bool]:
        """Hold one product for as long as the block lasts; False where another process holds it."""
        lock = FolderLock(self._units / f"{name}.lock")
        try:
            lock.acquire(self.path)
        except BusyError:
            yield False
            return
        try:
            yield True
        finally:
            _let_go(lock)

    def _is_ours(self) -> bool:
        return (self.path / PIPELINE_FILE).is_file() or not any(
            entry for entry in self.path.iterdir() if entry.name != STATE_FOLDER and not entry.name.startswith(".")
        )

    @contextmanager
    def _door(self) -> Iterator[None]:
        """Held for a moment by who comes and goes."""
        lock = FolderLock(self._state / "door")
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                lock.acquire(self.path)
                break
            except BusyError:
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)
        try:
            yield
        finally:
            _let_go(lock)

    def _living(self) -> bool:
        """Whether another process is at work; what the dead left is taken away."""
        found = False
        for path in self._runners.glob("*"):
            if path == self._mine.path:
                continue
            lock = FolderLock(path)
            try:
                lock.acquire(self.path)
            except BusyError:
                found = True
            else:
                _let_go(lock)
        return found

    def _before(self) -> str | None:
        path = self.path / PIPELINE_FILE
        if not path.is_file():
            return None
        content = read_json(path)
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise InputError(f"{path} is not of this version of singleout: choose another folder")
        return str(content.get("identity"))

    def _tidy(self) -> None:
        """Take away what processes that were killed left half-written."""
        shutil.rmtree(self._units, ignore_errors=True)
        for partial in self.path.rglob(".*.partial*"):
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)


def _let_go(lock: FolderLock) -> None:
    # While it is held: who opened the file meanwhile finds that it is no longer the one to hold.
    with suppress(OSError):
        lock.path.unlink(missing_ok=True)
    lock.release()
