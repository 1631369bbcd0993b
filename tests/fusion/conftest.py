"""What the tests of this folder start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fusion.members import write_all


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a data set, three members and a pipeline."""
    write_all(tmp_path)
    return tmp_path
