"""The pieces of work that `metrics_speed.py` times: each takes the folder of a load, returns seconds and a number.

Beside each metric of the package stands the plainest implementation of the same, on the same files.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

import metrics_loads as loads
import plain_metrics as plain
from singleout.data import cocovid, panoptic
from singleout.data.records import ImageAnnotation, ImageResult, PanopticVideo, TrackAnnotation, TrackResult
from singleout.evaluation.benchmarks.pairs import side_by_side
from singleout.evaluation.benchmarks.vipseg import paired_segments
from singleout.evaluation.evaluating import evaluate
from singleout.evaluation.metrics.davis import Davis, VideoScores, semi_supervised
from singleout.evaluation.metrics.image_ap import ImageAP
from singleout.evaluation.metrics.label_codes import encode_labels
from singleout.evaluation.metrics.panoptic import FramePairs
from singleout.evaluation.metrics.semantic import SemanticConfusion
from singleout.evaluation.metrics.sentences import SentenceMetrics
from singleout.evaluation.metrics.stq import SegmentationTrackingQuality
from singleout.evaluation.metrics.track_ap import TrackAP
from singleout.evaluation.metrics.viposeg import mask_and_boundary_iou
from singleout.evaluation.metrics.vpq import VideoPanopticQuality
from singleout.evaluation.metrics.vspw import VideoSemanticSegmentation
from singleout.exports.panoptic import read_segment_ids
from singleout.exports.pictures import read_numbers

Ids = npt.NDArray[np.integer[Any]]
Track = TypeVar("Track", TrackAnnotation, TrackResult)


class Stopwatch:
    """Adds up wall seconds, and those of the processor in all threads, of what happens inside ``with``."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self.wall -= time.perf_counter()
        self.processor -= time.process_time()

    def __exit__(self, *problem: object) -> None:
        self.wall += time.perf_counter()
        self.processor += time.process_time()


# J and F on the real sequences


def _true_ids(path: Path) -> Ids:
    return (read_numbers(path) > 127).view(np.uint8)


def _pairs(folder: Path, name: str) -> Iterator[tuple[Ids, Ids]]:
    """Prediction and truth of each frame, read ahead in two threads."""
    truth = sorted((folder / "data" / "Annotations" / "480p" / name).glob("*.png"))
    return side_by_side(truth, lambda path: read_numbers(folder / "predictions" / name / path.name), _true_ids)


def _sequences(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "predictions").iterdir())


def jf_files(folder: Path, watch: Stopwatch) -> float:
    """Both pictures of every frame are read in threads while the ones before are compared."""
    with watch:
        davis = Davis()
        for name in _sequences(folder):
            davis.add(name, semi_supervised(_pairs(folder, name), where=name))
        return davis.result().jf_mean


def jf_masks(folder: Path, watch: Stopwatch) -> float:
    """Arithmetic only: the masks of a sequence are in memory when the clock starts."""
    davis = Davis()
    for name in _sequences(folder):
        frames = list(_pairs(folder, name))
        with watch:
            davis.add(name, semi_supervised(frames, where=name))
    return davis.result().jf_mean


def jf_command(folder: Path, watch: Stopwatch) -> float:
    """What `singleout eval` does, without its report: layout, checks and all."""
    with watch:
        found = evaluate("davis2016", data=folder / "data", predictions=folder / "predictions")
        return found.table["J&F-Mean"]


def jf_plain(folder: Path, watch: Stopwatch) -> float:
    """Distances over whole pictures."""
    with watch:
        davis = Davis()
        for name in _sequences(folder):
            values = [
                (plain.region(found, truth), plain.contour(found, truth))
                for found, truth in ((one > 0, other > 0) for one, other in list(_pairs(folder, name))[1:-1])
            ]
            j, f = np.array(values).T[:, None]
            davis.add(name, VideoScores((1,), (1,), j, f))
        return davis.result().jf_mean


# Panoptic clips


def _clip_pairs(folder: Path) -> list[tuple[PanopticVideo, PanopticVideo]]:
    """Each clip, true and predicted."""
    truth = panoptic.read_vipseg(folder / "data")
    found = panoptic.read_videos(folder / "predictions" / "pred.json", folder / "predictions" / "pan_pred")
    return list(zip(truth.videos, found.videos, strict=True))


def _clips(folder: Path) -> Iterator[tuple[str, list[FramePairs]]]:
    clips = _clip_pairs(folder)
    frames = [pair for true, found in clips for pair in zip(true.frames, found.frames, strict=True)]
    stream = paired_segments(frames)
    for true, _ in clips:
        yield true.name, list(islice(stream, len(true.frames)))


def _things() -> dict[int, bool]:
    return {number: number in loads.THINGS for number in range(124)}


def vpq(folder: Path, watch: Stopwatch) -> float:
    """Five windows, pictures read."""
    with watch:
        metric = VideoPanopticQuality(_things())
        for name, frames in _clips(folder):
            metric.add(frames, where=name)
        return 100 * metric.result().vpq


def stq(folder: Path, watch: Stopwatch) -> float:
    """The same clips, pictures read."""
    with watch:
        metric = SegmentationTrackingQuality(_things())
        for name, frames in _clips(folder):
            metric.add(frames, name=name)
        return metric.result().stq


def panoptic_command(folder: Path, watch: Stopwatch) -> float:
    """VPQ and STQ together, as `singleout eval vipseg` computes them."""
    with watch:
        return evaluate("vipseg", data=folder / "data", predictions=folder / "predictions").table["VPQ"]


def _plain_clips(folder: Path, most: int) -> Iterator[plain.PanopticVideo]:
    for pair in _clip_pairs(folder)[:most]:
        parts: list[Any] = []
        for video in pair:
            parts.append(np.stack([read_segment_ids(frame.picture) for frame in video.frames]))
            parts.append([{each.id: each.category_id for each in frame.segments} for frame in video.frames])
        yield plain.PanopticVideo(*parts)


def vpq_plain(folder: Path, watch: Stopwatch) -> float:
    """Every window stacked and counted anew; four of the twenty clips."""
    with watch:
        videos = list(_plain_clips(folder, 4))
        return float(np.mean([100 * plain.video_panoptic_quality(videos, window) for window in (1, 2, 4, 6, 8)]))


def stq_plain(folder: Path, watch: Stopwatch) -> float:
    """Classes and tubes written into whole maps; four of the twenty clips."""
    with watch:
        return plain.segmentation_tracking_quality(_plain_clips(folder, 4), loads.THINGS)


# Tracks and images


def _by_video(tracks: Iterable[Track]) -> dict[int | str, list[Track]]:
    found: dict[int | str, list[Track]] = defaultdict(list)
    for track in tracks:
        found[track.video_id].append(track)
    return found


def track_ap(folder: Path, watch: Stopwatch) -> float:
    """Json loading included."""
    with watch:
        truth = cocovid.read_ytvis(folder / "data")
        results = cocovid.read_results(folder / "results.json", truth)
        metric = TrackAP([category.id for category in truth.categories])
        true, found = _by_video(truth.annotations or ()), _by_video(results)
        for video in truth.videos:
            metric.add(video.id, true[video.id], found[video.id])
        return metric.result().summary["AP"]


def track_command(folder: Path, watch: Stopwatch) -> float:
    """What `singleout eval ytvis-2019` computes, a row for each track included."""
    with watch:
        return evaluate("ytvis-2019", data=folder / "data", predictions=folder / "results.json").table["AP"]


def track_plain(folder: Path, watch: Stopwatch) -> float:
    """Codes merged frame by frame and pair by pair."""
    with watch:
        truth = json.loads((folder / "data" / "valid.json").read_text(encoding="utf-8"))["annotations"]
        found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        tracks = [
            [
                plain.PlainTrack(each["video_id"], each["category_id"], each["segmentations"], each.get("score", 0.0))
                for each in part
            ]
            for part in (truth, found)
        ]
        return plain.track_average_precision(*tracks)


def image_ap(folder: Path, watch: Stopwatch) -> float:
    """The frames of the tracks as 3000 images; json loading included."""
    with watch:
        truth = cocovid.read_ytvis(folder / "data")
        results = cocovid.read_results(folder / "results.json", truth)
        metric = ImageAP([category.id for category in truth.categories])
        annotations, detections = _by_video(truth.annotations or ()), _by_video(results)
        for video in truth.videos:
            true, found = annotations[video.id], detections[video.id]
            for frame in range(video.length):
                image = f"{video.id}/{frame}"
                metric.add(
                    image,
                    [
                        ImageAnnotation(
                            each.id,
                            image,
                            each.category_id,
                            each.segmentations[frame],
                            each.boxes[frame] or (0.0, 0.0, 0.0, 0.0),
                            each.areas[frame] or 0.0,
                        )
                        for each in true
                    ],
                    [
                        ImageResult(image, each.category_id, each.score, each.segmentations[frame], None)
                        for each in found
                    ],
                )
        return metric.result().summary["AP"]


def sentences(folder: Path, watch: Stopwatch) -> float:
    """1000 samples of 5 masks each; json loading included."""
    with watch:
        samples = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
        metric = SentenceMetrics()
        for number, (truth, area, found) in enumerate(samples):
            metric.add(
                ImageAnnotation(number, number, 1, truth, (0.0, 0.0, 1.0, 1.0), area),
                [ImageResult(number, 1, score, code, None) for score, code in found],
            )
        return metric.result().summary["mAP 0.5:0.95"]


# Classes


def _maps(folder: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int, int]:
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    found, truth = (np.load(folder / f"{part}.npy", mmap_mode="r") for part in ("found", "truth"))
    return found, truth, settings["classes"], settings["ignored"]


def semantic(folder: Path, watch: Stopwatch) -> float:
    """The matrix, and the run-length code of every class of every map."""
    found, truth, num_classes, ignored = _maps(folder)

    with watch:
        metric, size = SemanticConfusion(num_classes, ignore=ignored), 0
        for one, other in zip(found, truth, strict=True):
            metric.add(other, one)
            size += sum(map(len, encode_labels(one).values()))
        return 100 * metric.result().miou


def matrix(folder: Path, watch: Stopwatch) -> float:
    """The matrix only."""
    found, truth, num_classes, ignored = _maps(folder)

    with watch:
        metric = SemanticConfusion(num_classes, ignore=ignored)
        for one, other in zip(found, truth, strict=True):
            metric.add(other, one)
        return 100 * metric.result("vspw").miou


def semantic_plain(folder: Path, watch: Stopwatch) -> float:
    """A mask for each class, given to pycocotools; a fifth of the maps."""
    found, truth, num_classes, ignored = _maps(folder)
    pairs = ((one.astype(np.int64), other) for one, other in zip(found[::5], truth[::5], strict=True))
    with watch:
        return plain.semantic_quality(pairs, num_classes, ignored)[0]


def _videos(folder: Path) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            yield arrays["found"], arrays["truth"]


def consistency(folder: Path, watch: Stopwatch) -> float:
    """VC8, VC16 and the matrix; a clip in memory when the clock starts."""
    metric = VideoSemanticSegmentation()
    for number, (found, truth) in enumerate(_videos(folder)):
        with watch:
            metric.add(zip(truth + 1, found, strict=True), name=str(number))
    return metric.result().vc[8]


def objects(folder: Path, watch: Stopwatch) -> float:
    """Mask and boundary IoU of ten objects in each frame; a clip in memory when the clock starts."""
    values: list[tuple[float, float]] = []
    for found, truth in _videos(folder):
        with watch:
            values += [
                mask_and_boundary_iou(one == number, other == number)
                for one, other in zip(found, truth, strict=True)
                for number in range(1, 11)
            ]
    return float(np.mean(values))
