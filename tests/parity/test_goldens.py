"""Every golden there is, replayed: those kept in tests/goldens, and where they are, those under ../shared/reference."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.parity.check import find, replay, replayers

KEPT = Path(__file__).parents[1] / "goldens"
PARTS = sorted({module.PART for module in replayers()})


def goldens_of(folder: Path) -> list[Path]:
    return find(folder)[0] if folder.is_dir() else []


def assert_equal(golden: Path, shared: Path) -> None:
    lines = list(replay(golden, shared))
    assert lines
    assert all(line.passed for line in lines), "\n".join(str(line) for line in lines if not line.passed)


@pytest.mark.parametrize("golden", goldens_of(KEPT), ids=lambda path: path.relative_to(KEPT).as_posix())
def test_a_kept_golden_is_reproduced(golden):
    # None of these looks at a real frame, so that they hold wherever the tests run.
    assert_equal(golden, Path("no such folder"))


@pytest.mark.needs_shared
@pytest.mark.parametrize("part", PARTS)
def test_goldens_beside_the_checkout_are_reproduced(part, shared):
    goldens = goldens_of(shared / "reference" / part)
    kept = {path.relative_to(KEPT / part).as_posix() for path in goldens_of(KEPT / part)}
    left = [path for path in goldens if path.relative_to(shared / "reference" / part).as_posix() not in kept]
    assert goldens
    for golden in left:
        assert_equal(golden, shared)


@pytest.mark.needs_shared
@pytest.mark.parametrize("part", PARTS)
def test_no_file_of_a_part_is_unknown(part, shared):
    _, unknown = find(shared / "reference" / part)
    assert not unknown, "\n".join(f"{line.golden}: {line.error}" for line in unknown)


@pytest.mark.needs_shared
@pytest.mark.parametrize("part", PARTS)
def test_kept_goldens_are_the_official_files(part, shared):
    for file in sorted((KEPT / part).rglob("*")):
        if file.is_file():
            official = shared / "reference" / part / file.relative_to(KEPT / part)
            assert file.read_bytes() == official.read_bytes(), file
