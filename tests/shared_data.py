"""Tests that look at real footage beside the checkout, marked ``needs_shared``; it is too large to be part of it.

The folder is ``../shared``, or what SINGLEOUT_SHARED says. Without it these tests are skipped with that reason. With
SINGLEOUT_FORBID_SKIPS=1, as `.ci/run` sets it where the folder is there, a skip of such a test is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("SINGLEOUT_SHARED") or Path(__file__).parents[2] / "shared")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_shared: looks at the footage in ../shared (or SINGLEOUT_SHARED)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_shared") and not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here: it holds the footage that this test looks at")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and item.get_closest_marker("needs_shared") and os.environ.get("SINGLEOUT_FORBID_SKIPS") == "1":
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"this test must not be skipped where SINGLEOUT_FORBID_SKIPS=1, but was: {why}"
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of the footage; only for tests that are marked ``needs_shared``."""
    return SHARED
