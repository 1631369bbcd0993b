"""Semantic segmentation in three variants, and VSPW's mIoU and VC: sections 5, 7 and 12 of the metrics' README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden
from tests.parity.metrics_files import EXPECTED, PART, expects, owner, read_ids, same_frames

from singleout.evaluation.metrics.semantic import SemanticConfusion, SemanticScores
from singleout.evaluation.metrics.vspw import VideoSemanticSegmentation

__all__ = ["PART", "claims", "golden_of", "replay"]
# README, section 12: the evaluation set of the small maps.
BASE = (0, 1, 2, 6)


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return expects(path, "VC8") or (path.name == EXPECTED and (path.parent / "maps.npz").is_file())


def golden_of(path: Path) -> Path | None:
    """See `tests.parity.check`."""
    found = owner(path, ("data", "pred", "maps.npz"))
    return found if found and claims(found) else None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    yield from (_vspw if expects(path, "VC8") else _maps)(path, context)


def _vspw(path: Path, context: Context) -> Iterator[Comparison]:
    golden = context.open(path)
    windows = [int(name.removeprefix("VC")) for name in golden.parts() if name[2:].isdigit() and name[:2] == "VC"]
    metric = VideoSemanticSegmentation(windows=windows)
    names = (path.parent / "val.txt").read_text(encoding="utf-8").split()
    for name in names:
        truth, found = path.parent / "data" / name / "mask", path.parent / "pred" / name
        frames = same_frames(truth, found)
        metric.add(((read_ids(truth / frame), read_ids(found / frame)) for frame in frames), name=name)
    result = metric.result()
    yield golden.compare("Acc", result.scores.pixel_accuracy)
    yield golden.compare("Acc_class", result.scores.class_accuracy)
    yield golden.compare("mIoU", result.scores.miou)
    yield golden.compare("fwIoU", result.scores.fwiou)
    for video in result.videos:
        yield golden.compare(f"mIoU_of_each_video_alone/{video.name}", video.scores.miou)
    for window in windows:
        yield golden.compare(f"VC{window}", result.vc[window])
        # A video that is too short for a window has no list.
        values = [video.windows[window] for video in result.videos if video.windows[window].size]
        for number, of_video in enumerate(values):
            yield golden.compare(f"VC{window}_windows/{number}", of_video)


def _maps(path: Path, context: Context) -> Iterator[Comparison]:
    golden, maps = context.open(path), context.open(path.parent / "maps.npz")
    for case in golden.parts():
        settings = maps.spec[case]
        num_classes, ignored = settings["classes"], settings["ignore"]
        yield golden.compare(f"{case}/num_classes", num_classes)
        yield golden.compare(f"{case}/ignore_label", ignored)
        metric = SemanticConfusion(num_classes, ignore=ignored, boundary=num_classes < 255)
        for number in maps.parts(f"{case}/gt/"):
            metric.add(maps.input(f"{case}/gt/{number}"), maps.input(f"{case}/pred/{number}"), where=f"{case}/{number}")
        confusion = metric.confusion
        of_truth, of_found = confusion[:-1].sum(axis=1), confusion[:-1, :-1].sum(axis=0)
        yield golden.compare(f"{case}/classes_in_gt", np.flatnonzero(of_truth))
        absent = np.flatnonzero((of_truth == 0) & (of_found > 0))
        # The golden names one such class, which need not be the only one.
        stated = int(golden.input(f"{case}/predicted_but_absent"))
        yield golden.compare(f"{case}/predicted_but_absent", stated if stated in absent else -1)
        for variant in golden.parts(f"{case}/"):
            if variant in ("ovseg", "detectron2"):
                yield from _named(golden, f"{case}/{variant}/", metric, variant)
            elif variant == "vspw_evaluator":
                scores = metric.result("vspw")
                for name, value in _vspw_names(scores):
                    yield golden.compare(f"{case}/{variant}/{name}", value)


def _vspw_names(scores: SemanticScores) -> Iterator[tuple[str, float]]:
    yield from (("Acc", scores.pacc), ("Acc_class", scores.macc), ("mIoU", scores.miou), ("fwIoU", scores.fwiou))


def _named(golden: Golden, prefix: str, metric: SemanticConfusion, variant: Any) -> Iterator[Comparison]:
    """What OVSeg and detectron2 print; percent, and what is NaN is not in the file."""
    scores = metric.result(variant, sets={"base": BASE})
    found = {"mIoU": scores.miou, "fwIoU": scores.fwiou, "mACC": scores.macc, "pACC": scores.pacc}
    named = any(name.startswith(f"{prefix}IoU-c") for name in golden.names(prefix))
    for label in np.flatnonzero(~np.isnan(scores.iou)):
        found[f"IoU-c{label}" if named else f"IoU/{label}"] = scores.iou[label]
        if named:
            found[f"ACC-c{label}"] = scores.acc[label]
    if variant == "detectron2" and scores.boundary_iou is not None:
        for label in np.flatnonzero(~np.isnan(scores.boundary_iou)):
            found[f"BoundaryIoU-c{label}"] = scores.boundary_iou[label]
            if not np.isnan(scores.iou[label]):
                found[f"min(IoU, B-Iou)-c{label}"] = min(scores.iou[label], scores.boundary_iou[label])
    if f"{prefix}mIoU-base" in golden:
        base = scores.subsets["base"]
        found |= {"mIoU-base": base.miou, "pAcc-base": base.pacc, "mIoU-unbase": base.miou_others}
        found |= {"pAcc-unbase": base.pacc_others, "hIoU-base": base.hiou}
    if lacking := sorted(name for name in found if f"{prefix}{name}" not in golden):
        raise CannotReplayError(f"we have {prefix}{lacking[0]}, and the golden has not")
    for name, value in found.items():
        yield golden.compare(f"{prefix}{name}", 100 * value)
