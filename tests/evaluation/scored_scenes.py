"""Random truths and detections of images and videos, small and full of ties, crowds and empty masks."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco

from singleout.data.records import ImageAnnotation, ImageResult, TrackAnnotation, TrackResult

SIZE = (40, 60)


def rle_of(mask):
    return coco.encode(np.asfortranarray(mask, np.uint8))


def box_mask(left, top, width, height, size=SIZE):
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def a_mask(rng, size=SIZE):
    height, width = size
    if rng.random() < 0.1:
        return np.zeros(size, bool)
    top, left = rng.integers(height), rng.integers(width)
    return box_mask(left, top, rng.integers(1, width), rng.integers(1, height), size)


def moved(rng, mask):
    return np.roll(mask, rng.integers(-4, 5, 2), axis=(0, 1)) & (rng.random(mask.shape) < 0.97)


def images(seed, *, num_images=6, num_categories=3, crowds=True):
    """Truths and results of images 1, 2, …: dicts of lists by image id. Scores have one decimal, so that many tie."""
    rng = np.random.default_rng(seed)
    truths, results = {}, {}
    for image_id in range(1, num_images + 1):
        size = (int(rng.integers(20, 90)), int(rng.integers(20, 130)))
        truths[image_id], results[image_id] = [], []
        for _ in range(rng.integers(0, 7)):
            mask, category = a_mask(rng, size), int(rng.integers(1, num_categories + 1))
            area = float(mask.sum()) if rng.random() < 0.8 else float(rng.integers(0, 12000))
            truth = ImageAnnotation(
                id=1 + sum(map(len, truths.values())),
                image_id=image_id,
                category_id=category,
                segmentation=rle_of(mask),
                box=(0.0, 0.0, 1.0, 1.0),
                area=area,
                iscrowd=crowds and bool(rng.random() < 0.2),
            )
            truths[image_id].append(truth)
            for _ in range(rng.integers(0, 5)):
                found = category if rng.random() < 0.9 else int(rng.integers(1, num_categories + 1))
                box = tuple(float(value) for value in rng.integers(1, 120, 4))
                score = float(np.round(rng.random(), 1))
                results[image_id].append(ImageResult(image_id, found, score, rle_of(moved(rng, mask)), box))
    return truths, results


def videos(seed, *, num_videos=5, num_categories=3, crowds=True):
    """Truths and results of videos 1, 2, …: dicts of lists by video id, all masks of `SIZE`."""
    rng = np.random.default_rng(seed)
    truths, results = {}, {}
    for video_id in range(1, num_videos + 1):
        num_frames = int(rng.integers(1, 6))
        truths[video_id], results[video_id] = [], []
        for _ in range(rng.integers(0, 6)):
            masks = [a_mask(rng) if rng.random() < 0.8 else None for _ in range(num_frames)]
            category = int(rng.integers(1, num_categories + 1))
            scale = rng.choice([1, 12, 40])
            truths[video_id].append(
                TrackAnnotation(
                    id=1 + sum(map(len, truths.values())),
                    video_id=video_id,
                    category_id=category,
                    segmentations=tuple(None if mask is None else rle_of(mask) for mask in masks),
                    boxes=(None,) * num_frames,
                    areas=tuple(None if mask is None else float(mask.sum() * scale) for mask in masks),
                    iscrowd=crowds and bool(rng.random() < 0.2),
                )
            )
            for _ in range(rng.integers(0, 5)):
                found = [None if mask is None or rng.random() < 0.1 else rle_of(moved(rng, mask)) for mask in masks]
                score = float(np.round(rng.random(), 1))
                results[video_id].append(TrackResult(video_id, category, score, tuple(found)))
    return truths, results
