"""Whether the modes of files bind the process that runs the tests; for root they do not, unless it gave that up."""

from __future__ import annotations

import tempfile
from pathlib import Path


def modes_bind() -> bool:
    """Whether a file of mode 0 refuses to be read. `.ci/run` drops the capabilities that let root read it."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).chmod(0)
        try:
            Path(file.name).read_bytes()
        except PermissionError:
            return True
        return False
