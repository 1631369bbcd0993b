"""OVSeg's networks: CLIP's towers with mask prompts, and the proposals stage by stage (section 2 of its README)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.ovseg_network import PART, clip_of, drawn, manifest_of, network_of, texts, variant_of, words_of
from torch import Tensor

__all__ = ["PART"]
CLIP = r"(ViT-[BL]/\d+), official OpenAI key names, mask prompt depth 3 \(visual\.mask_embedding\)"
MASKS = r"DAVIS 480p annotation >0, cropped to its box \(inclusive\), nearest to (\d+)x\1: (.*)"
STAGES = "OVSeg proposals"
PICTURE = (
    r"\((input_tensor\([^*]*)\*(\d+)\+(\d+)\)\.clamp\(0,255\)\.round\(\), minus pixel_mean, over pixel_std; no padding"
)
SUBSET = {
    "backbone": r"res2 ::(\d+), res3 ::(\d+), res4 ::(\d+), res5 ::(\d+) channels",
    "mask_features": r"::(\d+) channels",
    "pred_embedding": r"queries ::(\d+), before normalisation",
    "pred_masks": r"queries ::(\d+)",
    "aux0_pred_masks": r"first decoder layer, queries ::(\d+)",
}
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    spec = spec_of(path)
    return spec.get("system") == STAGES or bool(re.fullmatch(CLIP, str(spec.get("model"))))


@torch.inference_mode()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    if golden.spec.get("system") == STAGES:
        yield from _stages(golden, context)
    else:
        yield from _clip(golden, context)


def _clip(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    said = re.fullmatch(CLIP, spec["model"])
    assert said is not None
    clip = clip_of(manifest_of(said[1], golden.path, context), spec["salt"])
    pictures = drawn(spec["image"], spec["salt"])
    masks = _masks(golden, context)
    yield golden.compare("masks", masks[:, None].numpy())
    tower = clip.images
    kept = tower.kept_patches(masks)
    yield golden.compare("patch_keep", kept.numpy())
    start = tower.start(pictures[:1], ~kept[:1])
    tokens, channels = _steps(spec["arrays"]["masked_ln_pre"])
    yield golden.compare("masked_ln_pre", start[:, ::tokens, ::channels].numpy())
    yield golden.compare("masked_block0", tower.blocks[0](start)[:, ::tokens, ::channels].numpy())
    yield golden.compare("features", tower(pictures).numpy())
    yield golden.compare("features_masked", tower(pictures, masks).numpy())
    ids, vectors = texts(words_of(clip), spec["texts"])
    yield golden.compare("tokens", ids)
    yield golden.compare("text_features", vectors.numpy())


def _masks(golden: Golden, context: Context) -> Tensor:
    said = re.fullmatch(MASKS, golden.spec["masks"])
    if said is None:
        raise CannotReplayError(f"unknown masks: {golden.spec['masks']}")
    side, found = int(said[1]), []
    for name in said[2].split(", "):
        sequence, _, file = name.partition("/")
        mask = np.asarray(Image.open(context.annotation(sequence, file)).convert("L")) > 0
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        part = torch.from_numpy(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
        small = torch.nn.functional.interpolate(part[None, None].float(), (side, side), mode="nearest")
        found.append(small[0, 0] > 0)
    return torch.stack(found)


def _stages(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    variant = variant_of(spec["config"])
    manifest = f"keys-{spec['config'].removeprefix('ovseg_').removesuffix('_bs32_120k.yaml').lower()}.json"
    network = network_of(variant, context.side_file(golden.path, PART, manifest), spec["salt"])
    said = re.fullmatch(PICTURE, spec["image"])
    if said is None:
        raise CannotReplayError(f"unknown picture {spec['image']}")
    values = drawn(said[1], spec["salt"])
    mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
    picture = ((values * int(said[2]) + int(said[3])).clamp(0, 255).round() - mean) / std
    steps = {name: _read(golden, name) for name in SUBSET}
    maps = network.backbone(picture[None])
    for stage, (found, step) in enumerate(zip(maps, steps["backbone"], strict=True), 2):
        yield golden.compare(f"backbone_res{stage}", found[:, ::step].numpy())
    finest = network.pixel_decoder(maps)
    yield golden.compare("mask_features", finest[:, :: steps["mask_features"][0]].numpy())
    layers = network(picture, every_layer=True)
    yield Comparison("n_aux", len(layers) - 1, spec["n_aux"])
    last, first = layers[-1], layers[0]
    yield golden.compare("pred_embedding", last.embeds[:, :: steps["pred_embedding"][0]].numpy())
    yield golden.compare("pred_masks", last.masks[:, :: steps["pred_masks"][0]].numpy())
    yield golden.compare("aux0_pred_masks", first.masks[:, :: steps["aux0_pred_masks"][0]].numpy())


def _read(golden: Golden, name: str) -> list[int]:
    said = re.fullmatch(SUBSET[name], golden.spec["subset"][name])
    if said is None:
        raise CannotReplayError(f"{name} is stored as {golden.spec['subset'][name]!r}")
    return [int(step) for step in said.groups()]


def _steps(text: str) -> list[int]:
    found = re.search(r"tokens ::(\d+), channels ::(\d+)", text)
    if found is None:
        raise CannotReplayError(f"unknown cut {text!r}")
    return [int(step) for step in found.groups()]
