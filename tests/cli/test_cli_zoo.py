"""singleout models, get, convert and segment --weights, as users type them, with a server of the test's own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.zoo.file_server import FileServer, running
from tests.zoo.tiny_system import official_state

ROOT = Path(__file__).parents[2]
TINY = "tests.zoo.tiny_system:TINY"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running() as files:
        yield files


@pytest.fixture(autouse=True)
def own_zoo(tmp_path: Path, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and a catalogue with checkpoints on the test's server; the network is that server."""
    for name in ("SINGLEOUT_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SINGLEOUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SINGLEOUT_CATALOGUE", str(tmp_path / "mine.json"))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    facts = {"repository": "r", "paper": "p", "licence_code": "MIT", "licence_data": "ask", "trained_on": []}
    entries = [
        {"name": "tiny/small", "variant": "small", "url": f"{server.url}/small.pth", "file": "small.pth"},
        {"name": "tiny/lost", "url": f"{server.url}/lost.pth", "file": "lost.pth"},
        {"name": "tiny/nowhere", "file": "nowhere.pth"},
        # A system with a tokenizer, so that it is fetched too.
        {"name": "referformer/mine", "variant": "resnet-50", "url": f"{server.url}/small.pth", "file": "mine.pth"},
    ]
    systems = {name: {"title": name.title(), **facts} for name in ("tiny", "referformer")}
    given = [{"kind": "model", "trained": "on squares", **entry} for entry in entries]
    (tmp_path / "mine.json").write_text(json.dumps({"systems": systems, "checkpoints": given}))
    return tmp_path / "cache" / "checkpoints"


def official_bytes(padding: int = 0) -> bytes:
    file = io.BytesIO()
    state = official_state()
    if padding:
        state["net.stem.padding.total_ops"] = torch.zeros(padding)
    torch.save({"model": state}, file)
    return file.getvalue()


def test_models_lists_ours_and_those_of_others(singleout):
    everything = singleout("models")
    assert everything.code == 0
    assert "published by others" in everything.out and "referformer" in everything.out
    one = singleout("models", "referformer/video-swin-b")
    assert "J&F 64.9" in one.out and "not measured by singleout" in one.out and "nobody here opened it" in one.out
    listed = singleout("models", "referformer")
    assert "= referformer/video-swin-b" in listed.out and "none was measured by singleout" in listed.out
    cards = singleout("models", "--json").json
    assert {"starter", "mutr/resnet-50", "tiny/small"} <= {card["name"] for card in cards}
    card = singleout("models", "mutr/resnet-50", "--json").json
    assert (
        card["address_verified"] is False and {"benchmark", "metric", "value"} == card["published_by_others"][0].keys()
    )
    wrong = singleout("models", "mutr/resnet-5000")
    assert wrong.code == 2 and "did you mean" in wrong.err


def test_get_then_here_then_again(singleout, server, own_zoo):
    served = server.add("/small.pth", official_bytes())
    got = singleout("get", "tiny/small", "--json")
    assert got.code == 0, got.err
    assert Path(got.json["file"]) == own_zoo / "tiny" / "small" / "small.pth"
    assert "tiny/small" in singleout("models", "--here").out
    again = singleout("get", "tiny/small")
    assert again.out.strip() == got.json["file"] and "was there already" in again.err
    assert len(served.requests) == 1


def test_get_what_is_dead_and_put_it_in_by_hand(singleout, tmp_path):
    for name, said in (("tiny/lost", "answers 404"), ("tiny/nowhere", "nobody publishes an address")):
        dead = singleout("get", name)
        assert dead.code == 2 and said in dead.err and f"singleout get {name} --file FILE" in dead.err
        (tmp_path / "mine.pth").write_bytes(official_bytes())
        assert singleout("get", name, "--file", tmp_path / "mine.pth").code == 0
        assert singleout("get", name).code == 0
    (tmp_path / "mine.pth").write_text("<html>sign in</html>")
    page = singleout("get", "tiny/small", "--file", tmp_path / "mine.pth")
    assert page.code == 2 and "is a web page, not weights" in page.err
    assert "no network may be used" in singleout("get", "tiny/small", "--offline").err


def test_get_brings_the_tokenizer_along(singleout, server, own_zoo, tmp_path):
    server.add("/small.pth", official_bytes())
    lacking = singleout("get", "referformer/mine")
    folder = own_zoo / "referformer" / "mine" / "tokenizer"
    assert lacking.code == 0 and f"put the files of FacebookAI/roberta-base into {folder}" in lacking.err
    files = {"vocab.json": b"{}", "merges.txt": b"#version: 0.2\n", "config.json": b"{}", "model.safetensors": b"big"}
    server.add_hub_repository("FacebookAI/roberta-base", files)
    assert singleout("get", "referformer/mine").code == 0
    assert {file.name for file in folder.iterdir()} == {"vocab.json", "merges.txt", "config.json"}
    only = singleout("get", "referformer", "--tokenizer-only", "--offline")
    assert only.code == 0 and (Path(only.out.strip()) / "merges.txt").is_file()
    assert "has no tokenizer" in singleout("get", "referformer/mine", "--tokenizer", tmp_path).err
    assert "is of no system" in singleout("get", "tiny/small", "--tokenizer-only").err


def program(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "singleout", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(happened) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_get_goes_on_after_it_was_killed(singleout, server, own_zoo):
    content = official_bytes(padding=100_000)
    served = server.add("/small.pth", content, pause=0.01)
    part = own_zoo / "tiny" / "small" / "small.pth.part"
    first = program("get", "tiny/small")
    # Two pieces as they are read, so that a piece has reached the disk.
    wait_for(lambda: part.is_file() and part.stat().st_size > 0)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = part.stat().st_size
    assert 0 < kept < len(content) and not part.with_suffix("").exists()
    served.pause = 0.0
    assert singleout("get", "tiny/small").code == 0
    assert served.requests[-1]["range"] == f"bytes={kept}-"
    assert part.with_suffix("").read_bytes() == content


def test_two_that_get_the_same_share_one_download(server, own_zoo):
    served = server.add("/small.pth", official_bytes(padding=50_000), pause=0.005)
    both = [program("get", "tiny/small") for _ in range(2)]
    ended = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert len(served.requests) == 1
    assert len({out for out, _ in ended}) == 1
    assert (own_zoo / "tiny" / "small" / "small.pth").read_bytes() == served.content


def test_convert_and_segment(singleout, tmp_path, squares_file):
    official = tmp_path / "official.pth"
    official.write_bytes(official_bytes())
    done = singleout(
        "convert", official, "--to", tmp_path / "folder", "--system", TINY, "--report", tmp_path / "n.json"
    )
    assert done.code == 0 and "4 names used, 3 ignored" in done.err
    assert json.loads((tmp_path / "n.json").read_text())["ignored"] == [
        "net.copy.bias",
        "net.copy.weight",
        "net.stem.total_ops",
    ]
    again = singleout("convert", official, "--to", tmp_path / "folder", "--system", TINY)
    assert again.code == 2 and "is not empty" in again.err
    asked = ("--say", "the red square", "--no-overlay", "--model", TINY)
    for weights in (official, tmp_path / "folder"):
        words = ("segment", squares_file, *asked, "--weights", weights, "--out", tmp_path / f"out-{weights.name}")
        refused = singleout(*words)
        assert refused.code == 2 and "has no tokenizer" in refused.err
        followed = singleout(*words, "--token-ids", "0,5,2", "--overwrite", "--json")
        assert followed.code == 0, followed.err
        assert [one["id"] for one in followed.json["runs"][0]["objects"]] == [1]


def test_a_run_does_not_go_on_with_other_weights(singleout, tmp_path, squares_file):
    official = tmp_path / "official.pth"
    words = ("segment", squares_file, "--say", "red", "--token-ids", "1", "--out", tmp_path / "out", "--no-overlay")
    words += ("--model", TINY, "--weights", official)
    official.write_bytes(official_bytes())
    assert singleout(*words).code == 0
    assert "already finished" in singleout(*words).err
    state = official_state()
    state["net.stem.bias"] += 1
    torch.save(state, official)
    other = singleout(*words)
    assert other.code == 2 and "holds another run" in other.err


@pytest.mark.parametrize(
    ("ids", "said"),
    [(["1", "2"], "--token-ids is given 2 times and --say 1 times"), (["1,x"], "expected numbers such as 0,10,20,2")],
)
def test_token_ids_that_do_not_fit(singleout, tmp_path, squares_file, ids, said):
    given = [word for one in ids for word in ("--token-ids", one)]
    refused = singleout("segment", squares_file, "--say", "red", *given, "--out", tmp_path / "out", "--model", TINY)
    assert refused.code == 2 and said in refused.err


def test_bad_weights_are_one_line(singleout, tmp_path, squares_file):
    evil = tmp_path / "evil.pth"
    torch.save({"model": official_state(), "hook": np.save}, evil)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(official_bytes()[:-40])
    for file, said in (
        (evil, "numpy.save, which no weights need"),
        (cut, "is cut off"),
        (tmp_path / "none.pth", "is not there"),
    ):
        refused = singleout("convert", file, "--to", tmp_path / "folder", "--system", TINY)
        assert refused.code == 2 and said in refused.err and refused.err.count("\n") == 1
        words = ("--say", "red", "--out", tmp_path / "out", "--model", TINY, "--weights", file)
        refused = singleout("segment", squares_file, *words)
        assert refused.code == 2 and said in refused.err
    assert not (tmp_path / "folder").exists()
