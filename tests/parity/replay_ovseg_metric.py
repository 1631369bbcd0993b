"""OVSeg's semantic metric on two small maps: section 7 of OVSeg's README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.parity.goldens import CannotReplayError, Comparison, Context, arrays_of, spec_of

from singleout.evaluation.metrics.semantic import SemanticConfusion

PART = "ovseg"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return {"pred", "gt"} <= arrays_of(path) and {"mIoU", "pACC"} <= set(spec_of(path).get("results", ()))


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    results = golden.spec["results"]
    classes = [name.removeprefix("IoU-") for name in results if name.startswith("IoU-")]
    metric = SemanticConfusion(len(classes))
    for number, (truth, found) in enumerate(zip(golden.input("gt"), golden.input("pred"), strict=True)):
        metric.add(truth, found, where=f"map {number}")
    scores = metric.result("ovseg")
    ours = {"mIoU": scores.miou, "fwIoU": scores.fwiou, "mACC": scores.macc, "pACC": scores.pacc}
    for kind, values in (("IoU", scores.iou), ("ACC", scores.acc)):
        ours |= {f"{kind}-{name}": float(value) for name, value in zip(classes, values, strict=True)}
    if strange := set(results) ^ set(ours):
        raise CannotReplayError(f"unknown result {min(strange)}")
    for name, value in results.items():
        yield Comparison(f"results/{name}", 100 * np.float64(ours[name]), np.float64(value))
