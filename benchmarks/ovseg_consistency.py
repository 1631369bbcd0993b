"""How steady OVSeg's classes are over a video: frame by frame, followed by another model, and by votes on tracks.

    python benchmarks/ovseg_consistency.py                                    camel of shared/davis16, random weights
    python benchmarks/ovseg_consistency.py --sequence dog --weights ovseg_swinbase_vitL14_ft_mpt.pth --names dog,grass

VC8 of VSPW (`singleout.evaluation.metrics.vspw`, all windows): of the pixels that are object, or not object, in 8
frames one after the other, the share that keeps its class in these. Four ways to get classes:

    frame by frame          OVSeg on each frame by itself, by the rule of the demo
    then starter            its surest masks, followed by the starter to both ends ("find it, then follow it")
    tracks, each frame      a track of the starter from the true mask of the first frame, named anew in every frame
    tracks, by votes        the same track, named once by votes of frames, as `singleout rename` does

Without --weights the network has random weights in its published shape, with fewer proposals, and vectors of names are
drawn: that shows how steady each way is by its build, and nothing of whether its names are right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent))

import singleout
from sequences import Sequence, open_sequences
from singleout.combine import FindThenFollow, rename_tracks
from singleout.evaluation.metrics.vspw import VideoSemanticSegmentation
from singleout.media import Video
from singleout.prompts import Mask
from singleout.systems.ovseg.config import VARIANTS
from singleout.systems.ovseg.inference import OVSeg
from singleout.systems.ovseg.network import OVSegNetwork
from singleout.tracks import Tracks

Labels = npt.NDArray[np.uint8]
WINDOW = 8
_DRAWN = "cat,road,sky,tree"


class Drawn(OVSeg):
    """OVSeg with random weights, for which the vector of a name is drawn: each name has its own."""

    def rows(self, names: list[str], on_names: Any = None) -> Tensor:
        """See `OVSeg.rows`."""
        width = self.network.config.clip.images.out_width
        dice = (torch.Generator().manual_seed(crc32(name.encode())) for name in names)
        vectors = torch.stack([torch.randn(width, generator=one) for one in dice])
        return self.network.rows(F.normalize(vectors, dim=-1).to(self.network.no_object.device))


def random_system(variant: str, num_queries: int) -> OVSeg:
    """The published shape with fewer proposals."""
    torch.manual_seed(0)
    network = OVSegNetwork(replace(VARIANTS[variant], num_queries=num_queries))
    return Drawn(network.eval().requires_grad_(False), name=f"ovseg/{variant}")


def classes_of(tracks: Tracks, names: list[str]) -> Iterator[Labels]:
    """For each frame (height, width): 0 where nothing is, else 1 and up in the order of names."""
    place = {one: names.index(info.label) + 1 for one, info in tracks.objects.items()}
    for frame in range(tracks.num_frames):
        ids, _, masks = tracks.masks(frame)
        labels = np.zeros((tracks.height, tracks.width), np.uint8)
        for one, mask in zip(ids.tolist(), masks, strict=True):
            labels[mask] = place[one]
        yield labels


def named_each_frame(tracks: Tracks, video: Video, system: OVSeg, names: list[str], **options: Any) -> Iterator[Labels]:
    """As `classes_of`, with the name that each frame by itself gives to each mask."""
    for frame in range(tracks.num_frames):
        _, _, masks = tracks.masks(frame)
        labels = np.zeros((tracks.height, tracks.width), np.uint8)
        said = system.name_masks(video[frame], masks, names, **options) if len(masks) else ()
        for mask, row in zip(masks, said, strict=True):
            labels[mask] = int(np.argmax(row)) + 1
        yield labels


def steadiness(found: Iterator[Labels], sequence: Sequence, num_names: int) -> float:
    """VC8 of classes, in percent; the truth is object or not, in classes 1 and 2."""
    metric = VideoSemanticSegmentation(max(num_names + 1, 2), windows=(WINDOW,), corrected=True)
    truth = (np.where(sequence.truth(frame), 1, 2).astype(np.uint8) for frame in range(10**6))
    metric.add(((next(truth), labels) for labels in found), name=sequence.name)
    return 100 * metric.result().vc[WINDOW]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--davis16", type=Path, default=Path("../shared/davis16"), help="the folder with sequences")
    parser.add_argument("--sequence", default="camel")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--variant", default="r101c", choices=sorted(VARIANTS))
    parser.add_argument("--weights", help="published file or converted folder; random weights where there is none")
    parser.add_argument("--names", default=_DRAWN, help="with commas between")
    parser.add_argument("--queries", type=int, default=6, help="proposals of the network with random weights")
    parser.add_argument("--short", type=int, default=192, help="pixels of the shorter side at which OVSeg looks")
    asked = parser.parse_args()
    names = asked.names.split(",")
    (sequence,) = open_sequences(asked.davis16, asked.sequence)
    starter = singleout.load("starter")
    if asked.weights is None:
        system = random_system(asked.variant, asked.queries)
        print(f"{system.name} with random weights: how steady classes are, not whether they are right")
    else:
        loaded = singleout.load(f"ovseg/{asked.variant}", weights=asked.weights)
        assert isinstance(loaded, OVSeg)
        system = loaded
    files = sorted(sequence.frames.glob("*.jpg"))[: asked.frames]
    frames = np.stack([np.asarray(singleout.Video(file)[0]) for file in files])
    look = {"short": asked.short}
    with Video(frames) as video:
        alone = system.segment(video, names, **look)
        print(
            f"{sequence.name}, {len(files)} frames, {len(names)} names, short side {asked.short}; VC{WINDOW} in percent"
        )
        found = {f"find.{key}": value for key, value in look.items()}
        followed = FindThenFollow(system, starter).segment(video, names, **found)
        track = starter.segment(video, Mask(sequence.truth(0).astype(np.int32)))
        voted = rename_tracks(track, video, system, names)
        table = {
            "frame by frame": classes_of(alone, names),
            "then starter": classes_of(followed, names),
            "tracks, each frame": named_each_frame(track, video, system, names),
            "tracks, by votes": classes_of(voted, names),
        }
        for way, labels in table.items():
            print(f"{way:<22} {steadiness(labels, sequence, len(names)):6.2f}", flush=True)


if __name__ == "__main__":
    main()
