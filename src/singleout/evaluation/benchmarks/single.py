"""Benchmarks of sentences about one picture, or one frame of a video: all results count, or the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from singleout.data.records import ImageAnnotation, ImageResult, ListedImage
from singleout.evaluation.benchmarks.base import Job
from singleout.evaluation.benchmarks.listed import Listed, write_part
from singleout.evaluation.benchmarks.looks import read_picture
from singleout.evaluation.metrics.sentences import best_of
from singleout.evaluation.report.values import Look
from singleout.exports.rle import as_rle
from singleout.segmenter import Guess
from singleout.tracks import Tracks
from singleout.tracks import codes as run_length


@dataclass(frozen=True)
class SingleFrames(Listed):
    """Benchmarks whose jobs say in ``about["samples"]``, for each group of prompts, which frames count under which id.

    A frame is told by its place among those that are kept.
    """

    def save(self, job: Job, answers: Sequence[Tracks], folder: Path) -> list[Path]:
        """The job's part of results.json: every object that a sentence found, or an empty mask of score 0."""
        results = [
            {"image_id": key, "category_id": 1, **found}
            for tracks, wanted in zip(answers, job.about["samples"], strict=True)
            for frame, key in wanted
            for found in found_objects(tracks, frame)
        ]
        return write_part(job, folder, results)

    def save_guesses(self, job: Job, guesses: Sequence[Sequence[Sequence[dict[str, Any]]]], folder: Path) -> list[Path]:
        """The same of all candidates; guesses: for each kept frame and each group of prompts, of `guessed`."""
        results = [
            {"image_id": key, "category_id": 1, **found}
            for group, wanted in enumerate(job.about["samples"])
            for frame, key in wanted
            for found in guesses[frame][group]
        ]
        return write_part(job, folder, results)


def guessed(guesses: Sequence[Guess]) -> list[dict[str, Any]]:
    """Score, mask and box (x, y, width, height) of each candidate, as results.json has them."""
    found = []
    for each in guesses:
        left, top, right, bottom = each.box
        segmentation = as_rle(run_length.encode(each.mask), *each.mask.shape)
        found.append(
            {"score": each.score, "segmentation": segmentation, "bbox": [left, top, right - left, bottom - top]}
        )
    return found


def found_objects(tracks: Tracks, frame: int) -> list[dict[str, Any]]:
    """Score, mask and box (x, y, width, height) of each object in a frame; an empty mask of score 0 for none."""
    stored = tracks.frame(frame)
    found = [
        (tracks.objects[number].score, code) for number, code in zip(stored.ids.tolist(), stored.codes, strict=True)
    ]
    if not found:
        found = [(0.0, run_length.encode(np.zeros((tracks.height, tracks.width), np.bool_)))]
    boxes = np.nan_to_num(run_length.boxes([code for _, code in found], tracks.height, tracks.width)).tolist()
    return [
        {
            "score": score,
            "segmentation": as_rle(code, tracks.height, tracks.width),
            "bbox": [left, top, right - left, bottom - top],
        }
        for (score, code), (left, top, right, bottom) in zip(found, boxes, strict=True)
    ]


def best_result(results: Sequence[ImageResult]) -> ImageResult:
    """The one that counts; see `metrics.sentences.best_of`."""
    return best_of(results, results[0].image_id)


def result_look(image: ListedImage, truth: ImageAnnotation | None, best: ImageResult | None, index: int = 0) -> Look:
    """The picture with the true object and the result; nothing where one of them has no mask."""
    masks = [
        np.zeros((image.height, image.width), np.bool_)
        if each is None or each.segmentation is None
        else run_length.decode(each.segmentation["counts"], image.height, image.width)
        for each in (truth, best)
    ]
    picture = read_picture(image.path)
    return Look(image.caption or f"image {image.id}", masks[0], masks[1], picture)
