"""Getting files from a real server that behaves badly."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from tests.zoo.file_server import FileServer

from singleout.errors import InputError
from singleout.zoo import Checkpoint, fetch, find_checkpoint, put_in
from singleout.zoo.addresses import understand
from singleout.zoo.download import DownloadError, download
from singleout.zoo.fetching import sha256_of

PUBLISHER = find_checkpoint("mutr/resnet-50").publisher
CONTENT = bytes(range(256)) * 300


def weights_bytes(values: int = 30_000) -> bytes:
    file = io.BytesIO()
    torch.save({"model": {"weight": torch.arange(values, dtype=torch.float32)}}, file)
    return file.getvalue()


def checkpoint(url: str | None, **facts: object) -> Checkpoint:
    given = {"kind": "model", "trained": "nothing", "file": "tiny.pth", **facts}
    return Checkpoint("acme/tiny", publisher=PUBLISHER, url=url, **given)


def get(server: FileServer, to: Path, **how: object) -> Path:
    return download(f"{server.url}/file", to / "file", pause=0.0, **how)


def test_a_file_comes_whole(server, tmp_path):
    server.add("/file", CONTENT)
    seen: list[tuple[int, int | None]] = []
    part = get(server, tmp_path, on_bytes=lambda done, total: seen.append((done, total)))
    assert part.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_cut_connection_goes_on_by_range(server, tmp_path):
    served = server.add("/file", CONTENT, cuts=[20_000, 30_000])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [one.get("range") for one in served.requests] == [None, "bytes=20000-", "bytes=50000-"]
    assert served.requests[1]["if-range"] == '"first"'


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    served = server.add("/file", CONTENT, cuts=[20_000], ranges=False)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(served.requests) == 2


def test_a_file_that_changed_meanwhile_is_not_glued_together(server, tmp_path):
    served = server.add("/file", CONTENT, cuts=[20_000, 0, 0, 0, 0])
    with pytest.raises(DownloadError, match="cut off"):
        get(server, tmp_path)
    assert (tmp_path / "file.part").stat().st_size == 20_000
    served.content, served.mark, served.cuts = CONTENT[::-1], '"second"', []
    assert get(server, tmp_path).read_bytes() == CONTENT[::-1]


def test_a_shorter_file_than_the_part_is_fetched_anew(server, tmp_path):
    served = server.add("/file", CONTENT, cuts=[20_000, 0, 0, 0, 0], mark=None)
    with pytest.raises(DownloadError):
        get(server, tmp_path)
    served.content, served.cuts = CONTENT[:5000], []
    assert get(server, tmp_path).read_bytes() == CONTENT[:5000]


def test_a_part_of_another_address_is_not_gone_on_with(server, tmp_path):
    server.add("/file", CONTENT, cuts=[20_000, 0, 0, 0, 0])
    with pytest.raises(DownloadError, match="20000 bytes are kept"):
        get(server, tmp_path)
    server.add("/another", CONTENT[::-1])
    got = download(f"{server.url}/another", tmp_path / "file", pause=0.0)
    assert got.read_bytes() == CONTENT[::-1]


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.add("/file", CONTENT, busy=2)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_length_that_nobody_states_is_taken_as_it_comes(server, tmp_path):
    server.add("/file", CONTENT, states_length=False, mark=None)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_another_size_is_refused_before_it_is_fetched(server, tmp_path):
    server.add("/file", CONTENT)
    with pytest.raises(DownloadError, match=f"is {len(CONTENT)} bytes, 17 are expected"):
        get(server, tmp_path, size=17)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_dead_link_says_how_to_put_the_file_in(server, cache, status):
    server.add("/tiny.pth", b"gone", status=status)
    with pytest.raises(InputError) as told:
        fetch(checkpoint(f"{server.url}/tiny.pth"))
    assert f"answers {status}" in str(told.value)
    assert "singleout get acme/tiny --file FILE" in str(told.value)
    assert "\n" not in str(told.value)


def test_nobody_at_the_address(tmp_path):
    with pytest.raises(DownloadError, match="cannot be fetched"):
        download("http://127.0.0.1:9/file", tmp_path / "file", pause=0.0)


def test_a_page_instead_of_a_file(server, cache):
    server.add("/tiny.pth", b"<html>please sign in</html>", kind="text/html")
    with pytest.raises(InputError, match="a web page came instead of the file"):
        fetch(checkpoint(f"{server.url}/tiny.pth"))
    server.add("/tiny.pth", b"<!doctype html><html>please sign in</html>")
    with pytest.raises(InputError, match="is a web page, not weights"):
        fetch(checkpoint(f"{server.url}/tiny.pth"))
    assert not list(cache.rglob("*.part")), "a page is no beginning of a file"


FORM = """<html><form id="download-form" action="{action}" method="get">
<input type="submit" value="Download anyway"><input type="hidden" name="id" value="abc">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="1-2"></form></html>"""
LINK = '<html><a id="uc-download-link" href="/uc?export=download&amp;confirm=x9&amp;id=abc">Download anyway</a></html>'


def test_google_drive_asks_for_confirmation_by_a_form(server, cache, monkeypatch):
    content = weights_bytes()
    monkeypatch.setenv("SINGLEOUT_DRIVE_ENDPOINT", server.url)
    page = FORM.format(action=f"{server.url}/download")
    server.add("/uc", page.encode(), kind="text/html")
    served = server.add("/download", content, query={"confirm": "t", "uuid": "1-2", "id": "abc"}, cuts=[40_000])
    got = fetch(checkpoint("https://drive.google.com/file/d/abc/view?usp=sharing"))
    assert got.path.read_bytes() == content
    assert served.requests[1]["range"] == "bytes=40000-"


def test_google_drive_asks_for_confirmation_by_a_link(server, cache, monkeypatch):
    monkeypatch.setenv("SINGLEOUT_DRIVE_ENDPOINT", server.url)
    content = weights_bytes()
    server.add("/uc", content, query={"confirm": "x9", "id": "abc"}, otherwise=LINK)
    assert fetch(checkpoint("https://drive.google.com/open?id=abc")).path.read_bytes() == content


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("<html>Too many users have viewed or downloaded this file recently</html>", "quota"),
        ("<html><a href='https://accounts.google.com'>Sign in</a></html>", "asks to sign in"),
        ("<html>hello</html>", "a web page came instead"),
    ],
)
def test_google_drive_gives_no_file(server, cache, monkeypatch, page, reason):
    monkeypatch.setenv("SINGLEOUT_DRIVE_ENDPOINT", server.url)
    server.add("/uc", page.encode(), kind="text/html; charset=utf-8")
    with pytest.raises(InputError, match=reason) as told:
        fetch(checkpoint("https://drive.google.com/file/d/abc/view"))
    assert "--file FILE" in str(told.value)


def test_kinds_of_addresses():
    kinds = {
        "https://drive.google.com/file/d/1AbC-_9/view?usp=sharing": ("drive", "1AbC-_9"),
        "https://drive.google.com/uc?id=1AbC&export=download": ("drive", "1AbC"),
        "https://drive.google.com/drive/folders/19tV2?usp=sharing": ("page", ""),
        "https://drive.google.com/drive/u/0/folders/1QW": ("page", ""),
        "https://x-my.sharepoint.com/:f:/g/personal/y/Z?e=1": ("page", ""),
        "https://github.com/a/b/releases/tag/v1": ("page", ""),
        "https://github.com/a/b/releases/download/v1/c.pth": ("plain", ""),
    }
    assert {url: (understand(url).kind, understand(url).id) for url in kinds} == kinds
    hub = understand("https://huggingface.co/acme/tiny/resolve/main/sub/model.pth")
    assert (hub.kind, hub.repo, hub.revision, hub.file) == ("hub", "acme/tiny", "main", "sub/model.pth")


def test_a_checkpoint_is_fetched_once_and_recorded(server, cache):
    content = weights_bytes()
    served = server.add("/tiny.pth", content)
    first = fetch(checkpoint(f"{server.url}/tiny.pth"))
    again = fetch(checkpoint(f"{server.url}/tiny.pth"))
    assert (first.was_there, again.was_there) == (False, True)
    assert again.sha256 == first.sha256 == sha256_of(first.path)
    assert len(served.requests) == 1
    record = json.loads((first.path.parent / "source.json").read_text())
    assert (record["bytes"], record["origin"]) == (len(content), f"{server.url}/tiny.pth")
    assert {file.name for file in first.path.parent.iterdir()} == {"tiny.pth", "source.json", "lock"}


def test_what_is_published_of_a_file_is_held_against_it(server, cache, tmp_path):
    content = weights_bytes()
    (tmp_path / "mine.pth").write_bytes(content)
    right = sha256_of(tmp_path / "mine.pth")
    server.add("/tiny.pth", content)
    url = f"{server.url}/tiny.pth"
    for wrong in ({"sha256": "0" * 64}, {"sha256_starts": "00000000"}, {"size": len(content) + 1}):
        with pytest.raises(InputError, match="expected"):
            fetch(checkpoint(url, **wrong))
        with pytest.raises(InputError, match=r"mine\.pth is not acme/tiny"):
            put_in(checkpoint(url, **wrong), tmp_path / "mine.pth")
        assert not list(cache.rglob("tiny.pth*"))
    assert fetch(checkpoint(url, sha256_starts=right[:8], size=len(content))).checked == "sha256 and size"


def test_offline_and_without_an_address(server, cache, monkeypatch, tmp_path):
    server.add("/tiny.pth", weights_bytes())
    with pytest.raises(InputError, match=r"nobody publishes an address.*ask its authors"):
        fetch(checkpoint(None))
    with pytest.raises(InputError, match="is no address of the web"):
        fetch(checkpoint(f"file://{tmp_path}/mine.pth"))
    with pytest.raises(InputError, match="is a page for people"):
        fetch(checkpoint("https://x-my.sharepoint.com/:f:/g/personal/y/Z"))
    monkeypatch.setenv("SINGLEOUT_OFFLINE", "1")
    with pytest.raises(InputError, match="no network may be used; to put it in by hand"):
        fetch(checkpoint(f"{server.url}/tiny.pth"))
    mine = tmp_path / "mine.pth"
    mine.write_bytes(weights_bytes())
    assert put_in(checkpoint(None), mine).path.read_bytes() == mine.read_bytes()
    assert fetch(checkpoint(None)).was_there
    monkeypatch.setenv("SINGLEOUT_OFFLINE", "perhaps")
    with pytest.raises(InputError, match="SINGLEOUT_OFFLINE=perhaps: expected 1 or 0"):
        fetch(checkpoint(f"{server.url}/tiny.pth"))


def test_a_file_laid_into_the_cache_is_taken(cache):
    entry = checkpoint(None)
    entry.folder.mkdir(parents=True)
    entry.path.write_bytes(weights_bytes())
    assert fetch(entry).sha256 == sha256_of(entry.path)
    entry.path.write_bytes(b"<html>no</html>")
    with pytest.raises(InputError, match="web page"):
        fetch(entry)


def test_a_file_of_the_hub(server, cache, monkeypatch):
    content = weights_bytes()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.add_hub_repository("acme/tiny", {"model.pth": content})
    got = fetch(checkpoint("https://huggingface.co/acme/tiny/resolve/main/model.pth"))
    assert got.path.read_bytes() == content
    assert {file.name for file in got.path.parent.iterdir()} == {"tiny.pth", "source.json", "lock"}
    missing = checkpoint("https://huggingface.co/acme/nothing/resolve/main/model.pth", file="other.pth")
    with pytest.raises(InputError, match=r"the hub does not give acme/nothing/model\.pth.*--file FILE"):
        fetch(missing)
