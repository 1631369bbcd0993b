"""VPQ, STQ and image PQ on files in VIPSeg's layout: sections 4 and 12 of the metrics' README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.parity.goldens import CannotReplayError, Comparison, Context
from tests.parity.metrics_files import PART, expects, owner, read_ids, read_json

from singleout.evaluation.metrics.panoptic import FramePairs, PanopticFrame, Segment, pair_segments
from singleout.evaluation.metrics.pq import ImagePanopticQuality, MeanQuality
from singleout.evaluation.metrics.stq import SegmentationTrackingQuality
from singleout.evaluation.metrics.vpq import VideoPanopticQuality

__all__ = ["PART", "claims", "golden_of", "replay"]
GROUPS = {"All": "all", "Things": "things", "Stuff": "stuff"}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return expects(path, "vpq", "stq")


def golden_of(path: Path) -> Path | None:
    """See `tests.parity.check`."""
    found = owner(path, ("VIPSeg_720P", "pred"))
    return found if found and claims(found) else None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    truth = read_json(path.parent / "VIPSeg_720P" / "panoptic_gt_VIPSeg_val.json")
    things = {entry["id"]: bool(entry["isthing"]) for entry in truth["categories"]}
    windows = [int(name) for name in golden.parts("vpq/")]
    images = ImagePanopticQuality(things)
    videos = VideoPanopticQuality(things, windows=windows)
    tracking = SegmentationTrackingQuality(
        things,
    )
    for name, frames in _videos(path.parent, truth):
        images.add(frames, where=name)
        videos.add(frames, where=name)
        tracking.add(frames, name=name)

    quality = videos.result()
    for window in windows:
        found = quality.windows[window]
        for group, attribute in GROUPS.items():
            for name, value in _mean(getattr(found, attribute)):
                yield golden.compare(f"vpq/{window}/{group}/{name}", value)
        listed = {int(category) for category in golden.parts(f"vpq/{window}/per_class/")}
        yield Comparison(f"vpq/{window}/per_class", sorted(found.categories), sorted(listed))
        for category in sorted(listed & set(found.categories)):
            for name in ("pq", "sq", "rq", "iou", "tp", "fp", "fn"):
                value = getattr(found.categories[category], name)
                yield golden.compare(f"vpq/{window}/per_class/{category}/{name}", value)
    for group, value in (("All", quality.vpq), ("Things", quality.things), ("Stuff", quality.stuff)):
        yield golden.compare(f"vpq_final/{group}", 100 * value)

    scores = tracking.result()
    for name, value in (("STQ", scores.stq), ("AQ", scores.aq), ("IoU", scores.iou)):
        yield golden.compare(f"stq/{name}", value)
        yield golden.compare(f"stq/{name}_per_seq", [getattr(video, name.lower()) for video in scores.videos])
    yield golden.compare("stq/ID_per_seq", list(range(len(scores.videos))))
    yield golden.compare("stq/Length_per_seq", [video.num_frames for video in scores.videos])
    yield golden.compare("stq/confusion_124_row_col/row_sum_void_gt", scores.confusion[-1].sum())
    yield golden.compare("stq/confusion_124_row_col/col_sum_void_pred", scores.confusion[:, -1].sum())

    of_images = images.result()
    for group, attribute in GROUPS.items():
        for name, value in _mean(getattr(of_images, attribute)):
            yield golden.compare(f"image_pq/{group}/{name}", value)


def _mean(quality: MeanQuality) -> Iterator[tuple[str, float]]:
    yield from (("pq", quality.pq), ("sq", quality.sq), ("rq", quality.rq), ("n", quality.num_categories))


def _videos(folder: Path, truth: dict[str, Any]) -> Iterator[tuple[str, list[FramePairs]]]:
    """Every video of the truth with its frames, one video in memory."""
    found = {
        entry["video_id"]: entry["annotations"] for entry in read_json(folder / "pred" / "pred.json")["annotations"]
    }
    if set(found) != {entry["video_id"] for entry in truth["annotations"]}:
        raise CannotReplayError("truth and prediction do not list the same videos")
    for video in truth["annotations"]:
        name = video["video_id"]
        wanted = folder / "VIPSeg_720P" / "panomasksRGB" / name
        offered = folder / "pred" / "pan_pred" / name
        stems = [[Path(frame["file_name"]).stem for frame in frames] for frames in (video["annotations"], found[name])]
        on_disk = [sorted(entry.stem for entry in place.glob("*.png")) for place in (wanted, offered)]
        if not stems[0] == stems[1] == on_disk[0] == on_disk[1]:
            raise CannotReplayError(f"{name}: lists and pictures of truth and prediction do not have the same frames")
        yield (
            name,
            [
                pair_segments(_frame(wanted, one), _frame(offered, other), where=f"{name}/{one['file_name']}")
                for one, other in zip(video["annotations"], found[name], strict=True)
            ],
        )


def _frame(folder: Path, listed: dict[str, Any]) -> PanopticFrame:
    segments = [
        Segment(entry["id"], entry["category_id"], bool(entry["iscrowd"]), entry["area"])
        for entry in listed["segments_info"]
    ]
    return PanopticFrame(read_ids(folder / f"{Path(listed['file_name']).stem}.png"), segments)
