"""LV-VIS's metric on a small set, with every line that it prints: section 5 of OV2Seg's README."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.parity.goldens import CannotReplayError, Comparison, Context, arrays_of
from tests.parity.replay_metrics_tracks import track_scores

from singleout.evaluation.metrics.precision import Curves
from singleout.evaluation.metrics.track_ap import LVVIS, lvvis_groups

PART = "ov2seg"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return {"gt", "dt", "stats", "lines"} <= arrays_of(path)


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    truth, results = (json.loads(str(golden.input(name))) for name in ("gt", "dt"))
    groups = lvvis_groups({entry["id"]: entry["partition"] for entry in truth["categories"]})
    scores = track_scores(truth, results, LVVIS, groups)
    yield golden.compare("stats", [value for name, value in scores.summary.items() if name[-1] not in "bn"])
    lines = json.loads(str(golden.input("lines")))
    ours = _printed(scores.curves, {"": scores.curves.categories, **groups})
    if len(lines) != len(ours):
        raise CannotReplayError(f"{len(lines)} lines were printed instead of {len(ours)}")
    yield golden.compare("lines", np.array(ours), golden=np.array(lines))


def _printed(curves: Curves, groups: dict[str, tuple[int, ...]]) -> list[str]:
    """Precision by threshold and by area, recall by number and by area; each of all, base and novel categories."""
    lines = []
    asked = [("Precision AP", "0.50:0.95", "all", 100), ("Precision AP", "0.50", "all", 100)]
    asked += [("Precision AP", "0.75", "all", 100)]
    asked += [("Precision AP", "0.50:0.95", area, 100) for area in ("small", "medium", "large")]
    asked += [("Recall AR", "0.50:0.95", "all", limit) for limit in (1, 10, 100)]
    asked += [("Recall AR", "0.50:0.95", area, 100) for area in ("small", "medium", "large")]
    for name, iou, area, limit in asked:
        threshold = None if ":" in iou else float(iou)
        mean = curves.average_precision if name.endswith("AP") else curves.average_recall
        for suffix, group in groups.items():
            value = mean(threshold=threshold, area=area, max_detections=limit, categories=group)
            lines.append(f"Average {name}{suffix} @[ IoU={iou} | area={area:>6} | maxDets={limit:>3} ] = {value:.3f}")
    # In the golden, spaces that fill up a column are one.
    return [" ".join(line.split()) for line in lines]
