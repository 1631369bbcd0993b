"""Results of one sentence in one picture: the objects that were found, the best of them, and how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from singleout.data.records import ImageAnnotation, ImageResult, ListedImage
from singleout.evaluation.benchmarks.looks import read_picture
from singleout.evaluation.metrics.sentences import best_of
from singleout.evaluation.report.values import Look
from singleout.exports.rle import as_rle
from singleout.tracks import Tracks
from singleout.tracks import codes as run_length


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
