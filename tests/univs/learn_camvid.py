"""Lets a small UniVS learn a few neighbouring frames of CamVid from nothing, and draws what it found.

    python -m tests.univs.learn_camvid                               3 frames of ../shared/train/camvid
    python -m tests.univs.learn_camvid --first 0006R0_f00930 --frames 4 --steps 200 --out pictures/

It shows that the losses, the matching and the prompts work together on real pictures, not how good UniVS is: the frames
that are drawn are those that were learned. Every class of CamVid is one object of the clip; pictures show what the
learnable queries found (semantic: the best class of each pixel; panoptic: the best query of each pixel; instances: cars
and people alone) and what prompts carried on from the masks of the first frame.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from tests.shared_data import SHARED
from tests.univs.learning import TINY, learn, masks_by_prompts, objects_of, overlaps, prepared, tiny_network
from torch.nn import functional as F

from singleout.media.overlay import draw
from singleout.systems.univs.network import UniVSNetwork

IGNORED = "unlabelled"
THINGS = ("car", "pedestrian", "bicyclist")
QUERIES = 24
LEAST = 60  # pixels in the first frame for a class to be an object
Frames = npt.NDArray[np.uint8]


def open_clip(folder: Path, first: str | None, count: int, size: tuple[int, int]) -> tuple[Frames, Frames, list[str]]:
    """Frames (count, height, width, 3), numbers of objects in them, 0 for none, and the names of the objects.

    size: width and height.
    """
    pictures = sorted((folder / "train" / "images").glob("*.jpg"))
    start = 0 if first is None else [picture.stem for picture in pictures].index(first)
    chosen = pictures[start : start + count]
    frames, labels = [], []
    for picture in chosen:
        frames.append(np.asarray(Image.open(picture).convert("RGB").resize(size, Image.Resampling.BILINEAR)))
        label = Image.open(folder / "train" / "labels" / f"{picture.stem}.png")
        labels.append(np.asarray(label.resize(size, Image.Resampling.NEAREST)))
    names = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    kept = [
        value for value, name in enumerate(names) if name != IGNORED and np.count_nonzero(labels[0] == value) >= LEAST
    ]
    ids = np.zeros((len(labels), *labels[0].shape), np.uint8)
    for number, value in enumerate(kept, start=1):
        ids[np.stack(labels) == value] = number
    return np.stack(frames), ids, [names[value] for value in kept]


@torch.no_grad()
def found_by_queries(
    network: UniVSNetwork, frames: Frames, names: torch.Tensor
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The best class and the best query of each pixel, (time, height, width) each, and the class of each query."""
    decoded = network.eval().decode(network.encode(prepared(frames)), None, names)
    assert decoded.logits is not None
    scores = decoded.logits.sigmoid()
    masks = F.interpolate(decoded.masks(), frames.shape[1:3], mode="bilinear", align_corners=False)
    classes = torch.einsum("qn,qthw->nthw", scores, masks.sigmoid()).argmax(0)
    best, labels = scores.max(1)
    queries = (best[:, None, None, None] * masks.sigmoid() * (masks > 0)).argmax(0)
    return classes.numpy(), queries.numpy(), labels.numpy()


def main() -> None:
    """Learn, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camvid", type=Path, default=SHARED / "train" / "camvid")
    parser.add_argument("--first", help="name of the first frame; the first of all by default")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--out", type=Path, help="a folder for pictures; none are drawn by default")
    parser.add_argument("--size", default="256x192", help="width and height, multiples of 32 (default: %(default)s)")
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    if not given.camvid.is_dir():
        raise SystemExit(f"{given.camvid} is not here: it holds CamVid's frames and labels")

    frames, ids, names = open_clip(given.camvid, given.first, given.frames, (width, height))
    objects = objects_of(ids, list(range(len(names))))
    torch.manual_seed(1)
    vectors = torch.randn(len(names), TINY.text_width)
    network = tiny_network(replace(TINY, num_queries=QUERIES))
    start, work = time.perf_counter(), time.process_time()
    sums = learn(network, frames, objects, vectors, steps=given.steps)
    took = f"{time.perf_counter() - start:.0f} s, {time.process_time() - work:.0f} s of the processor"
    print(f"{len(frames)} frames, {len(names)} classes: loss {sums[0]:.1f} to {sums[-1]:.1f} in {took}")

    classes, queries, labels = found_by_queries(network, frames, vectors)
    known = ids > 0
    semantic = [
        np.count_nonzero((classes == number) & (ids == number + 1))
        / max(np.count_nonzero(((classes == number) & known) | (ids == number + 1)), 1)
        for number in range(len(names))
    ]
    carried = masks_by_prompts(network, frames, objects)
    prompted = overlaps(carried, objects)
    for name, one, other in zip(names, semantic, prompted, strict=True):
        print(f"{name:<14} IoU by queries {one:.3f}, carried on from the first frame {other:.3f}")
    print(
        f"mean           IoU by queries {np.mean(semantic):.3f}, carried on from the first frame {prompted.mean():.3f}"
    )

    if given.out is None:
        return
    given.out.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        numbers = list(range(1, len(names) + 1))
        by_class = np.stack([classes[index] == number for number in range(len(names))])
        used = [query for query in np.unique(queries[index]) if np.count_nonzero(queries[index] == query) >= LEAST]
        by_query = np.stack([queries[index] == query for query in used])
        said = [names[labels[query]] for query in used]
        things = [place for place, name in enumerate(said) if name in THINGS]
        of_things = [used[place] + 1 for place in things]
        kinds = {
            "semantic": draw(frame, numbers, by_class, names, legend=True),
            "panoptic": draw(frame, [query + 1 for query in used], by_query, said),
            "instances": draw(frame, of_things, by_query[things], [said[place] for place in things]),
            "carried": draw(frame, numbers, carried[:, index].numpy(), names),
        }
        for kind, picture in kinds.items():
            Image.fromarray(picture).save(given.out / f"{kind}-{index}.png")
    print(given.out)


if __name__ == "__main__":
    main()
