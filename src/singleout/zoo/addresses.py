"""What kind of address a published link is, and how Google Drive's pages lead to the file itself."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

_DRIVE_HOSTS = {"drive.google.com", "docs.google.com", "drive.usercontent.google.com"}
_HUB_FILE = re.compile(r"^/(?P<repo>[^/]+/[^/]+)/(?:resolve|blob)/(?P<revision>[^/]+)/(?P<file>.+)$")


@dataclass(frozen=True)
class Address:
    """A link, understood.

    kind: ``drive`` (id is the file's), ``hub`` (repo, revision and file on the Hugging Face hub), ``plain`` (the file
    itself), or ``page`` (a page for people: a folder, a release, a share that asks to sign in).
    """

    kind: Literal["drive", "hub", "plain", "page"]
    url: str
    id: str = ""
    repo: str = ""
    revision: str = ""
    file: str = ""


def understand(url: str) -> Address:
    """The kind of a link, by its form alone; nothing is opened."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _DRIVE_HOSTS:
        in_path = re.search(r"/file/(?:u/\d+/)?d/([\w-]+)", parts.path)
        in_query = parse_qs(parts.query).get("id", [""])[0]
        found = in_path[1] if in_path else in_query
        return Address("drive", url, id=found) if found and "/folders/" not in parts.path else Address("page", url)
    if host in ("huggingface.co", "hf.co") and (on_hub := _HUB_FILE.match(parts.path)):
        return Address("hub", url, **on_hub.groupdict())
    shares = host.endswith((".sharepoint.com", "1drv.ms", "onedrive.live.com"))
    release_page = host == "github.com" and "/releases/tag/" in parts.path
    return Address("page" if shares or release_page else "plain", url)


def drive_url(file_id: str) -> str:
    """Where Google Drive hands out a file. ``SINGLEOUT_DRIVE_ENDPOINT`` names another host, such as a proxy."""
    endpoint = os.environ.get("SINGLEOUT_DRIVE_ENDPOINT", "https://drive.google.com").rstrip("/")
    return f"{endpoint}/uc?{urlencode({'id': file_id, 'export': 'download'})}"


def url_behind_page(page: str, page_url: str) -> str | None:
    """The address of the file behind Google Drive's page "can't scan this file for viruses"; None for other pages."""
    parser = _DownloadForm()
    parser.feed(page)
    if parser.action is not None:
        # A browser that sends a form by GET drops what the action's own address asks for.
        bare = urljoin(page_url, parser.action).partition("?")[0]
        return f"{bare}?{urlencode(parser.fields)}" if parser.fields else None
    return urljoin(page_url, parser.link) if parser.link else None


def reason_on_page(page: str) -> str:
    """Why Google Drive gives a page instead of the file, as far as it says so."""
    text = page.lower()
    if "quota" in text or "too many users have viewed or downloaded" in text:
        return "Google Drive's quota for this file is used up: try again in a day"
    if "sign in" in text or "accounts.google.com" in text or "request access" in text:
        return "Google Drive asks to sign in: the file is not public any more"
    return "a web page came instead of the file"


class _DownloadForm(HTMLParser):
    """Finds the form ``download-form`` with its hidden fields, or the older link that carries ``confirm=``."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.link: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at forms, their fields, and links."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and (given.get("id") == "download-form" or "/download" in given.get("action", "")):
            self.action, self._inside = given.get("action", ""), True
        elif tag == "input" and self._inside and given.get("name"):
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "a" and "confirm=" in given.get("href", ""):
            self.link = given["href"]

    def handle_endtag(self, tag: str) -> None:
        """Fields after the form are not its own."""
        if tag == "form":
            self._inside = False
