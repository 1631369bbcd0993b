"""UniVS's network: backbone, pixel decoder, and the decoder with each kind of prompts (section 2 of its README)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.univs_network import InOrder, drawn, names_of, network_of
from torch import Tensor

from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.values import DensePrompts, FrameFeatures, Prompts
from singleout.systems.univs.visual_prompts import points_of_masks
from singleout.vocabularies.combined import UNIVS_PARTS

PART = "univs"
CASE = "one clip through backbone, pixel decoder and decoder"
# How the arrays are cut down is said in words, of which the steps are read and the rest is known.
SLICES = {
    "backbone_*": "channels [::N]; res2, res3 also rows and columns [::N]",
    "mask_features": "channels [::N]",
    "multi_scale_i": "channels [::N] for i=0 else [::N]",
    "*_masks, *_logits, *_embeds": (
        "queries listed in queries[case]; logits classes [::N] except sentence (all); embeds channels [::N]"
    ),
    "*_layer_embeds": "aux outputs 0..8, queries[case][0::N], frame 0, channels [::N], after decoder_norm",
    "*_masks_sum": "mean over pixels of every query and frame",
    "masks_prompt_*": "points [::N], frame 0, channels [::N]",
}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return spec_of(path).get("case") == CASE


@torch.inference_mode()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    network = network_of(golden, context)
    steps = {name: _steps(golden, name) for name in SLICES}
    frames = drawn(golden, "images")
    yield from _backbone(golden, network, frames, steps["backbone_*"])
    features = network.encode(frames)
    finest = torch.stack([frame.finest for frame in features]).permute(0, 3, 1, 2)
    yield golden.compare("mask_features", finest[:, :: steps["mask_features"][0]].numpy())
    for level, mark in enumerate(network.decoder.level_embedding):
        found = torch.stack([frame.levels[level] for frame in features]) - mark
        step = steps["multi_scale_i"][0 if level == 0 else 1]
        yield golden.compare(f"multi_scale_{level}", found.permute(0, 3, 1, 2)[:, ::step].numpy())
    names = names_of(golden)
    for case in golden.spec["cases"]:
        prompts = None
        if case == "masks":
            points = _points(golden, features[0])
            each, channel = steps["masks_prompt_*"]
            yield golden.compare("masks_prompt_feats", points.features[:, ::each, ::channel].numpy())
            yield golden.compare("masks_prompt_pe", points.positions[:, ::each, ::channel].numpy())
            # The first clip has the points of its first frame in all slots, and the first slot once more.
            prompts = network.visual_prompts(
                [points] * len(features), DensePrompts.join([points] * (len(features) + 1))
            )
        elif case != "detection":
            prompts = _words(golden, case, network, features, names)
        yield from _decoded(golden, case, network, features, prompts, names)


def _backbone(golden: Golden, network: UniVSNetwork, frames: Tensor, steps: Sequence[int]) -> Iterator[Comparison]:
    channel, place = steps
    for stage, found in enumerate(network.backbone(frames[None]), start=2):
        kept = found[:, ::channel, ::place, ::place] if stage < 4 else found[:, ::channel]
        yield golden.compare(f"backbone_res{stage}", kept.numpy())


def _points(golden: Golden, frame: FrameFeatures) -> DensePrompts:
    """What the given masks show of the first frame."""
    masks = torch.from_numpy(golden.input("prompt_masks"))[:, 0].float()
    index, count = golden.spec["frame_indices"][0], golden.spec["dense_points"]
    return points_of_masks(frame, masks, None, frame_index=index, num_points=count, dice=InOrder())


def _words(
    golden: Golden, case: str, network: UniVSNetwork, features: Sequence[FrameFeatures], names: Tensor
) -> Prompts:
    look = golden.spec["text_prompt_to_image"]
    if case == "sentence":
        # Each frame has the same.
        words, sentences = drawn(golden, "exp_word"), drawn(golden, "exp_sentence")
        return network.sentence_prompts(features, sentences[:, 0], words[:, :, 0], look=look)
    if case == "category":
        key = golden.spec["cases"][case].split(":")[0]
        if key not in UNIVS_PARTS:
            raise CannotReplayError(f"unknown names {key}")
        rows = UNIVS_PARTS[key]
        return network.category_prompts(features, names[rows.offset : rows.offset + rows.count], look=look)
    raise CannotReplayError(f"unknown case {case}")


def _decoded(
    golden: Golden,
    case: str,
    network: UniVSNetwork,
    features: Sequence[FrameFeatures],
    prompts: Prompts | None,
    names: Tensor,
) -> Iterator[Comparison]:
    attention = golden.spec["self_attn_mask_type"]
    found = network.decode(features, prompts, names, attention=attention, every_head=True)
    chosen = torch.tensor(golden.spec["queries"][case])
    name_step, channel = _steps(golden, "*_masks, *_logits, *_embeds")
    assert found.logits is not None
    logits = found.logits[chosen] if case == "sentence" else found.logits[chosen, ::name_step]
    yield golden.compare(f"{case}_logits", logits.numpy())
    yield golden.compare(f"{case}_masks", found.masks(chosen).numpy())
    yield golden.compare(f"{case}_embeds", found.embeds[chosen, :, ::channel].numpy())
    query, channel = _steps(golden, "*_layer_embeds")
    heads = [head.embeds[chosen[::query], 0, ::channel] for head in found.earlier]
    yield golden.compare(f"{case}_layer_embeds", torch.stack(heads).numpy())
    yield golden.compare(f"{case}_masks_sum", found.masks().mean((2, 3)).numpy())
    if found.similarity is not None:
        yield golden.compare(f"{case}_reid", found.similarity.numpy())


def _steps(golden: Golden, name: str) -> list[int]:
    """The steps in the description of how an array is cut down."""
    said = golden.spec["slices"].get(name, "")
    if re.sub(r"::\d+\]", "::N]", said) != SLICES[name]:
        raise CannotReplayError(f"{name} is stored as {said!r}")
    return [int(step) for step in re.findall(r"::(\d+)\]", said)]
