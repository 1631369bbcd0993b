"""Seconds per frame of ReferFormer, MUTR or SOC by stage, and what each way of saving time saves.

    python benchmarks/referring_speed.py                             ResNet-50, 5 frames, 1 and 4 sentences
    python benchmarks/referring_speed.py --system mutr
    python benchmarks/referring_speed.py --variant video-swin-b --frames 3
    python benchmarks/referring_speed.py --system soc --frames 8     Video-Swin-B, of SOC the default
    python benchmarks/referring_speed.py --plain                     also the plain path, which takes a while

Weights are random, which costs the same time as trained ones; frames are drawn, 480x854, and seen at 360x640, by MUTR
at 432x768. A matrix product and a convolution of fixed size are timed before and after, so that a busy or another
machine shows: where the reference's figures come from they took 94 and 75 ms with two threads. Seconds of the processor
(all threads) stand beside those of the clock, because on a shared machine they say more.

The plain path: sentences one by one, each seeing the frames anew, all masks made, attention and sampling step by step.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from memory import peak_bytes
from singleout.referring.pictures import network_size, prepare, probabilities
from singleout.referring.segmenter import SentenceSegmenter
from singleout.systems.mutr.config import VARIANTS as MUTR_VARIANTS
from singleout.systems.mutr.inference import Mutr
from singleout.systems.mutr.network import MutrNetwork
from singleout.systems.referformer.config import VARIANTS
from singleout.systems.referformer.inference import ReferFormer
from singleout.systems.referformer.network import ReferFormerNetwork
from singleout.systems.soc.config import VARIANTS as SOC_VARIANTS
from singleout.systems.soc.inference import Soc
from singleout.systems.soc.network import SocNetwork
from timing import Seconds, Stopwatch, calibration, measure, plain_steps

SENTENCE = (0, 627, 2335, 878, 15, 5, 235, 2)
STAGES = ("prepare", "look", "read", "_targets", "_decode", "_voices", "_pyramid")  # _targets is a part of _decode
SYSTEMS: dict[str, tuple[dict[str, Any], type[Any], type[SentenceSegmenter]]] = {
    "referformer": (VARIANTS, ReferFormerNetwork, ReferFormer),
    "mutr": (MUTR_VARIANTS, MutrNetwork, Mutr),
    "soc": (SOC_VARIANTS, SocNetwork, Soc),
}
Frames = list[npt.NDArray[np.uint8]]


def shared(system: SentenceSegmenter, frames: Frames, token_ids: Sequence[Sequence[int]]) -> None:
    """What a user gets: frames seen once, the best query of each sentence, its masks at the size of the video."""
    system._read = None
    for found in system.answer(frames, token_ids):
        for masks in found.masks:
            _ = probabilities(masks, frames[0].shape[:2]) > 0.5


def plain(system: SentenceSegmenter, frames: Frames, token_ids: Sequence[Sequence[int]]) -> None:
    """Each sentence by itself, with nothing shared or left out."""
    options = system.options
    network, size = system.network, network_size(frames[0].shape[:2], options.size, options.longest)
    for ids in token_ids:
        system._read = None
        sight = network.look(prepare(frames, size)[None])
        # ReferFormer's own evaluation makes the masks of all layers, those of MUTR and SOC the masks of one.
        found = network(sight, system.read([ids]), [size], every_layer=isinstance(network, ReferFormerNetwork))
        query = int(found.logits[0].sigmoid().mean(0).amax(-1).argmax())
        _ = probabilities(found.masks[0, :, query], frames[0].shape[:2]) > 0.5


def warm(name: str, run: Callable[[], None], count: int, repeat: int, watch: Stopwatch | None = None) -> Seconds:
    """`measure` after a run that warms up, of which watch forgets what it saw."""
    run()
    if watch is not None:
        watch.forget()
    return measure(name, run, "frame and sentence", repeat=repeat, parts=count)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--system", default="referformer", choices=sorted(SYSTEMS))
    parser.add_argument("--variant", help="default: resnet-50, of SOC video-swin-b")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--sentences", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="measure the plain path as well")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    variants, make, wrap = SYSTEMS[asked.system]
    variant = asked.variant or ("resnet-50" if "resnet-50" in variants else "video-swin-b")
    if variant not in variants:
        parser.error(f"{asked.system} has no {variant}: choose from {', '.join(variants)}")
    network = make(variants[variant]).eval().requires_grad_(False)
    system = wrap(network, name=variant, tokenizer=None)
    dice = np.random.default_rng(0)
    frames = [dice.integers(0, 256, (480, 854, 3), dtype=np.uint8) for _ in range(asked.frames)]
    several = [(*SENTENCE[:-1], 100 + number, 2) for number in range(asked.sentences)]
    print(f"{asked.system}/{variant}, {asked.frames} frames, {asked.threads} threads; {calibration()}")

    watch, stages = Stopwatch(), {}
    for stage in STAGES:
        home: Any = network if hasattr(network, stage) else sys.modules["singleout.referring.segmenter"]
        stages[stage.strip("_")] = (home, stage)
    with watch.on(stages):
        one = warm("one sentence", lambda: shared(system, frames, [SENTENCE]), len(frames), asked.repeat, watch)
    watch.tell("frame", len(frames) * asked.repeat)
    count = len(frames) * asked.sentences
    many = warm(f"{asked.sentences} sentences", lambda: shared(system, frames, several), count, asked.repeat)
    print(f"peak memory {peak_bytes() / 2**30:.1f} GiB; sharing: {one.work / many.work:.2f} times faster per sentence")
    if asked.plain:
        with plain_steps():
            slow = warm("plain path, one sentence", lambda: plain(system, frames, [SENTENCE]), len(frames), 1)
        times, shares = slow.work / one.work, slow.work / many.work
        print(f"against the plain path: {times:.2f} times, {shares:.2f} with {asked.sentences} sentences")
    print(calibration())


if __name__ == "__main__":
    main()
