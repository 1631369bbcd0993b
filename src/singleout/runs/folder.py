"""The output folder of one run: a fingerprint of what it belongs to, a lock, and a list of the files made in it.

``run.json`` holds what the run is (``identity``, hashed as ``fingerprint``), what it was made from (``input``), its
``status`` (running, segmented, finished), ``files``, the paths of everything made, by product, and ``making``, the
products under way. The folder ``.singleout`` holds the lock, the records of a run and the state that it can go on from.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from singleout.errors import InputError
from singleout.media.atomic import atomic_path, write_errors
from singleout.runs.lock import FolderLock
from singleout.version import __version__

RUN_FILE = "run.json"
STATE_FOLDER = ".singleout"
RUN_FORMAT = 1


def fingerprint_of(identity: Mapping[str, Any]) -> str:
    """A hash of everything that decides the tracks of a run."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def read_run(folder: Path) -> dict[str, Any] | None:
    """The contents of ``run.json``, or None where there is none. Raises InputError for one that is not ours."""
    path = folder / RUN_FILE
    try:
        run: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise InputError(f"{folder} is a file: give the name of a folder") from None
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: it belongs to someone else; choose another folder") from error
    except (ValueError, OSError) as error:
        raise InputError(f"{path} is not a run of singleout or is damaged: choose another folder") from error
    needed = {"fingerprint": str, "status": str, "singleout": str, "identity": dict, "files": dict, "making": dict}
    whole = isinstance(run, dict) and all(isinstance(run.get(name), kind) for name, kind in needed.items())
    if not whole or run.get("format") != RUN_FORMAT:
        raise InputError(f"{path} is not a run of this version of singleout: choose another folder")
    found: dict[str, Any] = run
    return found


def files_in(path: Path) -> list[Path]:
    """The file itself, or all files under a folder; none where there is neither."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if not file.is_dir())
    return [path] if path.exists() or path.is_symlink() else []


class RunFolder:
    """An output folder that this run alone writes to, from ``with`` to its end.

    identity: what decides the tracks, as JSON sections (``video``, ``prompts``, ``model``, ``settings``). about: what
    else ``run.json`` should tell of the input. targets: the names of files and folders that the run may make.

    Raises InputError where the folder holds another run (unless overwrite), files of these names that singleout did
    not make, or cannot be written; BusyError where another run is writing to it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        identity: Mapping[str, Any],
        *,
        about: Mapping[str, Any] | None = None,
        targets: Iterable[str] = (),
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.identity = json.loads(json.dumps(identity))
        self.about = dict(about or {})
        self.targets = list(targets)
        self.overwrite = overwrite
        self.state = self.path / STATE_FOLDER
        self.run: dict[str, Any] = {}
        self._lock = FolderLock(self.state / "lock")
        self._made: list[Path] = []

    @property
    def status(self) -> str:
        """running, segmented (the tracks are complete) or finished (everything that was asked is there)."""
        return str(self.run["status"])

    def __enter__(self) -> RunFolder:
        before = read_run(self.path)
        self._refuse_other(before)
        self._refuse_foreign(before)
        with write_errors(self.state / "lock"):
            for folder in (*reversed(self.path.parents), self.path, self.state):
                if not folder.exists():
                    folder.mkdir(exist_ok=True)
                    self._made.append(folder)
        try:
            self._lock.acquire(self.path)
            self._start(read_run(self.path))
        except BaseException:
            self._lock.release()
            self._remove_made()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None and self.status == "running" and not self.has_progress:
                self._delete(self._own_files())
                self._delete([RUN_FILE])
                shutil.rmtree(self.state, ignore_errors=True)
                self._remove_made()
        finally:
            self._lock.release()

    @property
    def has_progress(self) -> bool:
        """Whether anything was kept that a later run can go on from."""
        return (self.state / "token").exists()

    def has(self, product: str) -> bool:
        """Whether a product was made and all its files are still there."""
        files = self.run["files"].get(product)
        return bool(files) and all((self.path / name).is_file() for name in files)

    def clear(self, product: str) -> None:
        """Delete what is left of a product, so that it can be made again."""
        self._delete(self.run["files"].pop(product, []))

    def add(self, product: str, files: Iterable[Path]) -> None:
        """Note the files of a product, which are singleout's own from now on; no files where it could not be made."""
        self._note(product, files)
        self.run["making"].pop(product, None)
        self.write()

    def target(self, product: str, name: str) -> Path:
        """Where a product goes, to be written whole (`media.atomic`) and then noted with `add`.

        Raises InputError where something that singleout did not make is in the way.
        """
        self._refuse_foreign(self.run, [name])
        self.clear(product)
        # Noted first: a run that is killed between the making and the noting must know its own file again.
        self.run["making"][product] = name
        self.write()
        return self.path / name

    def set_status(self, status: str, **facts: Any) -> None:
        """Move on, and note facts (such as the seconds that it took) beside the status."""
        self.run.update(facts, status=status)
        self.write()

    def write(self) -> None:
        """Write ``run.json``."""
        with atomic_path(self.path / RUN_FILE) as temporary:
            temporary.write_text(json.dumps(self.run, indent=1) + "\n", encoding="utf-8")

    def _start(self, before: dict[str, Any] | None) -> None:
        for partial in (*self.path.glob(".*.partial*"), *self.path.glob("*/.*.partial*")):
            # Left by a run that was killed; the lock says that nobody is writing them now.
            shutil.rmtree(partial, ignore_errors=True) if partial.is_dir() else partial.unlink(missing_ok=True)
        fingerprint = fingerprint_of(self.identity)
        if before is not None:
            self.run = before
            for product, name in self.run["making"].items():
                self._note(product, files_in(self.path / name))
            self.run["making"] = {}
            same = before["fingerprint"] == fingerprint
            stale = before["status"] == "running" and before["singleout"] != __version__
            if same and not stale and not self.overwrite:
                return
            self._delete(self._own_files())
            self._delete([f"{STATE_FOLDER}/token", f"{STATE_FOLDER}/records"])
        self.run = {
            "format": RUN_FORMAT,
            "singleout": __version__,
            "status": "running",
            "fingerprint": fingerprint,
            "identity": self.identity,
            "input": self.about,
            "files": {},
            "making": {},
        }
        self.write()

    def _note(self, product: str, files: Iterable[Path]) -> None:
        names = sorted(file.relative_to(self.path).as_posix() for file in files)
        if names:
            self.run["files"][product] = names

    def _refuse_other(self, before: dict[str, Any] | None) -> None:
        if before is None or self.overwrite or before["fingerprint"] == fingerprint_of(self.identity):
            return
        theirs = before["identity"]
        other = [name for name, value in self.identity.items() if theirs.get(name) != value]
        raise InputError(
            f"{self.path} holds another run (other {' and '.join(other) or 'settings'}): choose another folder, "
            "or replace that run with --overwrite"
        )

    def _refuse_foreign(self, before: dict[str, Any] | None, targets: Iterable[str] | None = None) -> None:
        run = before or {"files": {}, "making": {}}
        ours = {name for names in run["files"].values() for name in names}
        for target in self.targets if targets is None else targets:
            if target in run["making"].values():
                continue
            for file in files_in(self.path / target):
                if file.relative_to(self.path).as_posix() not in ours:
                    raise InputError(
                        f"{file} is in the way and was not made by this run: move it, or choose another folder "
                        "(--overwrite only replaces what singleout made)"
                    )

    def _own_files(self) -> list[str]:
        return [name for names in self.run.get("files", {}).values() for name in names]

    def _delete(self, names: Iterable[str]) -> None:
        folders: set[Path] = set()
        root = self.path.resolve()
        for name in names:
            path = self.path / name
            # run.json can be edited by anyone: it must never make us delete something outside of its folder.
            if not path.parent.resolve().is_relative_to(root):
                continue
            with write_errors(path):
                path.unlink(missing_ok=True)
            folders.update(parent for parent in path.parents if parent != self.path and self.path in parent.parents)
        for folder in sorted(folders, key=lambda one: -len(one.parts)):
            if folder.is_dir() and folder != self.state and not any(folder.iterdir()):
                folder.rmdir()

    def _remove_made(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True) if self.state in self._made else None
        for folder in reversed(self._made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
