"""ViPOSeg's IoUs and decay on files in its layout: sections 6 and 12 of the metrics' README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.parity.goldens import Comparison, Context
from tests.parity.metrics_files import PART, expects, owner, read_ids, read_json, same_frames

from singleout.evaluation.metrics.viposeg import Viposeg, group_of, video_scores

__all__ = ["PART", "claims", "golden_of", "replay"]


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return expects(path, "thing_seen_miou")


def golden_of(path: Path) -> Path | None:
    """See `tests.parity.check`."""
    found = owner(path, ("valid", "pred"))
    return found if found and claims(found) else None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    metric = Viposeg()
    for name, classes in sorted(read_json(path.parent / "valid" / "obj_class.json").items()):
        given, truth = (path.parent / "valid" / folder / name for folder in ("Annotations", "Annotations_gt"))
        found = path.parent / "pred" / name
        frames = same_frames(truth, found)
        enters: dict[int, int] = {}
        for picture in sorted(given.glob("*.png")):
            for number in np.unique(read_ids(picture)).tolist():
                if number:
                    enters.setdefault(number, frames.index(picture.name))
        pairs = ((read_ids(found / frame), read_ids(truth / frame)) for frame in frames)
        groups = {int(number): group_of(name, int(of_class)) for number, of_class in classes.items()}
        metric.add(video_scores(pairs, enters, where=name), groups)
    for name, value in metric.result().row().items():
        yield golden.compare(name, value)
