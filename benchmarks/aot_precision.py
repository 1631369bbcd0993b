"""How far decisions in bfloat16 agree with those in float32, given the float32 memory in every frame.

    python benchmarks/aot_precision.py                          AOT-T and DeAOT-T on a sequence of shared/davis16
    python benchmarks/aot_precision.py --variants r50-aotl,r50-deaotl --device cuda

Weights are random, the same every time. A pixel is sure where the two largest float32 shares differ by more than 0.05.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from sequences import open_sequences
from singleout.media import Video
from singleout.systems.aot.config import VARIANTS
from singleout.systems.aot.decisions import shares_of
from singleout.systems.aot.inference import AOT
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.options import Options
from singleout.systems.aot.pictures import resize_labels
from singleout.systems.aot.precision import computing

_SURE = 0.05


@torch.inference_mode()
def agreement(
    network: AOTNetwork, frames: list[np.ndarray], ids: np.ndarray, device: str
) -> tuple[float, float, float]:
    """Share of sure pixels that agree, share of all, share that is sure."""
    size, align = (ids.shape[0], ids.shape[1]), network.config.align_corners
    tracker = AOT(network, name="measured").tracker(size, Options(device=device))
    tracker.see(frames[0])
    tracker.mark(ids)
    tracker.commit()
    (engine,), (look,) = tracker.engines, tracker.looks
    count, agreed = np.zeros(2), np.zeros(2)
    for frame in frames[1:]:
        found = []
        picture = look.picture(frame, tracker.device)
        # The exact one comes last, so that its records are those that are remembered.
        for precision in ("bfloat16", "float32"):
            with computing(precision, tracker.device):
                sight = network.look(picture)
                scores = network.decode(sight, engine.follow(sight))
            found.append(shares_of(scores, [len(tracker.ids)], size, align_corners=align))
            for store in engine.stores:
                store.step -= precision == "bfloat16"
        rough, exact = (shares.max(0).indices for shares in found)
        best = found[1].topk(2, 0).values
        same, sure = rough == exact, best[0] - best[1] > _SURE
        count += (int(sure.sum()), sure.numel())
        agreed += (int((same & sure).sum()), int(same.sum()))
        engine.update(resize_labels(exact, look.size))
    return agreed[0] / count[0], agreed[1] / count[1], count[0] / count[1]


def main() -> None:
    """Print a line for each variant."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("SINGLEOUT_SHARED", "../shared")))
    parser.add_argument("--sequence", default="cows")
    parser.add_argument("--variants", default="aott,deaott")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--rows", type=int, default=120, help="of the frames as they are seen")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    (sequence,) = open_sequences(asked.shared / "davis16", asked.sequence)
    with Video(sequence.frames, resize=asked.rows) as video:
        frames = [np.array(frame) for _, frame in zip(range(asked.frames), video.frames(), strict=False)]
    rows, columns = frames[0].shape[:2]
    truth = sequence.truth(0)
    picked = np.ix_(np.arange(rows) * truth.shape[0] // rows, np.arange(columns) * truth.shape[1] // columns)
    ids = truth[picked].astype(np.int32)
    ids[:, : columns // 2] *= 2  # two objects
    for variant in asked.variants.split(","):
        torch.manual_seed(0)
        network = AOTNetwork(VARIANTS[variant]).eval().requires_grad_(False)
        network.initialise()
        sure, every, share = agreement(network, frames, ids, asked.device)
        print(f"{variant}: {sure:.3%} of the sure pixels agree ({share:.0%} are sure), {every:.3%} of all", flush=True)


if __name__ == "__main__":
    main()
