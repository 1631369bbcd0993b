"""Getting a checkpoint of the catalogue onto this computer, once, whatever interrupts it and whoever else does so too.

Beside the file stand ``tokenizer/``, where its system reads sentences, and ``source.json``: where the file came from,
its size and the SHA-256 that was measured here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.media.atomic import atomic_path, write_errors
from singleout.systems.catalog import find_system, system_names
from singleout.zoo.addresses import drive_url, understand
from singleout.zoo.catalogue import Checkpoint
from singleout.zoo.download import DownloadError, OnBytes, download, forget_part, put_in_place
from singleout.zoo.places import is_offline
from singleout.zoo.sniff import check_is_weights
from singleout.zoo.tokenizers import TOKENIZER, copy_tokenizer, has_tokenizer, keep_tokenizer, kept_tokenizer

_RECORD = "source.json"
Say = Callable[[str], None]


def keep_quiet(message: str) -> None:
    """For callers that need not be told what takes time."""


@dataclass(frozen=True)
class Fetched:
    """A checkpoint on this computer.

    sha256 was measured here; checked says against what it was held: "sha256", "size", both, or "" where nobody states
    either. tokenizer: its folder, None where the system needs none or it could not be had.
    """

    checkpoint: Checkpoint
    path: Path
    size: int
    sha256: str
    checked: str
    tokenizer: Path | None
    was_there: bool


def fetch(
    checkpoint: Checkpoint, *, offline: bool = False, on_bytes: OnBytes | None = None, say: Say = keep_quiet
) -> Fetched:
    """The checkpoint's file in the cache, fetched if it is not there yet, and its tokenizer.

    offline: use no network, as `is_offline`. on_bytes: called with the bytes so far and in all. say: is told what takes
    time. Two processes that ask for the same file share one download. Raises InputError where it cannot be had, with
    how to put it in by hand, and where it is not what the catalogue means.
    """
    if checkpoint.kind == "folder":
        raise InputError(f"{checkpoint.name} is a page with several files: open {checkpoint.url} in a browser")
    with _alone(checkpoint.folder, say):
        found = _look(checkpoint)
        if found is None:
            if offline or is_offline():
                raise InputError(f"{checkpoint.name} is not here, and no network may be used; {by_hand(checkpoint)}")
            try:
                origin = _bring(checkpoint, on_bytes)
            except DownloadError as error:
                raise DownloadError(f"{error}; {by_hand(checkpoint)}") from error
            found = _settle(checkpoint, origin)
        return _with_tokenizer(checkpoint, found, offline or is_offline(), say)


def put_in(checkpoint: Checkpoint, file: Path, *, offline: bool = False, say: Say = keep_quiet) -> Fetched:
    """Take a file that was fetched by other means as this checkpoint; it is copied into the cache.

    Raises InputError where it is no file of weights, or not the one that the catalogue means.
    """
    if checkpoint.kind == "folder":
        raise InputError(f"{checkpoint.name} is a page with several files: put in each under its own name")
    if not file.is_file():
        raise InputError(f"{file} is not a file: give the file that you fetched for {checkpoint.name}")
    check_is_weights(file)
    with _alone(checkpoint.folder, say):
        with atomic_path(checkpoint.path) as copy:
            shutil.copyfile(file, copy)
            _check(checkpoint, copy, file)
        found = _settle(checkpoint, f"put in by hand from {file.name}")
        return _with_tokenizer(checkpoint, found, offline or is_offline(), say)


def find_fetched(checkpoint: Checkpoint) -> Path | None:
    """The checkpoint's file in the cache where it is there, whole; None where it is not."""
    return checkpoint.path if checkpoint.kind != "folder" and checkpoint.path.is_file() else None


def by_hand(checkpoint: Checkpoint) -> str:
    """How a user puts this file in without our download, as the end of a message."""
    where = f"open {checkpoint.url} in a browser"
    if checkpoint.url is None:
        where = f"ask its authors for it ({checkpoint.publisher.repository})"
    return f"to put it in by hand, {where}, then: singleout get {checkpoint.name} --file FILE"


@contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """Hold the lock of this checkpoint; the operating system drops it when the process ends, however it ends."""
    from filelock import FileLock, Timeout

    with write_errors(folder / "lock"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say("another process is fetching this checkpoint: waiting for it")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _look(checkpoint: Checkpoint) -> Fetched | None:
    """What is in the cache already, be it fetched or laid there by the user."""
    path = find_fetched(checkpoint)
    if path is None:
        return None
    record = _read_record(checkpoint)
    if record.get("bytes") == path.stat().st_size and "sha256" in record:
        checked = str(record.get("checked", ""))
        return Fetched(checkpoint, path, record["bytes"], str(record["sha256"]), checked, None, True)
    check_is_weights(path)
    _check(checkpoint, path, path)
    return _settle(checkpoint, "put in by hand")


def _bring(checkpoint: Checkpoint, on_bytes: OnBytes | None) -> str:
    """Download into place; returns the address."""
    if checkpoint.url is None:
        raise DownloadError(f"nobody publishes an address for {checkpoint.name}")
    address = understand(checkpoint.url)
    if not checkpoint.url.startswith(("http://", "https://")):
        raise DownloadError(f"{checkpoint.url} is no address of the web")
    if address.kind == "page":
        raise DownloadError(f"{checkpoint.url} is a page for people, from which nothing can be fetched automatically")
    if address.kind == "hub":
        from singleout.zoo.hub import fetch_hub_file

        fetch_hub_file(address, checkpoint.path.with_name(checkpoint.path.name + ".part"))
    else:
        from_drive = address.kind == "drive"
        url = drive_url(address.id) if from_drive else checkpoint.url
        download(
            url,
            checkpoint.path,
            address=checkpoint.url,
            size=checkpoint.size,
            behind_pages=from_drive,
            on_bytes=on_bytes,
        )
    part = checkpoint.path.with_name(checkpoint.path.name + ".part")
    try:
        check_is_weights(part, checkpoint.url)
        _check(checkpoint, part, checkpoint.url)
    except InputError as error:
        # Kept, it would be taken for a good beginning the next time.
        forget_part(checkpoint.path)
        raise DownloadError(str(error)) from error
    put_in_place(checkpoint.path)
    return checkpoint.url


def _check(checkpoint: Checkpoint, file: Path, called: Path | str) -> None:
    """Hold the file against what the catalogue knows of it. Raises InputError where they differ."""
    size = file.stat().st_size
    if checkpoint.size is not None and size != checkpoint.size:
        raise InputError(f"{called} is not {checkpoint.name}: {size} bytes, {checkpoint.size} are expected")
    expected = checkpoint.sha256 or checkpoint.sha256_starts
    if expected and not (measured := sha256_of(file)).startswith(expected):
        raise InputError(
            f"{called} is not {checkpoint.name}: its SHA-256 is {measured[: max(len(expected), 12)]}…, "
            f"{expected} is expected"
        )


def _settle(checkpoint: Checkpoint, origin: str) -> Fetched:
    """Write the record beside the file that is now in place."""
    path = checkpoint.path
    told = (("sha256", checkpoint.sha256 or checkpoint.sha256_starts), ("size", checkpoint.size))
    checked = " and ".join(name for name, value in told if value)
    size, sha256 = path.stat().st_size, sha256_of(path)
    record = {
        "name": checkpoint.name,
        "origin": origin,
        "bytes": size,
        "sha256": sha256,
        "checked": checked,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    with atomic_path(checkpoint.folder / _RECORD) as file:
        file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return Fetched(checkpoint, path, size, sha256, checked, None, False)


def _read_record(checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        record = json.loads((checkpoint.folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _with_tokenizer(checkpoint: Checkpoint, found: Fetched, offline: bool, say: Say) -> Fetched:
    if checkpoint.kind != "model" or checkpoint.system not in system_names():
        return found
    repository = find_system(checkpoint.system).tokenizer
    if repository is None:
        return found
    folder = checkpoint.folder / TOKENIZER
    if not has_tokenizer(folder):
        try:
            if offline and not has_tokenizer(kept_tokenizer(repository)):
                raise InputError(f"the tokenizer {repository} is not here, and no network may be used")
            copy_tokenizer(keep_tokenizer(repository), folder)
        except InputError as error:
            say(f"{error}; the weights are ready, but for sentences put the files of {repository} into {folder}")
            return found
    return Fetched(**{**vars(found), "tokenizer": folder})


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
