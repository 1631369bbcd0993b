"""HOTA, CLEAR and identity scores on lists of ids and similarities: sections 11 and 12 of the metrics' README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.parity.goldens import Comparison, Context
from tests.parity.metrics_files import PART, expects, owner, read_json

from singleout.evaluation.metrics.tracking import TrackingMetrics, frame_of_lists

__all__ = ["PART", "claims", "golden_of", "replay"]


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return expects(path, "HOTA", "CLEAR", "Identity")


def golden_of(path: Path) -> Path | None:
    """See `tests.parity.check`."""
    found = owner(path, ("input.json",))
    return found if found and claims(found) else None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    frames = read_json(path.parent / "input.json")["frames"]
    metric = TrackingMetrics()
    metric.add(
        "video", [frame_of_lists(frame["gt_ids"], frame["tracker_ids"], frame["similarity"]) for frame in frames]
    )
    scores = metric.result()
    for group, values in (
        ("HOTA", scores.hota),
        ("CLEAR", scores.clear),
        ("Identity", scores.identity),
        ("HOTA_means_over_alpha", scores.hota_means),
    ):
        for name, value in values.items():
            yield golden.compare(f"{group}/{name}", value)
