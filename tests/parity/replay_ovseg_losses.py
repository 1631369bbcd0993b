"""OVSeg's training: the criterion of proposals, and transform and loss of CLIP's fine-tuning (sections 8 and 9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.ovseg_network import PART, drawn, picture_of
from torch import Tensor

from singleout.systems.ovseg.adapting import BACKGROUND, contrastive_loss, for_training
from singleout.systems.ovseg.losses import Output, Target, layer_losses, match

__all__ = ["PART"]
CRITERION = "OVSeg criterion, before weights (class 1, mask 20, dice 1)"
TUNING = "evaluation transform with mask of the CLIP fine-tuning, and the contrastive loss"
NAMES = {"ce": "class", "mask": "mask", "dice": "dice"}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    spec = spec_of(path)
    return spec.get("system") == CRITERION or spec.get("what") == TUNING


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    if golden.spec.get("system") == CRITERION:
        yield from _criterion(golden)
    else:
        yield from _tuning(golden, context)


def _criterion(golden: Golden) -> Iterator[Comparison]:
    spec = golden.spec
    said = re.fullmatch(r"for n in ([\w, ]+): pred_logits=(.*); pred_masks=(.*)", spec["outputs"])
    if said is None:
        raise CannotReplayError(f"unknown outputs: {spec['outputs']}")
    targets = []
    for place in range(len(golden.names("target_labels"))):
        labels, masks = (torch.from_numpy(golden.input(f"target_{kind}{place}")) for kind in ("labels", "masks"))
        targets.append(Target(labels, masks))
    yield Comparison("num_masks", sum(len(target.labels) for target in targets), spec["num_masks"])
    for name in said[1].split(", "):
        output = Output(*(drawn(formula, spec.get("salt", ""), {"n": name}) for formula in (said[2], said[3])))
        matched = [match(*pair) for pair in zip(output.classes, output.masks, targets, strict=True)]
        for place, queries in enumerate(matched):
            order = queries.argsort()
            yield golden.compare(f"match_{name}_{place}", torch.stack([queries[order], order]).numpy())
        found = layer_losses(output, targets, matched)
        number = name.removeprefix("aux")
        behind = "" if name == "main" else f"_{number}"
        for official, ours in NAMES.items():
            yield golden.compare(f"loss.loss_{official}{behind}", found[ours].numpy())


def _tuning(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    colour = re.search(
        r"pixels outside annotation>0 set to \((\d+),(\d+),(\d+)\), cropped to the annotation box; (.*)", spec["image"]
    )
    how = r"Pillow bicubic short side (\d+), centre crop \1; mask = pixel differs from \(124,116,103\)"
    said = None if colour is None else re.fullmatch(how, colour[4])
    if colour is None or said is None or tuple(map(int, colour.groups()[:3])) != BACKGROUND:
        raise CannotReplayError(f"unknown picture: {spec['image']}")
    sequence, file = picture_of(spec["image"], context)
    pixels = np.array(Image.open(context.frame(sequence, file)).convert("RGB"))
    mask = np.asarray(Image.open(context.annotation(sequence, f"{Path(file).stem}.png")).convert("L")) > 0
    pixels[~mask] = BACKGROUND
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    region = Image.fromarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    side = int(said[1])
    picture, inside = for_training(region, side)
    step = side // golden.input("tensor").shape[-1]
    yield golden.compare("tensor", picture[:, ::step, ::step].numpy())
    yield golden.compare("mask", inside.numpy())
    images, texts = _embeddings(spec)
    yield golden.compare("loss", contrastive_loss(images, texts, 1 / 0.07).numpy())


def _embeddings(spec: dict[str, str]) -> list[Tensor]:
    said = re.fullmatch(
        r"input_tensor\('([\w.]+)\.image'/'\.\.\.text',\((\d+),(\d+)\),salt\) L2-normalised, scale 1/0\.07",
        spec["loss"],
    )
    if said is None:
        raise CannotReplayError(f"unknown loss: {spec['loss']}")
    size = f"({said[2]},{said[3]})"
    both = (drawn(f"input_tensor('{said[1]}.{kind}',{size},salt)", spec["salt"]) for kind in ("image", "text"))
    return [torch.nn.functional.normalize(one, dim=-1) for one in both]
