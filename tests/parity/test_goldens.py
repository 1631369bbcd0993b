"""Every golden there is, replayed: those kept in tests/goldens, and where they are, those under ../shared/reference."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bpe_table import MISSING
from tests.parity.check import find, load_replayers, replay, replayers
from tests.shared_data import SHARED

KEPT = Path(__file__).parents[1] / "goldens"
OFFICIAL = SHARED / "reference"
PARTS = sorted({module.PART for module in replayers()})


def goldens_of(folder: Path) -> list[Path]:
    """Names of the goldens in a folder, relative to it."""
    return [path.relative_to(folder) for path in find(folder)[0]] if folder.is_dir() else []


ALL_KEPT = goldens_of(KEPT)
# The test of a missing folder is there to be skipped with its reason.
ALL_OTHERS = [
    Path(part) / name for part in PARTS for name in goldens_of(OFFICIAL / part) if Path(part) / name not in ALL_KEPT
] or [Path("shared")]


@pytest.fixture(scope="module", autouse=True)
def part_at_hand() -> Iterator[list[str]]:
    """The part whose golden was replayed last."""
    yield [""]
    forget_networks()


@pytest.fixture(autouse=True)
def one_part_at_a_time(request: pytest.FixtureRequest, part_at_hand: list[str]) -> None:
    """What replayers keep for the next golden goes when another part begins: all parts together take 10 GB."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    part = Path(params.get("name", "")).parts[:1]
    if part and part[0] != part_at_hand[0]:
        part_at_hand[0] = part[0]
        forget_networks()


def forget_networks() -> None:
    """Empty the caches of all replayers and what they share."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tests.parity."):
            for kept in vars(module).values():
                if callable(clear := getattr(kept, "cache_clear", None)):
                    clear()


def assert_equal(golden: Path, shared: Path) -> None:
    lines = list(replay(golden, shared))
    assert lines
    if any(MISSING in line.error for line in lines):
        pytest.skip(MISSING)
    assert all(line.passed for line in lines), "\n".join(str(line) for line in lines if not line.passed)


def test_every_replayer_can_be_loaded():
    assert load_replayers().broken == ()


@pytest.mark.parametrize("name", ALL_KEPT, ids=Path.as_posix)
def test_a_kept_golden_is_reproduced(name):
    # None of these looks at a real frame, so that they hold wherever the tests run.
    assert_equal(KEPT / name, Path("no such folder"))


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ALL_OTHERS, ids=Path.as_posix)
def test_a_golden_beside_the_checkout_is_reproduced(name, shared):
    assert_equal(shared / "reference" / name, shared)


@pytest.mark.needs_shared
@pytest.mark.parametrize("part", PARTS)
def test_no_file_of_a_part_is_unknown(part, shared):
    goldens, unknown = find(shared / "reference" / part)
    assert goldens
    assert not unknown, "\n".join(f"{line.golden}: {line.error}" for line in unknown)


@pytest.mark.needs_shared
@pytest.mark.parametrize("part", PARTS)
def test_kept_goldens_are_the_official_files(part, shared):
    for file in sorted((KEPT / part).rglob("*")):
        if file.is_file():
            official = shared / "reference" / part / file.relative_to(KEPT / part)
            assert file.read_bytes() == official.read_bytes(), file
