"""OV2Seg's criterion and matcher on given outputs, with all draws of chance stated: section 6 of its README."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.ov2seg_network import drawn
from torch import Tensor

from singleout.systems.ov2seg.losses import WEIGHTS, Draws, Layer, Settings, Target, losses_of, object_weights
from singleout.vocabularies import categories

PART = "ov2seg"
WHAT = "training criterion on given outputs"
POINTS = r"TRAIN_NUM_POINTS (\d+), oversample ([\d.]+), importance ([\d.]+)"
RANDOM = "the n-th call (from 0) of a uniform draw returns torch.rand(shape, generator=manual_seed(1000+n))"
OUTPUTS = {
    "pred_logits": r"pred_logits=(input_tensor\('[\w.]+'\+name,\([\d,]+\)\))\*2-3",
    "pred_object_logits": r"pred_object_logits=(input_tensor\('[\w.]+'\+name,\([\d,]+\)\))(?!\*)",
    "pred_masks": r"pred_masks=(input_tensor\('[\w.]+'\+name,\([\d,]+\)\))\*2",
}


class Stated(Draws):
    """The golden's draws: uniform numbers of a numbered seed in the order in which they are asked for.

    shapes: of all of them. chosen: names of each head, the last one first.
    """

    def __init__(self, shapes: Sequence[Sequence[int]], chosen: Sequence[Tensor], num_names: int) -> None:
        super().__init__(torch.ones(num_names))
        self._shapes, self._chosen = list(shapes), list(chosen)
        self.calls = 0

    def uniform(self, *sizes: int, device: torch.device) -> Tensor:
        """See `Draws`."""
        if self.calls >= len(self._shapes) or list(sizes) != list(self._shapes[self.calls]):
            raise CannotReplayError(f"draw {self.calls} is of {list(sizes)}, the official ones are {self._shapes}")
        self.calls += 1
        return torch.rand(sizes, generator=torch.Generator().manual_seed(1000 + self.calls - 1))

    def names(self, labels: Tensor, count: int) -> Tensor:
        """See `Draws`. The official ids may hold one for nothing, behind the last name."""
        chosen = self._chosen.pop(0)
        if not set(labels.tolist()) <= set(chosen.tolist()):
            raise CannotReplayError("a true name is not among those that the golden draws")
        return chosen[chosen < len(self.weights)]


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    spec = spec_of(path)
    return spec.get("system") == "OV2Seg" and spec.get("what") == WHAT


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    spec = golden.spec
    points = re.fullmatch(POINTS, spec["points"])
    if points is None or not spec["random"].startswith(RANDOM):
        raise CannotReplayError(f"unknown draws: {spec['points']}; {spec['random']}")
    heads = [name.removeprefix("appeared_") for name in golden.names("appeared_")]
    chosen = [torch.from_numpy(golden.input(f"appeared_{head}")) for head in heads]
    outputs = [_outputs(spec, head) for head in heads]
    targets = [_target(golden, number) for number in range(len(golden.names("target_labels")))]
    if sum(len(target.labels) for target in targets) != spec["num_masks"]:
        raise CannotReplayError(f"the spec counts {spec['num_masks']} masks")
    pictures = [[Layer(*(values[number] for values in found)) for found in outputs] for number in range(len(targets))]
    settings = Settings(int(points[1]), float(points[2]), float(points[3]), len(chosen[0]))
    draws = Stated(spec["rand_shapes"], chosen, outputs[0][0].shape[-1])
    losses, matched = losses_of(pictures, targets, draws, settings=settings)
    yield Comparison("draws", draws.calls, len(spec["rand_shapes"]))
    for head, queries in zip(heads, matched, strict=True):
        for number, query in enumerate(queries):
            order = query.argsort()
            yield golden.compare(f"match_{head}_{number}", torch.stack([query[order], order]).numpy())
    for name, value in losses.items():
        yield golden.compare(f"loss.{name}", value.numpy())
        weight = WEIGHTS[name.rstrip("0123456789").rstrip("_")]
        yield Comparison(f"weights/{name}", weight, spec["weights"][name])
    yield golden.compare("empty_object_weight", object_weights(torch.ones(1)).numpy())
    yield from _name_weights(golden)


def _name_weights(golden: Golden) -> Iterator[Comparison]:
    """The weights of the first names of LVIS: roots of whole numbers, and nothing where a name is rare."""
    given = golden.input("freq_weight_head")
    rare = [each.frequency == "r" for each in categories("lvis_v1")[: len(given)]]
    yield Comparison("rare names", np.array(rare), given == 0)
    counts = given.astype(np.float64) ** 2
    yield Comparison("roots of counts", np.sqrt(np.round(counts)).astype(np.float32), given)


def _outputs(spec: dict[str, Any], head: str) -> tuple[Tensor, Tensor, Tensor]:
    """What the spec's formulas give for a head, of all pictures: logits of names and objects, masks."""
    said = spec["outputs"]
    found = {name: re.search(pattern, said) for name, pattern in OUTPUTS.items()}
    if head not in re.findall(r"\w+", said.split(":")[0]) or any(one is None for one in found.values()):
        raise CannotReplayError(f"unknown outputs of {head}: {said}")
    values = {
        name: drawn(one[1].replace("'+name", f"{head}'"), spec["salt"])
        for name, one in found.items()
        if one is not None
    }
    # The last logit stands for nothing and is always left out.
    return 2 * values["pred_logits"][..., :-1] - 3, values["pred_object_logits"], 2 * values["pred_masks"]


def _target(golden: Golden, number: int) -> Target:
    labels, masks = (torch.from_numpy(golden.input(f"target_{kind}{number}")) for kind in ("labels", "masks"))
    return Target(labels, masks)
