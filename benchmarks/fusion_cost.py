"""Disk, memory and time of the fusion on drawn members, beside what the official scripts took for the same set.

    python benchmarks/fusion_cost.py [--sentences 20] [--frames 8] [--height 720] [--width 1280] [--keep FOLDER]

Five members with smooth soft masks are written as the official programs write them (.pth, float32), then cut, given
key frames, and fused by votes of 6 and of 8 as in the challenge. Disk is what is kept of the five members. Memory is
the peak of a process of its own above that of one that has imported the same modules and does nothing. The official
figures were measured by others, with torch on the processor of a busy machine of two cores, and stand in `OFFICIAL`;
seconds of the processor are theirs without those of the system, ours with them. A matrix product and a convolution of
fixed size are timed before and after: where figures come from that were taken in quiet they took 94 and 75 ms.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory import peak_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt

NUM_VIDEOS = 5
MEMBERS = {
    "soc": "logits",
    "mutr": "logits",
    "referformer_ft": "logits",
    "vit_huge": "probabilities",
    "convnext": "probabilities",
}
# Of the largest set that was measured: peaks in MB above the bare interpreter (542 MB), seconds with its start, and
# seconds of the processor.
SET = (20, 8, 720, 1280)
OFFICIAL = {
    "key frames": (576, 7.0, 1.2),
    "split": (720, 33.8, 1.9),
    "first vote": (894, 18.5, 3.9),
    "second vote": (470, 19.7, 5.0),
}
PIPELINE = """
steps:
  soc: {masks: soc.pth, holds: logits}
  mutr: {masks: mutr.pth, holds: logits}
  referformer_ft: {masks: referformer_ft.pth, holds: logits}
  vit_huge: {masks: vit_huge.pth, holds: probabilities}
  convnext: {masks: convnext.pth, holds: probabilities}
  keys: {key-frames: soc, by: highest}
  pairs: {pair: consecutive}
  group: {vote: count, of: [soc, mutr, referformer_ft], at-least: 1/2, pairs: pairs}
  final: {vote: count, of: [group, soc, mutr, referformer_ft], at-least: 1/2, pairs: pairs}
"""
# Ours are cut once, in the place of their split; theirs reads the soft masks anew for key frames and the first vote.
STEPS = {"split": list(MEMBERS), "key frames": ["keys"], "first vote": ["pairs", "group"], "second vote": ["final"]}


def main() -> None:
    """Draw, run, print. Each part is a process of its own; this one stays small, for they would inherit its peak."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    for name, value in zip(("sentences", "frames", "height", "width"), SET, strict=True):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--keep", type=Path, help="folder for the files, which stay; a temporary one by default")
    parser.add_argument("--part", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    shape = (given.sentences, given.frames, given.height, given.width)
    if given.part == ["draw"]:
        draw(given.keep, *shape)
    elif given.part == ["calibrate"]:
        calibrate()
    elif given.part is not None:
        print(json.dumps(run(given.keep, given.part)))
    elif given.keep is not None:
        measure(given.keep, shape)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            measure(Path(scratch), shape)


def measure(folder: Path, shape: tuple[int, int, int, int]) -> None:
    """Everything, printed as it comes."""
    words = [f"--{name}={value}" for name, value in zip(("sentences", "frames", "height", "width"), shape, strict=True)]
    process(folder, ["draw"], words)
    soft = sum((folder / f"{name}.pth").stat().st_size for name in MEMBERS)
    print(f"{shape[0]} sentences x {shape[1]} frames of {shape[3]}x{shape[2]}, {len(MEMBERS)} members")
    bare = json.loads(process(folder, [], words))
    print(f"bare interpreter with the imports: {bare['peak'] / 1e6:.1f} MB")
    print(process(folder, ["calibrate"], words), end="")
    walls = works = 0.0
    for name, steps in STEPS.items():
        began, before = time.monotonic(), children_seconds()
        found = json.loads(process(folder, steps, words))
        wall, work = time.monotonic() - began, children_seconds() - before
        walls, works, above = walls + wall, works + work, (found["peak"] - bare["peak"]) / 1e6
        line = f"{name:<12} {above:6.1f} MB above it, {wall:5.1f} s with its start, {work:5.1f} CPU-s"
        if shape == SET:
            peak, seconds, busy = OFFICIAL[name]
            line += f"; official {peak} MB ({above / peak:.3f} of it), {seconds} s, {busy} CPU-s"
        if name == "split":
            official, ours = 2 * soft, sum(found["bytes"].values())
            print(
                f"disk: {ours / 1e6:.2f} MB; official, with the split: {official / 1e6:.1f} MB (1/{official // ours})"
            )
        print(line)
    line = f"together {walls:.1f} s, {works:.1f} CPU-s"
    if shape == SET:
        _, seconds, busy = (sum(each) for each in zip(*OFFICIAL.values(), strict=True))
        line += f"; official {seconds:.1f} s, {busy:.1f} CPU-s: {seconds / walls:.0f} and {busy / works:.1f} times"
    print(line)
    print(process(folder, ["calibrate"], words), end="")


def calibrate() -> None:
    """Print the fixed work, by which machines are compared."""
    import torch

    from timing import calibration

    torch.set_num_threads(2)
    print(calibration())


def children_seconds() -> float:
    """Seconds of the processor that processes of this one took that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def process(folder: Path, part: list[str], words: list[str]) -> str:
    """A part of this script in a process of its own; returns what it prints."""
    typed = [sys.executable, __file__, "--keep", str(folder), *words, "--part", *part]
    return subprocess.run(typed, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(folder: Path, steps: list[str]) -> dict[str, Any]:
    """Some steps, whose inputs are there; their peak in bytes, and what they take on disk."""
    from singleout.fusion.board import Board
    from singleout.fusion.pipeline import parse_pipeline
    from singleout.fusion.running import read_videos, run
    from singleout.fusion.tools import Tools

    pipeline = parse_pipeline(PIPELINE, "cost")
    board = Board(pipeline, read_videos(pipeline, folder), folder / "out", Tools(pipeline.layout, folder))
    run(board, steps, alone=True)
    found = {name: board.num_bytes(pipeline.steps[name]) for name in steps}
    return {"peak": peak_bytes(), "bytes": found}


def draw(folder: Path, sentences: int, frames: int, height: int, width: int) -> None:
    """The list of sentences, and five members as their programs write them."""
    import numpy as np
    import torch

    names = [f"{5 * index:05d}" for index in range(frames)]
    share = [sentences // NUM_VIDEOS + (video < sentences % NUM_VIDEOS) for video in range(NUM_VIDEOS)]
    listed = {
        f"video{video}": {"frames": names, "expressions": {str(key): {"exp": f"thing {key}"} for key in range(count)}}
        for video, count in enumerate(share)
    }
    meta = folder / "meta_expressions" / "valid" / "meta_expressions.json"
    meta.parent.mkdir(parents=True, exist_ok=True)
    meta.write_text(json.dumps({"videos": listed}))
    for seed, (member, holds) in enumerate(MEMBERS.items()):
        random = np.random.default_rng(seed)
        content: dict[str, dict[str, Any]] = {video: {} for video in listed}
        for video, sentence in ((video, key) for video, entry in listed.items() for key in entry["expressions"]):
            masks = torch.from_numpy(np.stack(list(soft_masks(random, frames, (height, width), holds))))
            content[video][str(sentence)] = {"mask_logits": masks, "class_info": random.random(frames).tolist()}
        torch.save(content, folder / f"{member}.pth")


def soft_masks(
    random: np.random.Generator, frames: int, size: tuple[int, int], holds: str
) -> Iterator[npt.NDArray[np.float32]]:
    """A blob with a wavy border that moves, as smooth logits or probabilities."""
    import numpy as np

    rows, columns = np.ogrid[: size[0], : size[1]]
    top, left = random.uniform(0.3, 0.7, 2) * size
    radius, waves, phase = random.uniform(0.1, 0.25) * size[0], random.integers(3, 9), random.uniform(0, 6)
    for frame in range(frames):
        y, x = (rows - top).astype(np.float32), (columns - left - 4 * frame).astype(np.float32)
        border = radius * (1 + 0.2 * np.sin(waves * np.arctan2(y, x) + phase))
        logits = np.clip((border - np.hypot(y, x)) / 10, -20, 20).astype(np.float32)
        yield logits if holds == "logits" else (1 / (1 + np.exp(-logits))).astype(np.float32)


if __name__ == "__main__":
    main()
