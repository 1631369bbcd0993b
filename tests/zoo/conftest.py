"""A server of one's own, a cache of one's own, and no network for anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.zoo.file_server import FileServer, running


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running() as files:
        yield files


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; what the environment says of ours is gone."""
    for name in (
        "SINGLEOUT_OFFLINE",
        "SINGLEOUT_CATALOGUE",
        "SINGLEOUT_DRIVE_ENDPOINT",
        "HF_HUB_OFFLINE",
        "HF_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setenv("SINGLEOUT_CACHE", str(folder))
    return folder
