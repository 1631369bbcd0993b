"""UniVS's criterion, its matching and the losses between clips, on given outputs (section 6 of its README)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, arrays_of, spec_of
from tests.parity.weights import input_tensor
from torch import Tensor

from singleout.systems.univs.contrast import Draws, contrast_clips
from singleout.systems.univs.losses import Layer, Settings, Target, losses_of
from singleout.vocabularies.combined import UNIVS_PARTS

PART = "univs"
CASE = "training criterion on fixed outputs and targets (unweighted values)"
KINDS = {"visual", "category", "sentence", "sot"}
GOLDEN_RATIO = 0.6180339887498949


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return "target_masks" in arrays_of(path) and spec_of(path).get("case") == CASE


class InOrder(Draws):
    """Permutations that leave the order as it is, and numbers by the golden ratio."""

    def uniform(self, *sizes: int, device: torch.device) -> Tensor:
        """See `Draws`."""
        numbers = np.mod((np.arange(np.prod(sizes), dtype=np.float64) + 0.5) * GOLDEN_RATIO, 1)
        return torch.from_numpy(numbers.astype(np.float32)).reshape(sizes)

    def order(self, count: int) -> Tensor:
        """See `Draws`."""
        return torch.arange(count)


@dataclass(frozen=True)
class GivenMasks:
    """Masks that are there already."""

    logits: Tensor

    def at(self, points: Tensor, count: int) -> Tensor:
        """See `Masks`."""
        from singleout.nn.losses.points import sample

        return sample(self.logits[:count], points[None])

    def of(self, which: Tensor) -> Tensor:
        """See `Masks`."""
        return self.logits[which]


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    spec = golden.spec
    if strange := set(spec["expected"]) - KINDS - {"interclip"}:
        raise CannotReplayError(f"unknown case {min(strange)}")
    masks = torch.from_numpy(golden.input("target_masks")).float()
    settings = Settings(spec["num_points"], spec["oversample_ratio"], spec["importance_sample_ratio"])
    for case in (name for name in spec["expected"] if name != "interclip"):
        expected = spec["expected"][case]
        targets = [_target(given, masks, place) for place, given in enumerate(expected["targets"])]
        videos = [_heads(spec, case, video, expected["targets"][video]) for video in range(spec["batch"])]
        found = losses_of(videos, targets, settings=settings, draws=InOrder())
        for video, (queries, objects) in enumerate(expected["matched"]):
            yield Comparison(f"{case}/matched/{video}", found.matched[video][objects].numpy(), np.array(queries))
        if set(found.losses) != set(expected["losses"]):
            raise CannotReplayError(f"{case}: the official losses are {', '.join(expected['losses'])}")
        ours = [float(found.losses[name]) for name in expected["losses"]]
        yield golden.compare(f"{case}_losses", np.array(ours, np.float32))
        for name, value in zip(expected["losses"], ours, strict=True):
            yield Comparison(f"{case}/{name}", np.float64(value), np.float64(expected["losses"][name]))
    yield from _between_clips(spec)


def _target(given: dict[str, Any], masks: Tensor, place: int) -> Target:
    """A target of the golden: the first has objects 0, 1, 2, the second 2, 3; where an id is -1 the mask is blank."""
    ids = torch.tensor(given["ids"]).long()
    start = 0 if place == 0 else len(masks) - len(ids)
    own = masks[start : start + len(ids)] * (ids >= 0)[:, :, None, None]
    labels = given["labels"] if given["dataset_name"] in UNIVS_PARTS else None
    return Target(
        masks=own,
        ids=ids,
        labels=None if labels is None else torch.tensor(labels) - 1,
        prompted=torch.tensor(given["prompt_obj_ids"]),
        prompt_labels=torch.tensor(given["prompt_gt_labels"]) - 1 if "prompt_gt_labels" in given else None,
    )


def _heads(spec: dict[str, Any], case: str, video: int, given: dict[str, Any]) -> list[Layer]:
    """The last head and the auxiliary one, by the formulas of the spec."""
    salt, heads = spec["salt"], []
    for place in ("", "/aux0"):
        key = f"univs/loss/{case}{place}"
        logits, masks, embeds = (
            _drawn(spec["outputs"][f"pred_{kind}"], f"{key}/{kind}", salt)[video]
            for kind in ("logits", "masks", "embds")
        )
        part = UNIVS_PARTS.get(given["dataset_name"])
        own = None if part is None else logits[:, part.offset : part.offset + part.count]
        heads.append(Layer(own, embeds, GivenMasks(masks), spec["learnable_queries"]))
    return heads


def _drawn(formula: str, key: str, salt: str) -> Tensor:
    """What a formula such as "3 * input_tensor('univs/loss/<case>/logits',(2,24,3938))" says, for another key."""
    found = re.match(r"(?:(\d+) \* )?input_tensor\('univs/loss/<case>/(\w+)',\(([\d,]+)\)\)", formula)
    if found is None:
        raise CannotReplayError(f"unknown formula {formula!r}")
    sizes = [int(size) for size in found[3].split(",")]
    return int(found[1] or 1) * input_tensor(f"{key.rpartition('/')[0]}/{found[2]}", sizes, salt)


class Companions(InOrder):
    """The three companions of each object are these."""

    def __init__(self, chosen: Tensor) -> None:
        self.chosen = chosen

    def picks(self, owned: Tensor, count: int) -> Tensor:
        """See `Draws`."""
        return self.chosen


def _between_clips(spec: dict[str, Any]) -> Iterator[Comparison]:
    """The losses between two clips.

    The official code draws three companions of each object by a generator that the golden does not fix, so its value is
    one of a known set. Ours is computed for every draw, and the nearest is compared.
    """
    expected = spec["expected"].get("interclip", {})
    found = re.search(r"<c>/<l>, \((\d+),(\d+)\)\); ids \[([-\d,]+)\]", spec["interclip"])
    if found is None or not spec["interclip"].startswith("two clips"):
        raise CannotReplayError(f"unknown clips: {spec['interclip']}")
    size = int(found[1]), int(found[2])
    ids = torch.tensor([int(number) for number in found[3].split(",")] * 2)
    objects = ids[ids >= 0].unique().tolist()
    own = [(ids == number).nonzero()[:, 0].tolist() for number in objects]
    draws = [list(itertools.combinations_with_replacement(places, 3)) for places in own]
    for name, value in expected.items():
        number = re.fullmatch(r"loss_reid_interclip(_aux)?(?:_(\d+))?", name)
        if number is None:
            raise CannotReplayError(f"unknown loss {name}")
        layer = int(number[2]) if number[2] else _last_layer(expected)
        embeds = torch.cat(
            [input_tensor(f"univs/loss/interclip/{clip}/{layer}", size, spec["salt"]) for clip in (0, 1)]
        )
        if number[1]:
            yield Comparison(f"interclip/{name}", _loss(embeds, ids, [places[0] for places in draws])[1], value)
            continue
        alone = [
            [_row_loss(embeds, ids, number, draw) for draw in options]
            for number, options in zip(objects, draws, strict=True)
        ]
        near = min(itertools.product(*map(range, map(len, alone))), key=lambda at: abs(_mean(alone, at) - value))
        chosen = [options[place] for options, place in zip(draws, near, strict=True)]
        yield Comparison(f"interclip/{name}", _loss(embeds, ids, chosen)[0], value)


def _mean(alone: Sequence[Sequence[float]], at: Sequence[int]) -> float:
    return sum(values[place] for values, place in zip(alone, at, strict=True)) / len(alone)


def _loss(embeds: Tensor, ids: Tensor, chosen: Sequence[Sequence[int]]) -> tuple[np.float64, np.float64]:
    near, cosines = contrast_clips(embeds.double(), ids, Companions(torch.tensor(chosen)))
    return np.float64(near), np.float64(cosines)


def _row_loss(embeds: Tensor, ids: Tensor, row: int, draw: Sequence[int]) -> float:
    """The part of one object: the loss with the tokens of all others as nobody's, but for the number of rows."""
    chosen = [draw]
    alone = torch.where(ids == row, ids, -1)
    return float(contrast_clips(embeds.double(), alone, Companions(torch.tensor(chosen)))[0])


def _last_layer(expected: dict[str, Any]) -> int:
    numbered = [int(found[1]) for name in expected if (found := re.search(r"_(\d+)$", name))]
    return max(numbered, default=-1) + 1
