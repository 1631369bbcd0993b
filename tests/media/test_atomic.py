from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from singleout.errors import InputError
from singleout.media.atomic import atomic_folder, atomic_path


def listing(folder: Path) -> list[str]:
    return sorted(str(entry.relative_to(folder)) for entry in folder.rglob("*"))


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Files cannot grow past `limit` bytes: the nearest thing to a full disk that needs no mount."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "tracks.tar.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".gz" and temporary.name.startswith(".")
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert listing(tmp_path) == ["new folder", "new folder/tracks.tar.gz"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_half_written_stays_behind(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    with pytest.raises(error), atomic_folder(tmp_path / "out") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text("half")
        raise error
    assert listing(tmp_path) == ["a.json"]
    assert target.read_text() == "old"


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    says = r"cannot write .*a\.bin: the disk is full"
    with full_disk(1000), pytest.raises(InputError, match=says), atomic_path(target) as temporary:
        temporary.write_bytes(bytes(5000))
    assert listing(tmp_path) == []


def test_a_read_only_folder_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    user = os.geteuid()
    try:
        # Root may write everywhere, so the test becomes someone else for a moment.
        os.seteuid(user or 65534)
        says = "cannot write .*{}: the place is read-only"
        with pytest.raises(InputError, match=says.format("a.txt")), atomic_path(folder / "a.txt"):
            pass
        with pytest.raises(InputError, match=says.format("out")), atomic_folder(folder / "out"):
            pass
    finally:
        os.seteuid(user)
    assert listing(folder) == []


def test_errors_of_other_files_keep_their_own_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "missing.txt").read_bytes()
    assert listing(tmp_path) == []


def test_a_folder_that_holds_something_is_replaced_only_if_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with atomic_folder(out) as folder:
        (folder / "1.txt").write_text("1")
    with pytest.raises(InputError, match="not empty"), atomic_folder(out):
        pass
    with pytest.raises(KeyError), atomic_folder(out, overwrite=True) as folder:
        (folder / "2.txt").write_text("2")
        raise KeyError
    assert listing(tmp_path) == ["out", "out/1.txt"]
    with atomic_folder(out, overwrite=True) as folder:
        (folder / "2.txt").write_text("2")
    assert listing(tmp_path) == ["out", "out/2.txt"]


def test_files_and_folders_are_not_taken_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a folder"), atomic_path(tmp_path):
        pass
    with pytest.raises(InputError, match="is a file"), atomic_folder(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match="not a folder"), atomic_path(tmp_path / "file" / "a.txt"):
        pass
