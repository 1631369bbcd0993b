"""Inputs of known size for timing metrics, drawn by seed: ellipses that move, and maps of many classes.

They have the sizes and numbers of section 14 of the metrics' reference (videos, frames, tracks, classes), not its very
pixels, which were not kept. The sequences of DAVIS-2016 are real, with predictions by rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pycocotools import mask as codes
from scipy.spatial import cKDTree
from tests.parity import davis_rules

Make = Callable[[Path, Path], None]
"""Writes a load: takes the folder that holds davis16, and the folder to make."""
Ids = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]
THINGS = range(58)
"""Categories of the panoptic clips that are things; 58 to 123 are stuff, as many as in VIPSeg."""


def davis(shared: Path, folder: Path) -> None:
    """The sequences of `shared`/davis16 in DAVIS's layout, and predictions for them by the rules of the goldens."""
    names = sorted(path.name for path in (shared / "davis16" / "Annotations" / "480p").iterdir())
    listed = folder / "data" / "ImageSets" / "2016" / "val.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("\n".join(names) + "\n", encoding="utf-8")
    for kind in ("JPEGImages", "Annotations"):
        (folder / "data" / kind / "480p").mkdir(parents=True)
        for name in names:
            target = (shared / "davis16" / kind / "480p" / name).resolve()
            (folder / "data" / kind / "480p" / name).symlink_to(target)
    for name in names:
        (folder / "predictions" / name).mkdir(parents=True)
        for frame, path in enumerate(sorted((folder / "data" / "Annotations" / "480p" / name).glob("*.png"))):
            found = davis_rules.predicted(davis_rules.read_mask(path), frame)
            picture = Image.fromarray(found.astype(np.uint8), mode="P")
            picture.putpalette([0, 0, 0, 255, 255, 255])
            picture.save(folder / "predictions" / name / path.name)


def tracks(shared: Path, folder: Path, num_videos: int = 100) -> None:
    """Truth and results of YouTube-VIS: 5 true tracks and 10 results a video of 30 frames, 40 categories."""
    num_frames, size = 30, (360, 640)
    random = np.random.default_rng(14)
    videos: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for video in range(1, num_videos + 1):
        names = [f"{video:04d}/{frame:05d}.jpg" for frame in range(num_frames)]
        height, width = size
        videos.append({"id": video, "width": width, "height": height, "length": num_frames, "file_names": names})
        for _ in range(5):
            motion, category = _motion(random, size), int(random.integers(1, 41))
            masks = [_code(_ellipse(motion, frame, size)) for frame in range(num_frames)]
            areas = [int(codes.area(mask)) for mask in masks]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "video_id": video,
                    "category_id": category,
                    "iscrowd": 0,
                    "width": width,
                    "height": height,
                    "segmentations": [_text(mask) for mask in masks],
                    "bboxes": [codes.toBbox(mask).tolist() for mask in masks],
                    "areas": areas,
                }
            )
            for guess in range(2):
                near = motion + random.normal(size=6) * np.array([8, 8, 0.3, 0.3, 5, 5])
                follows = near if guess == 0 or random.random() < 0.3 else _motion(random, size)
                found = [_code(_ellipse(follows, frame, size)) for frame in range(num_frames)]
                results.append(
                    {
                        "video_id": video,
                        "category_id": category if random.random() < 0.8 else int(random.integers(1, 41)),
                        "score": float(random.random()),
                        "segmentations": [_text(mask) for mask in found],
                    }
                )
    (folder / "data").mkdir(parents=True)
    listed = [{"id": number, "name": f"category {number}"} for number in range(1, 41)]
    truth = {"videos": videos, "categories": listed, "annotations": annotations}
    (folder / "data" / "valid.json").write_text(json.dumps(truth), encoding="utf-8")
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")


def panoptic(shared: Path, folder: Path, num_videos: int = 20) -> None:
    """Truth and predictions in VIPSeg's layout: clips of 20 frames, about 12 segments each, of which some are lost."""
    num_frames, size = 20, (360, 640)
    random = np.random.default_rng(15)
    truth: dict[str, Any] = {"videos": [], "annotations": [], "categories": _panoptic_categories()}
    found: dict[str, Any] = {"annotations": []}
    for number in range(num_videos):
        name = f"{number}_clip"
        kinds = [int(kind) for kind in (*random.integers(58, 124, 6), *random.integers(0, 58, 7))]
        points, motions = random.random((40, 2)) * size, [_motion(random, size) for _ in range(7)]
        regions = random.integers(0, 6, 40)
        listed: list[list[dict[str, Any]]] = [[], []]
        for frame in range(num_frames):
            file_name = f"{frame * 10:08d}"
            for side, (noise, parent) in enumerate(((0.0, "data/panomasksRGB"), (4.0, "predictions/pan_pred"))):
                shifted = points + random.normal(size=points.shape) * noise
                ids = regions[_nearest(shifted, size)] + 1
                for place, motion in enumerate(motions):
                    if noise and random.random() < 0.05:
                        continue
                    moved = motion + random.normal(size=6) * noise * np.array([1, 1, 0.02, 0.02, 1, 1])
                    ids[_ellipse(moved, frame, size)] = 7 + place
                path = folder / parent / name / f"{file_name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                listed[side].append(_write_segments(ids.astype(np.int32), kinds, path, number))
        truth["videos"].append({"video_id": name, "images": [_image(part, size) for part in listed[0]]})
        truth["annotations"].append({"video_id": name, "annotations": listed[0]})
        found["annotations"].append({"video_id": name, "annotations": listed[1]})
    (folder / "data" / "panoptic_gt_VIPSeg_val.json").write_text(json.dumps(truth), encoding="utf-8")
    (folder / "predictions" / "pred.json").write_text(json.dumps(found), encoding="utf-8")


def class_maps(num_classes: int, per_map: int, num_maps: int = 500) -> Make:
    """Predictions and truths (num_maps, 480, 640), about so many classes a map, in patches; some 3 % do not count."""

    def make(shared: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        random = np.random.default_rng(16)
        size = (480, 640)
        kind, ignored = (np.uint16, 65535) if num_classes > 255 else (np.uint8, 255)
        # So many draws of a class are needed that the expected number of different ones is the wanted one.
        num_points = round(np.log(1 - per_map / num_classes) / np.log(1 - 1 / num_classes))
        found, truth = (np.empty((num_maps, *size), kind) for _ in range(2))
        for index in range(num_maps):
            points = random.random((num_points, 2)) * size
            labels = random.integers(0, num_classes, num_points)
            guesses = np.where(random.random(num_points) < 0.2, random.integers(0, num_classes, num_points), labels)
            truth[index] = labels[_nearest(points, size)]
            truth[index, :: int(random.integers(30, 36))] = ignored
            found[index] = guesses[_nearest(points + random.normal(size=points.shape) * 3, size)]
        np.save(folder / "found.npy", found)
        np.save(folder / "truth.npy", truth)
        (folder / "settings.json").write_text(json.dumps({"classes": num_classes, "ignored": ignored}))

    return make


def label_videos(num_videos: int, num_frames: int, num_ids: int) -> Make:
    """Predictions and truths (num_frames, 480, 854) of patches that move, with ids 0 to num_ids."""

    def make(shared: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        random = np.random.default_rng(17)
        size, num_points = (480, 854), 3 * num_ids
        ids = np.arange(num_points) % (num_ids + 1)
        for video in range(num_videos):
            points, speed = random.random((num_points, 2)) * size, random.normal(size=(num_points, 2))
            found, truth = (
                np.stack(
                    [
                        ids[_nearest(points + speed * frame + random.normal(size=points.shape) * noise, size)]
                        for frame in range(num_frames)
                    ]
                ).astype(np.uint8)
                for noise in (2.0, 0.0)
            )
            np.savez(folder / f"{video:02d}.npz", found=found, truth=truth)

    return make


def samples(shared: Path, folder: Path, num_samples: int = 1000) -> None:
    """Samples of A2D, 320 by 480: the true code and its area, and five results, each with a score."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(18)
    size = (320, 480)
    found = []
    for _ in range(num_samples):
        motion = _motion(random, size)
        truth = _code(_ellipse(motion, 0, size))
        noise = random.normal(size=(5, 6)) * 12
        results = [(float(random.random()), _text(_code(_ellipse(motion + each, 0, size)))) for each in noise]
        found.append([_text(truth), int(codes.area(truth)), results])
    (folder / "samples.json").write_text(json.dumps(found), encoding="utf-8")


def _motion(random: np.random.Generator, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Centre, speed and half axes of an ellipse: y, x, y and x a frame, y, x."""
    height, width = size
    centre = random.random(2) * size
    return np.concatenate([centre, random.normal(size=2) * 3, random.uniform(0.05, 0.25, 2) * (height, width)])


def _ellipse(motion: npt.NDArray[np.float64], frame: int, size: tuple[int, int]) -> Bool:
    y, x, down, right, tall, wide = motion
    rows, columns = np.ogrid[: size[0], : size[1]]
    tall, wide = max(tall, 4.0), max(wide, 4.0)
    inside: Bool = ((rows - y - down * frame) / tall) ** 2 + ((columns - x - right * frame) / wide) ** 2 <= 1
    return inside


def _nearest(points: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Which point is nearest to each pixel, looked at every third pixel to save time."""
    height, width = size
    grid = np.indices((-(-height // 3), -(-width // 3))).reshape(2, -1).T * 3
    coarse = cKDTree(points).query(grid)[1].reshape(-(-height // 3), -(-width // 3))
    return np.repeat(np.repeat(coarse, 3, axis=0), 3, axis=1)[:height, :width]


def _code(mask: Bool) -> dict[str, Any]:
    code: dict[str, Any] = codes.encode(np.asfortranarray(mask).astype(np.uint8))
    return code


def _text(code: dict[str, Any]) -> dict[str, Any]:
    return {"size": list(code["size"]), "counts": code["counts"].decode("ascii")}


def _panoptic_categories() -> list[dict[str, Any]]:
    return [
        {"id": number, "name": f"category {number}", "isthing": int(number in THINGS), "color": [number, 0, 0]}
        for number in range(124)
    ]


def _image(listed: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    return {"id": listed["image_id"], "width": size[1], "height": size[0], "file_name": listed["file_name"]}


def _write_segments(ids: Ids, kinds: list[int], path: Path, number: int) -> dict[str, Any]:
    """One frame as RGB picture; ids are spread over three bytes, as colours are. Returns its entry of the list."""
    spread = ids.astype(np.int64) * 70_001 + number
    Image.fromarray(np.stack([spread & 255, spread >> 8 & 255, spread >> 16], axis=-1).astype(np.uint8)).save(path)
    there, areas = np.unique(ids, return_counts=True)
    segments = [
        {
            "id": int(one) * 70_001 + number,
            "category_id": kinds[one - 1],
            "iscrowd": 0,
            "area": int(area),
            "bbox": [0, 0, 1, 1],
        }
        for one, area in zip(there, areas, strict=True)
    ]
    return {"image_id": path.stem, "file_name": path.name, "segments_info": segments}
