"""Memory and speed of `Tracks`: 1,000 objects in each of 300 frames of 854x480, the promise being under 500 MB.

Every mask is a blob with a wavy outline, 40 to 120 pixels across, at a place of its own. Run it with
``python benchmarks/tracks_memory.py [--objects 1000] [--frames 300]``; it prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from singleout.exports import trackfile
from singleout.exports.native import load_tracks, save_tracks
from singleout.tracks import FrameCodes, Tracks, codes

HEIGHT, WIDTH = 480, 854


def blobs(random: np.random.Generator, count: int) -> list[npt.NDArray[np.bool_]]:
    """Masks of blobs, each in a picture of its own that is just large enough."""
    made = []
    for _ in range(count):
        radius = random.uniform(20, 60)
        axis = np.arange(-int(1.3 * radius), int(1.3 * radius) + 1)
        angle, distance = np.arctan2(axis[:, None], axis), np.hypot(axis[:, None], axis)
        waves = random.uniform(0, 0.06, 5)[:, None, None] * np.sin(np.arange(2, 7)[:, None, None] * angle + axis[0])
        made.append(distance < radius * (1 + waves.sum(axis=0)))
    return made


def fill(num_objects: int, num_frames: int) -> Tracks:
    """Tracks in which every object is in every frame."""
    random = np.random.default_rng(0)
    shapes = blobs(random, min(400, 4 * num_objects))
    tracks = Tracks(HEIGHT, WIDTH, num_frames, exclusive=False)
    for frame in range(num_frames):
        coded = []
        for shape in random.integers(0, len(shapes), num_objects):
            mask = shapes[shape]
            top, left = random.integers(0, HEIGHT - mask.shape[0]), random.integers(0, WIDTH - mask.shape[1])
            coded.append(codes.encode(mask, top=top, left=left, size=(HEIGHT, WIDTH)))
        ids = np.arange(1, num_objects + 1)
        scores = random.random(num_objects)
        size = {"height": HEIGHT, "width": WIDTH}
        tracks.append(FrameCodes.pack(frame, ids, scores, coded, exclusive=False, **size))
    return tracks


def resident() -> float:
    """Megabytes of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Fill, measure, save, load, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=300)
    asked = parser.parse_args()
    fill(2, 2)
    before = resident()
    report: dict[str, float] = {"objects": asked.objects, "frames": asked.frames}

    def timed(name: str, began: float) -> None:
        report[name] = round(time.perf_counter() - began, 2)

    began = time.perf_counter()
    tracks = fill(asked.objects, asked.frames)
    timed("fill_s", began)
    report["resident_mb"] = round(resident() - before, 1)
    report["packed_mb"] = round(tracks.num_bytes / 1e6, 1)
    report["bytes_per_mask"] = round(tracks.num_bytes / (asked.objects * asked.frames), 1)
    began = time.perf_counter()
    areas = [track.areas.sum() for track in tracks]
    timed("all_areas_s", began)
    report["mean_area"] = round(float(np.mean(areas)) / asked.frames, 1)
    with tempfile.TemporaryDirectory() as folder:
        for name, save, load in (("records", save_tracks, load_tracks), ("json", trackfile.write, trackfile.read)):
            path = Path(folder) / name
            began = time.perf_counter()
            save(tracks, path)
            timed(f"{name}_save_s", began)
            report[f"{name}_mb"] = round(path.stat().st_size / 1e6, 1)
            began = time.perf_counter()
            same = load(path) == tracks
            timed(f"{name}_load_s", began)
            if not same:
                sys.exit(f"{name} did not read back equal")
    report["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
