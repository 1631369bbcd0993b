"""AP and AR of tracks on files in YouTube-VIS's and LV-VIS's forms: sections 3 and 12 of the metrics' README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.parity.goldens import CannotReplayError, Comparison, Context
from tests.parity.metrics_files import PART, code_of, keys_of, read_json

from singleout.data.records import TrackAnnotation, TrackResult
from singleout.evaluation.metrics.precision import Rules
from singleout.evaluation.metrics.track_ap import LVVIS, YTVIS, TrackAP, TrackScores, lvvis_groups

__all__ = ["PART", "claims", "golden_of", "replay"]


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.name.endswith("-expected.json"):
        return {"stats", "per_category"} <= keys_of(path)
    return path.name.endswith("-eval.npz") and _beside(path, "gt").is_file()


def golden_of(path: Path) -> Path | None:
    """See `tests.parity.check`."""
    for kind in ("-gt.json", "-results.json"):
        found = path.with_name(path.name.removesuffix(kind) + "-expected.json")
        if path.name.endswith(kind) and claims(found):
            return found
    return None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    truth, results = read_json(_beside(path, "gt")), read_json(_beside(path, "results"))
    partitions = {entry["id"]: entry["partition"] for entry in truth["categories"] if "partition" in entry}
    groups = lvvis_groups(partitions) if partitions else {}
    scores = track_scores(truth, results, LVVIS if partitions else YTVIS, groups)
    if path.suffix == ".json":
        for case in golden.parts():
            if case == "stats":
                yield from (golden.compare(f"stats/{name}", value) for name, value in scores.summary.items())
            elif case == "stats_ytvis_evaluator":
                other = track_scores(truth, results, YTVIS, {})
                yield from (golden.compare(f"{case}/{name}", value) for name, value in other.summary.items())
            elif case != "per_category":
                raise CannotReplayError(f"unknown case {case}")
        for category, values in scores.per_category.items():
            yield from (golden.compare(f"per_category/{category}/{name}", value) for name, value in values.items())
        return
    yield golden.compare("precision", scores.curves.precision)
    yield golden.compare("recall", scores.curves.recall)
    yield golden.compare("scores", scores.curves.scores)
    names = {f"iou/{video}/{category}": values for (video, category), values in scores.ious.items()}
    yield Comparison("iou (which pairs)", sorted(names), sorted(golden.names("iou/")))
    for name in sorted(names):
        yield golden.compare(name, names[name])


def track_scores(truth: dict[str, Any], results: list[dict[str, Any]], rules: Rules, groups: Any) -> TrackScores:
    """The scores of results, both as the files hold them."""
    metric = TrackAP([entry["id"] for entry in truth["categories"]], rules, groups)
    known = {video["id"] for video in truth["videos"]}
    if strange := {entry["video_id"] for entry in results} - known:
        raise CannotReplayError(f"results of unknown videos {sorted(strange)}")
    for video in truth["videos"]:
        name, height, width = video["id"], video["height"], video["width"]
        truths = [
            TrackAnnotation(
                id=entry["id"],
                video_id=name,
                category_id=entry["category_id"],
                segmentations=tuple(code_of(part, height, width) for part in entry["segmentations"]),
                boxes=tuple(entry["bboxes"]),
                areas=tuple(entry["areas"]),
                iscrowd=bool(entry["iscrowd"]),
            )
            for entry in truth["annotations"]
            if entry["video_id"] == name
        ]
        found = [
            TrackResult(
                video_id=name,
                category_id=entry["category_id"],
                score=entry["score"],
                segmentations=tuple(code_of(part, height, width) for part in entry["segmentations"]),
            )
            for entry in results
            if entry["video_id"] == name
        ]
        metric.add(name, truths, found)
    return metric.result()


def _beside(path: Path, kind: str) -> Path:
    stem = path.name.rsplit("-", 1)[0]
    return path.with_name(f"{stem}-{kind}.json")
