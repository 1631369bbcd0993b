"""YouTube-VIS 2019 and 2021, OVIS and LV-VIS: tracks of known categories, scored by AP and AR."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from singleout.data import cocovid
from singleout.data.records import ListedVideo, Rle, TrackAnnotation, TrackResult, TrackSet
from singleout.errors import InputError
from singleout.evaluation.benchmarks.base import Job, OnVideo, Source, quietly
from singleout.evaluation.benchmarks.listed import (
    RESULTS,
    Listed,
    blaming,
    by_category,
    category_numbers,
    refuse_nothing,
    results_file,
    write_part,
)
from singleout.evaluation.benchmarks.looks import Bool, read_picture
from singleout.evaluation.metrics.matching import ranked
from singleout.evaluation.metrics.track_ap import LVVIS, YTVIS, TrackAP, TrackScores, lvvis_groups
from singleout.evaluation.report.page import MOST_SHOWN
from singleout.evaluation.report.values import Evaluation, Look, ObjectResult
from singleout.exports import FORMATS
from singleout.exports.layout import read_json
from singleout.prompts import Categories, Prompt
from singleout.tracks import Tracks
from singleout.tracks import codes as run_length


@dataclass(frozen=True)
class TrackBenchmark(Listed):
    """See the module. lvvis: LV-VIS's layout and evaluator, which also reports base and novel categories."""

    lvvis: bool = False

    def evaluate(
        self, data: Source, predictions: Path, *, corrected: bool = False, on_video: OnVideo = quietly
    ) -> Evaluation:
        """See `Benchmark.evaluate`."""
        truth = self._truth(data)
        if truth.annotations is None:
            raise InputError(
                f"{truth.path} has no annotations, as the files of the challenges: its truth is not public"
            )
        path = results_file(predictions)
        results = cocovid.read_results(path, truth, part=data.is_part)
        refuse_nothing(path, results)
        metric = TrackAP([each.id for each in truth.categories], LVVIS if self.lvvis else YTVIS, self._groups(truth))
        true: Mapping[int | str, list[TrackAnnotation]] = defaultdict(list)
        found: Mapping[int | str, list[TrackResult]] = defaultdict(list)
        for annotation in truth.annotations:
            true[annotation.video_id].append(annotation)
        for result in results:
            found[result.video_id].append(result)
        # Detections of equal score are put in order by their video, and then by their place in the file.
        videos = sorted(truth.videos, key=lambda video: video.id)
        for done, video in enumerate(videos, 1):
            with blaming(path, truth.path, (code for each in true[video.id] for code in each.segmentations)):
                metric.add(video.id, true[video.id], found[video.id])
            on_video(video.name, done, len(videos))
        scores = metric.result()
        names = {each.id: each.name for each in truth.categories}
        objects = [each for video in videos for each in _objects(video, true[video.id], found[video.id], scores, names)]
        with_truth = {annotation.category_id for annotation in truth.annotations}
        return Evaluation(
            self.name,
            self.title,
            str(data.split),
            scores.summary,
            objects=_with_courses(objects),
            parts={"By category": by_category(scores.per_category, truth.categories, with_truth)},
            notes=("an AP of -1 means that no truth is of that kind",) if -1 in scores.summary.values() else (),
            about={"results": len(results)},
        )

    def open(self, data: Source) -> list[Job]:
        """A video a job, which is asked for all categories."""
        truth = self._truth(data)
        numbers = category_numbers(truth.categories)
        asked: list[tuple[Prompt, ...]] = [(Categories(list(numbers)),)]
        return [
            Job.of_video(video, lambda: asked, about={"id": video.id, "numbers": numbers}) for video in truth.videos
        ]

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """The video's part of results.json."""
        (tracks,) = answers
        names = list(tracks.frame_names or ())
        with tempfile.TemporaryDirectory() as scratch:
            FORMATS["ytvis"].write(
                tracks,
                scratch,
                video_name=job.name,
                frame_names=names,
                categories=job.about["numbers"],
                video_id=job.about["id"],
            )
            return write_part(job, folder, read_json(Path(scratch) / RESULTS))

    def _truth(self, data: Source) -> TrackSet:
        read = cocovid.read_lvvis if self.lvvis else cocovid.read_ytvis
        return read(data.root, split=str(data.split))

    def _groups(self, truth: TrackSet) -> dict[str, tuple[int, ...]]:
        if not self.lvvis:
            return {}
        without = [each.id for each in truth.categories if each.partition is None]
        if without:
            raise InputError(f'{truth.path}: category {without[0]} has no "partition", which tells base from novel')
        return lvvis_groups({each.id: each.partition for each in truth.categories if each.partition is not None})


def _objects(
    video: ListedVideo,
    truths: Sequence[TrackAnnotation],
    results: Sequence[TrackResult],
    scores: TrackScores,
    names: Mapping[int, str],
) -> list[ObjectResult]:
    """A line for each true track: how well the best result of its category covers it."""
    lines = []
    for category in sorted({truth.category_id for truth in truths}):
        objects = [truth for truth in truths if truth.category_id == category]
        mine = [result for result in results if result.category_id == category]
        order = ranked([result.score for result in mine])
        overlaps = scores.ious.get((video.id, category), np.zeros((0, len(objects))))
        for place, truth in enumerate(objects):
            best, iou = None, 0.0
            if len(overlaps):
                row = int(np.argmax(overlaps[:, place]))
                best, iou = mine[order[row]], float(overlaps[row, place])
            values = {"IoU": iou, "score": best.score if best is not None and iou > 0 else float("nan")}
            best = best if iou > 0 else None
            look = partial(_look, video, truth, best)
            name = f"{truth.id} {names[category]}{' (crowd)' if truth.iscrowd else ''}"
            lines.append(ObjectResult(video.name, name, values, iou, {}, video.frame_names, look))
    return lines


def _with_courses(objects: Sequence[ObjectResult]) -> tuple[ObjectResult, ...]:
    """The worst objects, which the report shows, get their IoU over time; for all of them it would take long."""
    worst = sorted(range(len(objects)), key=lambda place: objects[place].score)[:MOST_SHOWN]
    found = list(objects)
    for place in worst:
        look = objects[place].look
        assert isinstance(look, partial)
        found[place] = replace(objects[place], series={"IoU": _course(*look.args)})
    return tuple(found)


def _course(
    video: ListedVideo, truth: TrackAnnotation, best: TrackResult | None
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.full(video.length, np.nan)
    found = best.segmentations if best is not None else (None,) * video.length
    for frame, (one, other) in enumerate(zip(truth.segmentations, found, strict=True)):
        if one is not None and other is not None:
            values[frame] = run_length.ious([one["counts"]], [other["counts"]], video.height, video.width)[0, 0]
        elif one is not None or other is not None:
            values[frame] = 0.0
    return values


def _look(video: ListedVideo, truth: TrackAnnotation, best: TrackResult | None, index: int) -> Look:
    found = None if best is None else best.segmentations[index]
    picture = read_picture(video.images[index])
    return Look(
        f"frame {video.frame_names[index]}", _mask(truth.segmentations[index], video), _mask(found, video), picture
    )


def _mask(code: Rle | None, video: ListedVideo) -> Bool:
    if code is None:
        return np.zeros((video.height, video.width), np.bool_)
    return run_length.decode(code["counts"], video.height, video.width)


_RESULT = "results.json, a list of {video_id, category_id, score, segmentations}"
_ARCHIVE = "a zip with results.json directly at its top"
BENCHMARKS = (
    *(
        TrackBenchmark(name, title, "instances", ("valid", "train", "test"), _RESULT, _ARCHIVE)
        for name, title in (
            ("ytvis-2019", "YouTube-VIS 2019"),
            ("ytvis-2021", "YouTube-VIS 2021"),
            ("ovis", "OVIS"),
        )
    ),
    TrackBenchmark("lv-vis", "LV-VIS", "instances", ("val", "train", "test"), _RESULT, _ARCHIVE, lvvis=True),
)
