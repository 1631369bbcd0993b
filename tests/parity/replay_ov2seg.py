"""OV2Seg's network stage by stage, and the names of its checkpoints: sections 2 and 8 of its README."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.ov2seg_network import VARIANT_OF, classifier_of, drawn, network_of, one_more, with_nothing
from tests.parity.weights import shapes_of
from torch import Tensor

from singleout.systems.ov2seg.system import SYSTEM
from singleout.systems.ov2seg.values import name_logits

PART = "ov2seg"
# How arrays are cut down is said in words, of which the steps are read and the rest is known.
SUBSET = {
    "backbone maps": "channels ::N, ::N, ::N, ::N",
    "mask_features": "channels ::N",
    "encoder_level0..2": "strides 32,16,8; channels ::N",
    "pred_logits": "classes ::N of N+1",
    "pred_masks": "queries ::N",
    "pred_embds": "queries ::N",
    "aux0_pred_masks": "queries ::N",
    "classifier_logits": "class_embed(INPUT)[:,:,:N]",
}
IMAGE = r"\(input_tensor\(.*\)\*40\+128\)\.clamp\(0,255\)\.round\(\), then minus pixel_mean, over pixel_std; no padding"
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.name.startswith("keys-"):
        return SYSTEM.recognise(shapes_of(path)) is not None
    spec = spec_of(path)
    return spec.get("system") == "OV2Seg" and "subset" in spec


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    yield from _keys(golden, path) if path.name.startswith("keys-") else _stages(golden, context)


def _keys(golden: Golden, path: Path) -> Iterator[Comparison]:
    for name in golden.names():
        golden.input(name)
    official = {name: torch.empty(shape, device="meta") for name, shape in shapes_of(path).items()}
    config = path.stem.removeprefix("keys-").split("-")[0]
    if config not in VARIANT_OF:
        raise CannotReplayError(f"unknown configuration {config}")
    shapes = {name: tuple(tensor.shape) for name, tensor in official.items()}
    variant = VARIANT_OF[config]
    yield Comparison("variant", SYSTEM.recognise(shapes), variant)
    with torch.device("meta"):
        own = SYSTEM.build(variant, SYSTEM.configure(variant, shapes)).state_dict()
    conversion = SYSTEM.convert_names(official)
    yield Comparison("names and shapes", _listed(own), _listed(conversion.state))
    # The table of names, weights of losses, and what is computed anew.
    spare = {name for name in official if not golden.names(f"keys/{name}")}
    yield Comparison("names that are not needed", np.array(sorted(conversion.ignored)), np.array(sorted(spare)))


def _listed(state: dict[str, Tensor]) -> np.ndarray:
    return np.array([f"{name} {list(one.shape)}" for name, one in sorted(state.items())])


@torch.inference_mode()
def _stages(golden: Golden, context: Context) -> Iterator[Comparison]:
    spec = golden.spec
    network = network_of(golden, context, spec["config"].split(",")[0])
    layers = int(re.search(r"DEC_LAYERS (\d+)", spec["config"])[1]) - 1  # type: ignore[index]
    if layers != len(network.decoder.layers):
        raise CannotReplayError(f"{layers} layers, where the network has {len(network.decoder.layers)}")
    table, frames = classifier_of(spec), _frames(spec["image"], spec["salt"])
    steps = {name: _steps(golden, name) for name in SUBSET}
    for found, name, step in zip(
        network.backbone(frames[None]), golden.names("backbone_"), steps["backbone maps"], strict=True
    ):
        yield golden.compare(name, found[:, ::step].numpy())
    maps = network.pixel_decoder(network.backbone(frames[None]))
    (step,) = steps["mask_features"]
    yield golden.compare("mask_features", maps.finest.permute(0, 3, 1, 2)[:, ::step].numpy())
    step = steps["encoder_level0..2"][-1]
    for level, found in enumerate(maps.levels):
        yield golden.compare(f"encoder_level{level}", found.permute(0, 3, 1, 2)[:, ::step].numpy())
    seen = network(frames, every_head=True)
    spoken = torch.stack([one.spoken for one in seen])
    logits = one_more(name_logits(spoken, table, network.config.sharpness))
    yield golden.compare("pred_object_logits", torch.stack([one.objects for one in seen]).numpy())
    yield golden.compare("pred_logits", logits[..., :: steps["pred_logits"][0]].numpy())
    (step,) = steps["pred_masks"]
    yield golden.compare("pred_masks", torch.stack([one.masks(slice(None, None, step)) for one in seen]).numpy())
    (step,) = steps["pred_embds"]
    yield golden.compare("pred_embds", torch.stack([one.embeds[::step] for one in seen]).numpy())
    first = [one.earlier[0] for one in seen]
    yield golden.compare("aux0_pred_object_logits", torch.stack([head.objects for head in first]).numpy())
    (step,) = steps["aux0_pred_masks"]
    masks = [one.masks(slice(None, None, step), head=head) for one, head in zip(seen, first, strict=True)]
    yield golden.compare("aux0_pred_masks", torch.stack(masks).numpy())
    # Some goldens describe these two without holding them.
    if "classifier_logits" in golden:
        given = network.decoder.name_head(drawn(spec["subset"]["classifier_logits"], spec["salt"]))
        found = name_logits(given, table, network.config.sharpness)[..., : steps["classifier_logits"][-1]]
        yield golden.compare("classifier_logits", found.numpy())
    if "zs_weight_lastcol" in golden:
        yield golden.compare("zs_weight_lastcol", with_nothing(table)[:, -1].numpy())


def _frames(said: str, salt: str) -> Tensor:
    """The normalised frames that a spec describes."""
    if not re.fullmatch(IMAGE, said):
        raise CannotReplayError(f"unknown image {said!r}")
    pictures = (drawn(said, salt) * 40 + 128).clamp(0, 255).round()
    return (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def _steps(golden: Golden, name: str) -> list[int]:
    """The numbers in the description of how an array is cut down."""
    said = golden.spec["subset"][name]
    plain = re.sub(r"input_tensor\(.*?\)\)", "INPUT", said)
    numbered = re.sub(r"(::|of |\[:,:,:)\d+", r"\1N", plain)
    if numbered != SUBSET[name]:
        raise CannotReplayError(f"{name} is stored as {said!r}")
    return [int(number) for number in re.findall(r"(?:::|\[:,:,:)(\d+)", plain)]
