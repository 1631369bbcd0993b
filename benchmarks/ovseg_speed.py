"""Seconds per picture of OVSeg by stage, and against a plain path.

    python benchmarks/ovseg_speed.py                                     r101c with ViT-B/16, 512x911, 100 regions
    python benchmarks/ovseg_speed.py --variant swin-b --regions 20
    python benchmarks/ovseg_speed.py --batch 100                         all regions through CLIP together
    python benchmarks/ovseg_speed.py --precision bfloat16                CLIP's products in bfloat16
    python benchmarks/ovseg_speed.py --plain                             also the plain path, which takes a while
    python benchmarks/ovseg_speed.py --names 847                         what many names cost, once they are vectors

Weights are random, which costs the same time as trained ones; the picture and the vectors of names are drawn. Every
proposal is made to cover pixels, as in the reference's figures: its mask is kept and bands are laid over it. A matrix
product and a convolution of fixed size are timed before and after, so that a busy or another machine shows.

The plain path: attention by its formula, convolutions and linear layers as torch has them, norms of the backbone by
themselves, all regions through CLIP together, every token through its last block, and the map of all names at once.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import peak_bytes
from singleout.nn.clip_images import ClipImageTower
from singleout.systems.ovseg import pictures
from singleout.systems.ovseg.config import VARIANTS
from singleout.systems.ovseg.ensemble import Canvas, ClassMap
from singleout.systems.ovseg.inference import OVSeg
from singleout.systems.ovseg.network import OVSegNetwork
from singleout.systems.ovseg.options import PRECISIONS, Options
from singleout.systems.ovseg.pictures import Rules, Seen, judge, look, paint
from timing import Stages, Stopwatch, calibration, measure, plain_steps

SIZE = (480, 854)


def with_regions(seen: Seen, count: int) -> Seen:
    """The same picture with so many proposals that cover pixels: bands of growing height, and none elsewhere."""
    shares = seen.shares * 0.2
    height = shares.shape[1]
    for row, share in enumerate(shares[:count]):
        start = height * row // (2 * len(shares))
        share[start : start + height // 2] = 0.9
    return replace(seen, shares=shares)


def plain_tower(tower: ClipImageTower, images: Tensor, masks: Tensor | None = None) -> Tensor:
    """CLIP's image tower as it is usually written."""
    background = None if masks is None else ~tower.kept_patches(masks)
    x = tower.start(images, background)
    for depth, block in enumerate(tower.blocks, 1):
        x = tower.replaced(block(x), background, depth)
    found: Tensor = tower.norm_after(x[:, 0]) @ tower.projection
    return found


def plain_labels(canvas: Canvas) -> ClassMap:
    """All sums at once."""
    sums = torch.einsum("qn,qhw->nhw", canvas.scores, canvas.masks)
    whole = F.interpolate(sums[None], canvas.size, mode="bilinear", align_corners=False)[0]
    best = whole.max(0)
    return ClassMap(best.indices, best.values / whole.sum(0), whole[0] == 0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--variant", default="r101c", choices=sorted(VARIANTS))
    parser.add_argument("--regions", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16, help="regions that go through CLIP together")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS, help="of CLIP's products on regions")
    parser.add_argument("--names", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="measure the plain path as well")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    config = VARIANTS[asked.variant]
    network = OVSeg(OVSegNetwork(config).eval().requires_grad_(False), name="ovseg").network
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    rows = network.rows(F.normalize(torch.randn(asked.names, config.clip.images.out_width), dim=-1))
    rules = Options(rule="ensemble", regions_at_once=asked.batch, precision=asked.precision).rules(config)

    def whole(chosen: Rules) -> ClassMap:
        seen = with_regions(look(network, frame, config.size, config.longest), asked.regions)
        return paint(seen.shares, judge(network, seen, rows, chosen), chosen, SIZE).labels()

    print(
        f"ovseg/{asked.variant}, {asked.regions} regions in batches of {asked.batch}, {asked.names} names, "
        f"{asked.threads} threads, {asked.precision}"
    )
    print(calibration())
    watch = Stopwatch()
    stages: Stages = {
        "backbone": (network.backbone, "forward"),
        "pixel decoder": (network.pixel_decoder, "forward"),
        "transformer": (network.decoder, "forward"),
        "regions through CLIP": (pictures, "ask_clip"),
        "classes of pixels": (Canvas, "labels"),
    }
    with torch.inference_mode():
        judge(network, with_regions(look(network, frame, config.size, config.longest), 16), rows, rules)
        own: list[ClassMap] = []
        with watch.on(stages):
            ours = measure("a picture", lambda: own.append(whole(rules)), "picture", repeat=asked.repeat)
        watch.tell("picture", asked.repeat)
    print(f"peak memory {peak_bytes() / 2**30:.2f} GiB")
    if asked.plain:
        with ExitStack() as stack:
            stack.enter_context(plain_steps())
            stack.enter_context(patch.object(ClipImageTower, "forward", plain_tower))
            stack.enter_context(patch.object(Canvas, "labels", plain_labels))
            together = replace(rules, batch=asked.regions, rough=False)
            others: list[ClassMap] = []
            slow = measure("plain path, a picture", lambda: others.append(whole(together)), "picture")
        alike = float((own[0].labels == others[0].labels).float().mean())
        print(f"against the plain path: {slow.clock / ours.clock:.2f} times; {alike:.3%} of its pixels have our class")
        print(f"peak memory with the plain path {peak_bytes() / 2**30:.2f} GiB")
    print(calibration())


if __name__ == "__main__":
    main()
