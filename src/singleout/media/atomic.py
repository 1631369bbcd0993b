"""Writing files and folders so that they are there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from singleout.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
# File systems allow 255 bytes in a name; the random part and the marker take some of them.
_LONGEST_STEM = 180


@contextmanager
def write_errors(target: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a full disk or a place that cannot be written, met inside the block, into one line about `target`.

    Raises InputError for those; every other error passes as it is.
    """
    path = Path(target)
    try:
        yield
    except OSError as error:
        message = _write_message(path, error)
        if message is None:
            raise
        raise InputError(message) from error


@contextmanager
def atomic_path(target: str | os.PathLike[str], suffix: str | None = None) -> Iterator[Path]:
    """A temporary file beside `target`, which takes its place if the block ends well and vanishes if not.

    The temporary name is hidden and ends in `suffix`, or in the target's own suffix, because many writers
    choose the format by it. Missing folders above the target are made. An existing target stays until it is
    replaced in one step, whatever goes wrong, Ctrl-C included. Raises InputError where the disk is full, the
    folder cannot be written, or the target is a folder.
    """
    path = Path(target)
    with write_errors(path):
        if path.is_dir():
            raise InputError(f"{path} is a folder: give the name of a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _hidden_name(path, path.suffix if suffix is None else suffix)
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(target: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder beside `target`, which takes its place if the block ends well and vanishes if not.

    A target that holds something is refused unless `overwrite`; then it is replaced, and kept where the block
    fails. Raises InputError where it is refused, the disk is full or the place cannot be written.
    """
    path = Path(target)
    with write_errors(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file: give the name of a folder")
        if path.is_dir() and not overwrite and any(path.iterdir()):
            raise InputError(f"the folder {path} is not empty: give another one, or ask to overwrite it")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, old = _hidden_name(path, ""), _hidden_name(path, "")
        try:
            temporary.mkdir()
            yield temporary
            if path.is_dir():
                path.rename(old)
            temporary.rename(path)
        except BaseException:
            if old.is_dir() and not path.exists():
                old.rename(path)
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)


def _hidden_name(path: Path, suffix: str) -> Path:
    stem = path.name[: -len(path.suffix)] if path.suffix else path.name
    short = os.fsdecode(os.fsencode(stem.lstrip("."))[:_LONGEST_STEM])
    return path.with_name(f".{short}.{secrets.token_hex(4)}.partial{suffix}")


def _write_message(path: Path, error: OSError) -> str | None:
    if error.errno in _FULL:
        return f"cannot write {path}: the disk is full; free some space or write to another place"
    about = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else None
    here = about is None or Path(about).is_relative_to(path.parent) or path.is_relative_to(about)
    if error.errno in _FORBIDDEN and here:
        return f"cannot write {path}: the place is read-only or belongs to someone else; choose another one"
    if here and isinstance(error, (NotADirectoryError, FileExistsError)):
        return f"cannot write {path}: {about or path.parent} is a file, not a folder"
    if isinstance(error, FileNotFoundError) and not path.parent.exists():
        return f"cannot write {path}: the folder {path.parent} cannot be made"
    if error.errno == errno.ENAMETOOLONG:
        return f"cannot write {path}: the name is too long; give a shorter one"
    return None
