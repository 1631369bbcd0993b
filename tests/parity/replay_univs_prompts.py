"""UniVS's prompts from masks, boxes and points, and its positions in space and time (section 2.6 of its README)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.univs_network import InOrder, drawn
from torch import Tensor

from singleout.systems.univs import visual_prompts
from singleout.systems.univs.values import DensePrompts, FrameFeatures

PART = "univs"
CASE = "visual prompt encoder alone"
# What the spec says in words: its numbers are read, the rest is known.
WORDS = {
    "masks": "array masks times # (object # times #); object # is smaller than one feature cell, object # is empty",
    "randomness": "permutations identity; uniform randoms frac((i+#)*#)",
    "slices": (
        "pe and feats: points [::#], frame key_frame, channels [::#] of (objects, #, T, #); "
        "attn: (T, objects, H*W) True = not attended"
    ),
    "pe3d": "#-D sine embedding of frames [f, f+#, f+#] on a #x# grid, channels [::#]",
}
_NUMBER = re.compile(r"(?<![a-zA-Z\d])\d+(?:\.\d+)?|(?<=x)\d+")


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return spec_of(path).get("case") == CASE


@torch.inference_mode()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    numbers = {name: _numbers(golden, name) for name in WORDS}
    index, count, dice = golden.spec["frame_index"], golden.spec["dense_points"], InOrder()
    masks, boxes = _masks(golden, numbers["masks"]), torch.from_numpy(golden.input("boxes"))
    points = torch.tensor(golden.spec["points"])
    level = drawn(golden, "features").permute(1, 2, 0)
    frame = FrameFeatures((level, level, level), level, (level, level, level))
    # The positions of its cells were drawn as well; those of points were computed.
    with patch.object(visual_prompts, "positions_of_cells", return_value=drawn(golden, "pos").permute(1, 2, 0)):
        found = {
            "mask": visual_prompts.points_of_masks(frame, masks, boxes, frame_index=index, num_points=count, dice=dice),
            "box": visual_prompts.points_of_boxes(frame, boxes, frame_index=index, num_points=count, dice=dice),
            "point": visual_prompts.points_of_clicks(frame, points, frame_index=index, num_points=count),
        }
    each, channel = numbers["slices"][:2]
    for kind, prompts in found.items():
        yield from _compare(golden, kind, prompts, int(each), int(channel))
    yield golden.compare("mask_coords", visual_prompts.middle_of_masks(masks, boxes, dice).numpy())
    yield golden.compare("box_coords", visual_prompts.middle_of_boxes(boxes, dice).numpy())
    inside = ((points >= 0) & (points <= 1)).all(-1, keepdim=True)
    yield golden.compare("point_coords", (points * inside).numpy())
    cells = visual_prompts.cells_of_boxes(boxes, level.shape[:2])
    yield golden.compare("box_to_mask", cells.numpy())
    hidden = _hidden(cells, golden.spec["frames"], golden.spec["key_frame"]).numpy()
    yield golden.compare("box_attn", hidden)
    yield golden.compare("mask_attn", hidden)
    # Cells around a point: the official decoder is given these three masks and uses none, and no part of ours is it.
    golden.input("point_attn")
    yield _positions(golden, numbers["pe3d"], index, level)


def _compare(golden: Golden, kind: str, prompts: DensePrompts, each: int, channel: int) -> Iterator[Comparison]:
    yield golden.compare(f"{kind}_feats", prompts.features[:, ::each, ::channel].numpy())
    yield golden.compare(f"{kind}_pe", prompts.positions[:, ::each, ::channel].numpy())


def _masks(golden: Golden, numbers: list[float]) -> Tensor:
    """How sure the masks are is said in words: one object is surer than the others."""
    others, surer, value, *_ = numbers
    masks = torch.from_numpy(golden.input("masks")) * others
    masks[int(surer)] *= value / others
    return masks


def _hidden(cells: Tensor, num_frames: int, key_frame: int) -> Tensor:
    """Where queries would not look: outside of their box in the frame of the prompt, if it has a cell."""
    hidden = torch.zeros(num_frames, len(cells), cells[0].numel(), dtype=torch.bool)
    hidden[key_frame] = ~cells.flatten(1) & cells.flatten(1).any(-1, keepdim=True)
    return hidden


def _positions(golden: Golden, numbers: list[float], index: int, like: Tensor) -> Comparison:
    _, *later, height, width, channel = map(int, numbers)
    frames = [visual_prompts.positions_of_cells((height, width), index + step, like) for step in (0, *later)]
    return golden.compare("pe3d", torch.stack(frames).permute(0, 3, 1, 2)[:, ::channel].numpy())


def _numbers(golden: Golden, name: str) -> list[float]:
    said = golden.spec[name]
    if _NUMBER.sub("#", said) != WORDS[name]:
        raise CannotReplayError(f"{name} is described as {said!r}")
    return [float(number) for number in _NUMBER.findall(said)]
