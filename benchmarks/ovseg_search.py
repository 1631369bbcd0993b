"""The best weight and mask threshold of OVSeg's ensemble on a data set, by mIoU over a grid of both.

    python benchmarks/ovseg_search.py --model ovseg/swin-b --data DATA                  ADE20K-150, the published grid
    python benchmarks/ovseg_search.py --model ovseg/swin-b --data DATA --set pascal_context_59 --images 200

Each picture goes through the network once, and its regions through CLIP once for each threshold.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from singleout.data import semantic
from singleout.errors import InputError
from singleout.evaluation.metrics.semantic import SemanticConfusion
from singleout.exports.pictures import read_numbers
from singleout.systems.ovseg.inference import OVSeg
from singleout.systems.ovseg.options import Options
from singleout.systems.ovseg.search import Grid, best, label_maps
from singleout.zoo import load


def main() -> int:
    """Print mIoU of every pair."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default="ovseg/swin-b")
    parser.add_argument("--weights", help="published file or converted folder")
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--set", default="ade20k_150", choices=sorted(semantic.LAYOUTS))
    parser.add_argument("--images", type=int, help="the first so many pictures only")
    asked = parser.parse_args()
    try:
        system = load(asked.model, weights=asked.weights)
        if not isinstance(system, OVSeg):
            raise InputError(f"{asked.model} is no OVSeg: give a checkpoint of it")
        truth = semantic.read(asked.data, asked.set)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = system.rows([" ".join(name.split()) for name in truth.class_names])
    rules, grid = Options(rule="ensemble").rules(system.network.config), Grid()
    scores = {pair: SemanticConfusion(len(truth.class_names), ignore=truth.ignore) for pair in grid.pairs()}
    images = truth.images[: asked.images]
    for done, image in enumerate(images, 1):
        picture, true = np.array(Image.open(image.image).convert("RGB")), read_numbers(image.truth)
        for pair, labels in label_maps(system.network, picture, rows, rules, grid):
            scores[pair].add(true, labels.cpu().numpy().astype(true.dtype), where=image.name)
        print(f"\r{done} of {len(images)} pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    found = [(pair, 100 * confusion.result("ovseg").miou) for pair, confusion in scores.items()]
    for (threshold, weight), miou in found:
        print(f"mask_threshold {threshold:.2f}  weight {weight:.2f}  mIoU {miou:.3f}")
    threshold, weight = best(found)
    print(f"best: mask_threshold {threshold:.2f}, weight {weight:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
