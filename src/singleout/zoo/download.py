"""Getting one file over HTTP so that it can be stopped and gone on with at any time.

What has come so far is ``NAME.part`` beside the target, with ``NAME.part.json`` saying what it is a part of. The rest
is asked for by range, guarded by the server's ETag or date where it states one, so that a file that has changed
meanwhile is fetched anew instead of being glued together.
"""

from __future__ import annotations

import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from singleout.errors import InputError
from singleout.media.atomic import atomic_path, write_errors
from singleout.version import __version__
from singleout.zoo.addresses import reason_on_page, url_behind_page

_CHUNK = 1 << 18
_SECONDS = 30
_LARGEST_PAGE = 1 << 20
# In a row without a byte of progress; every byte starts the count anew.
_ATTEMPTS = 4
_GONE = {401, 403, 404, 410, 451}

OnBytes = Callable[[int, int | None], None]


class DownloadError(InputError):
    """A file that cannot be got from its address; the message says why."""


@dataclass(frozen=True)
class _Whole:
    """What the part belongs to: the address it was asked from, the size and the server's mark of this very content."""

    address: str
    size: int | None
    mark: str | None


def download(
    url: str,
    target: Path,
    *,
    address: str | None = None,
    size: int | None = None,
    behind_pages: bool = False,
    on_bytes: OnBytes | None = None,
    pause: float = 1.0,
) -> Path:
    """Fetch ``url`` into ``NAME.part`` beside target and return that path; it is complete, and not yet in place.

    address: what the file is known by where ``url`` changes from time to time; a part of another address is not gone on
    with. size: bytes expected, None where unknown. behind_pages: follow Google Drive's page of confirmation. on_bytes:
    called with the bytes so far and in all (None if unknown). pause: seconds before the second attempt, then doubled.
    Raises DownloadError for a dead link, another size, a page instead of a file, or a network that does not come back.
    """
    part = target.with_name(target.name + ".part")
    fetch = _Fetch(url, part, address=address or url, size=size, behind_pages=behind_pages, on_bytes=on_bytes)
    failures = 0
    while True:
        before = fetch.have
        try:
            if fetch.go_on():
                return part
            problem = "the connection was cut off"
        except _TryAgainError as error:
            problem = str(error)
        except (OSError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error) or type(error).__name__)
        failures = 1 if fetch.have > before else failures + 1
        if failures >= _ATTEMPTS:
            kept = f" ({fetch.have} bytes are kept: the same command goes on from there)" if fetch.have else ""
            raise DownloadError(f"{url} cannot be fetched: {problem}{kept}")
        time.sleep(pause * 2 ** (failures - 1))


class _TryAgainError(Exception):
    """Something that a second attempt may mend."""


class _Fetch:
    """One file on its way; each `go_on` is one request."""

    def __init__(
        self, url: str, part: Path, *, address: str, size: int | None, behind_pages: bool, on_bytes: OnBytes | None
    ) -> None:
        self.url, self.part, self.address, self.expected = url, part, address, size
        self.behind_pages, self.on_bytes = behind_pages, on_bytes
        self.record = part.with_name(part.name + ".json")
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    @property
    def have(self) -> int:
        """Bytes that have come so far."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def go_on(self) -> bool:
        """Ask for what is missing; whether the file is complete then."""
        whole = self._read_record()
        if whole is None:
            self.part.unlink(missing_ok=True)
        elif whole.size is not None and self.have == whole.size:
            return True
        start = self.have
        headers = {"User-Agent": f"singleout/{__version__}", "Accept-Encoding": "identity"}
        if start and whole is not None:
            headers["Range"] = f"bytes={start}-"
            if whole.mark:
                headers["If-Range"] = whole.mark
        try:
            with self.opener.open(urllib.request.Request(self.url, headers=headers), timeout=_SECONDS) as reply:
                return self._take(reply, whole, start)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:
                # The part is longer than the file is now: what came before was of another one.
                self._forget()
                raise _TryAgainError("the file has changed on the server") from error
            if error.code in _GONE:
                raise DownloadError(f"{self.url} is dead: the server answers {error.code} {error.reason}") from error
            raise _TryAgainError(f"the server answers {error.code} {error.reason}") from error

    def _take(self, reply: Any, whole: _Whole | None, start: int) -> bool:
        if reply.headers.get_content_type() == "text/html":
            self._leave_page(reply)
            return self.go_on()
        partial = reply.status == 206
        total = _total(reply, partial)
        mark = _mark(reply)
        if partial and (whole is None or (whole.size, total) == (None, None) or whole.size != total):
            self._forget()
            raise _TryAgainError("the file has changed on the server")
        if partial and not reply.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            self._forget()
            raise _TryAgainError("the server sends another range than was asked for")
        if self.expected is not None and total is not None and total != self.expected:
            self._forget()
            raise DownloadError(
                f"{self.url} is {total} bytes, {self.expected} are expected: it is not the file of the catalogue"
            )
        done = start if partial else 0
        self._check_room(total, done)
        with write_errors(self.part):
            self.part.parent.mkdir(parents=True, exist_ok=True)
            if not partial:
                # First the content goes, then its record changes: a part never stands under another file's record.
                self.part.unlink(missing_ok=True)
                with atomic_path(self.record) as record:
                    record.write_text(json.dumps(asdict(_Whole(self.address, total, mark))), encoding="utf-8")
            with self.part.open("ab") as file:
                while chunk := reply.read(_CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    if total is not None and done > total:
                        self._forget()
                        raise _TryAgainError("the server sends more than it says")
                    if self.on_bytes:
                        self.on_bytes(done, total)
        return total is None or done == total

    def _leave_page(self, reply: Any) -> None:
        page = reply.read(_LARGEST_PAGE).decode("utf-8", errors="replace")
        behind = url_behind_page(page, reply.url) if self.behind_pages else None
        if behind is None or behind == self.url:
            reason = reason_on_page(page) if self.behind_pages else "a web page came instead of the file"
            raise DownloadError(f"{self.url} gives no file: {reason}")
        self.url, self.behind_pages = behind, False

    def _check_room(self, total: int | None, done: int) -> None:
        folder = next(parent for parent in self.part.parents if parent.exists())
        if total is not None and total - done > (free := shutil.disk_usage(folder).free):
            raise InputError(f"{self.part.parent} has {free >> 20} MB free, {(total - done) >> 20} MB are needed")

    def _read_record(self) -> _Whole | None:
        try:
            whole = _Whole(**json.loads(self.record.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        wrong = self.expected is not None and whole.size is not None and whole.size != self.expected
        return whole if whole.address == self.address and not wrong else None

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)


def forget_part(target: Path) -> None:
    """Remove what a download of target has left."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)


def put_in_place(target: Path) -> None:
    """The complete part takes its place."""
    with write_errors(target):
        target.with_name(target.name + ".part").replace(target)
    forget_part(target)


def _total(reply: Any, partial: bool) -> int | None:
    stated = (
        reply.headers.get("Content-Range", "").rpartition("/")[2] if partial else reply.headers.get("Content-Length")
    )
    return int(stated) if stated and str(stated).isdigit() else None


def _mark(reply: Any) -> str | None:
    etag: str | None = reply.headers.get("ETag")
    dated: str | None = reply.headers.get("Last-Modified")
    # A weak ETag promises the same meaning, not the same bytes.
    return etag if etag and not etag.startswith("W/") else dated
