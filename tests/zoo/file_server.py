"""A real HTTP server for downloads that go wrong: ranges, cut connections, pages instead of files."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit


@dataclass
class Served:
    """One address. cuts: replies that end after so many bytes, one after the other; pause: seconds per kilobyte."""

    content: bytes = b""
    status: int = 200
    kind: str = "application/octet-stream"
    ranges: bool = True
    mark: str | None = '"first"'
    states_length: bool = True
    cuts: list[int] = field(default_factory=list)
    busy: int = 0
    pause: float = 0.0
    commit: str | None = None
    query: dict[str, str] | None = None
    otherwise: str | None = None
    requests: list[dict[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, Served]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        served = self.files.get(parts.path)
        if served is None:
            return self.reply(404, b"nothing here", "text/plain", {})
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if served.query is not None and served.query.items() - asked.items():
            page = (served.otherwise or "").encode()
            return self.reply(200, page, "text/html; charset=utf-8", {})
        served.requests.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
        if served.busy:
            served.busy -= 1
            return self.reply(503, b"busy", "text/plain", {})
        self.send(served)

    def send(self, served: Served) -> None:
        headers = {"ETag": served.mark} if served.mark else {}
        if served.commit:
            headers["X-Repo-Commit"] = served.commit
        content, status = served.content, served.status
        wanted = self.headers.get("Range")
        fresh = self.headers.get("If-Range") in (None, served.mark)
        if wanted and served.ranges and fresh and status == 200:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self.reply(416, b"", "text/plain", {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        cut = served.cuts.pop(0) if served.cuts else None
        self.reply(status, content, served.kind, headers, cut=cut, served=served)

    def reply(
        self,
        status: int,
        content: bytes,
        kind: str,
        headers: dict[str, str],
        *,
        cut: int | None = None,
        served: Served | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        if served is None or served.states_length:
            self.send_header("Content-Length", str(len(content)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = content if cut is None else content[:cut]
        try:
            for start in range(0, len(sent), 1024):
                self.wfile.write(sent[start : start + 1024])
                if served is not None and served.pause:
                    self.wfile.flush()
                    time.sleep(served.pause)
        except OSError:
            self.close_connection = True
        if cut is not None:
            self.close_connection = True


class FileServer:
    """Serves `files` by path at `url`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.files: dict[str, Served] = {}

    def add(self, path: str, content: bytes = b"", **how: object) -> Served:
        self.files[path] = Served(content, **how)  # type: ignore[arg-type]
        return self.files[path]

    def add_hub_repository(self, repo: str, files: dict[str, bytes]) -> None:
        """What huggingface_hub asks for when it fetches a repository."""
        commit = "0123456789abcdef0123456789abcdef01234567"
        siblings = [{"rfilename": name} for name in files]
        about = {"id": repo, "sha": commit, "siblings": siblings, "private": False, "tags": [], "downloads": 0}
        for revision in ("main", commit):
            self.add(f"/api/models/{repo}/revision/{revision}", json.dumps(about).encode(), kind="application/json")
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for name, content in files.items()
            ]
            self.add(f"/api/models/{repo}/tree/{revision}", json.dumps(tree).encode(), kind="application/json")
            for name, content in files.items():
                self.add(
                    f"/{repo}/resolve/{revision}/{name}",
                    content,
                    mark=f'"{hashlib.sha1(content).hexdigest()}"',
                    commit=commit,
                )


@contextmanager
def running() -> Iterator[FileServer]:
    class Own(Handler):
        files: ClassVar[dict[str, Served]] = {}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    server.daemon_threads = True
    files = FileServer(server.server_address[1])
    Own.files = files.files
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
