"""What belongs to training: losses, whole steps, merged samples, rates and decays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from tests.parity.aot_network import inputs_of, network_of, variant_of
from tests.parity.goldens import Comparison, Context, Golden
from tests.parity.sums import conv_then_norm, one_thread
from tests.parity.weights import input_tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from singleout.systems.aot.checkpoint import convert_names
from singleout.systems.aot.config import VARIANTS
from singleout.systems.aot.losses import IGNORED, cross_entropy, jaccard
from singleout.systems.aot.network import STRIDE, AOTNetwork
from singleout.systems.aot.pictures import prepare
from singleout.systems.aot.schedule import Stage, freeze, stage
from singleout.systems.aot.training import Clips, clip_losses, merge_labels

TRAINING = ("ce", "a_loss", "labels1")


def replay_training(golden: Golden, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    if golden.path.suffix == ".json":
        yield from _optimiser(golden)
    elif "ce" in golden:
        yield from _losses(golden)
    elif "labels1" in golden:
        spec = golden.spec
        labels = (golden.input(f"labels{number}") for number in (1, 2))
        merged, count = merge_labels(*labels, most=spec["max_obj"], least=spec["min_obj_pixels"])
        yield golden.compare("merged", merged)
        yield Comparison("obj_num", count, spec["obj_num"])
    else:
        yield from _steps(golden, context)


def _losses(golden: Golden) -> Iterator[Comparison]:
    salt = golden.spec["salt"]
    logits = [
        2 * input_tensor(f"aot.loss.logits{item}", (1, channels, 40, 56), salt)[0]
        for item, channels in ((0, 4), (1, 2))
    ]
    labels = torch.zeros(2, 40, 56, dtype=torch.int64)
    labels[0, 5:20, 5:20], labels[0, 22:38, 10:40], labels[0, 0:3, :] = 1, 2, IGNORED
    labels[1, 10:30, 30:50] = 1
    pairs = list(zip(logits, labels, strict=True))
    hardening = stage("pre", _empty("aott")).hardening_steps
    rows = [[float(cross_entropy(*pair, step / (hardening + 1e-5))) for pair in pairs] for step in golden.spec["steps"]]
    yield golden.compare("ce", np.array(rows))
    yield golden.compare("jaccard", np.array([float(jaccard(*pair)) for pair in pairs]))


@contextmanager
def _official_sums() -> Iterator[None]:
    """Norms after their convolutions, in the order of the official code.

    In golden-aotl-train hidden units of the encoder are zero but for the last bit, and their gradients are there or
    not: 1e-3 of some norms.
    """
    with patch("singleout.nn.backbones.mobilenet_v2.conv_norm", conv_then_norm):
        yield


def _steps(golden: Golden, context: Context) -> Iterator[Comparison]:
    """Whole steps: losses, decided masks and gradients."""
    spec, given = golden.spec, inputs_of(golden, context)
    pictures = torch.stack([prepare(frame, frame.shape[:2])[0] for frame in given["frames"]])
    frames = torch.stack([pictures, pictures.flip(-1)], dim=1)
    labels = torch.from_numpy(given["labels"]).long().view(spec["seq_len"], spec["batch"], *given["labels"].shape[-2:])
    for case in spec["cases"]:
        network, name = network_of(golden, context, case["config"]), case["name"]
        permutations = torch.tensor(case["id_permutation"])
        # Sums are made in one order, that of one thread and of plain arithmetic.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), one_thread(), _official_sums():
            network.requires_grad_(True)
            plan = stage("pre" if spec["stage"] == "pre" else "main", network)
            clips = Clips(frames, labels, spec["obj_nums"], permutations)
            found = clip_losses(network, clips, plan, case["step"])
            named = dict(network.named_parameters())
            asked = [named[_our_name(one, gated=network.config.gated)] for one in case["grad_names"]]
            gradients = torch.autograd.grad(found.total, asked)
            network.requires_grad_(False)
        yield golden.compare(f"{name}_loss", found.total.detach().numpy())
        yield golden.compare(f"{name}_frame_losses", found.frames.detach().numpy())
        yield golden.compare(f"{name}_masks", found.masks.numpy())
        yield golden.compare(f"{name}_grad_norms", np.array([float(one.double().norm()) for one in gradients]))
        tokens = [one for one in case["long_term_tokens_end"] if one is not None]
        per_frame = (-(-frames.shape[-2] // STRIDE)) * (-(-frames.shape[-1] // STRIDE))
        yield Comparison(f"{name}_remembered", [found.remembered * per_frame] * len(tokens), tokens)


def _our_name(official: str, *, gated: bool) -> str:
    nothing = torch.empty(0, device="meta")
    return next(iter(convert_names({official: nothing}, gated=gated).state), official)


def _empty(variant: str) -> AOTNetwork:
    with torch.device("meta"):
        return AOTNetwork(VARIANTS[variant])


def _optimiser(golden: Golden) -> Iterator[Comparison]:
    """Which tensors are trained and decay, the rates at some steps, and the running average."""
    listing = json.loads(golden.path.read_text(encoding="utf-8"))
    for name in golden.names():
        golden.input(name)
    for case in [name for name in listing if "/" in name]:
        config, _, named = case.partition("/")
        network = _empty(variant_of(config))
        freeze(network)
        yield from _case(case, listing[case], network, stage("pre" if named == "pre" else "main", network))
    average, shadow = listing["ema"], [0.0]
    plan = Stage(1, 1, 0, None, 0, 0)
    for update in range(1, len(average["shadow"]) + 1):
        decay = min(plan.average_decay(update), average["decay"])
        shadow.append(decay * shadow[-1] + (1 - decay) * update)
    yield Comparison("ema/shadow", np.array(shadow[1:]), np.array(average["shadow"]))
    yield Comparison("ema/decay", plan.average_decay(10**9), average["decay"])


def _case(case: str, given: dict[str, Any], network: AOTNetwork, plan: Stage) -> Iterator[Comparison]:
    parameters = dict(network.named_parameters())
    gated = network.config.gated
    kinds = {
        "weight_decay_nonzero": {name for name, one in parameters.items() if plan.decay_of(name, one.ndim, 0)},
        "weight_decay_zero": {name for name, one in parameters.items() if not plan.decay_of(name, one.ndim, 0)},
        "not_trained": {name for name, one in parameters.items() if not one.requires_grad},
    }
    kinds["weight_decay_nonzero"] -= kinds["not_trained"]
    kinds["weight_decay_zero"] -= kinds["not_trained"]
    for kind, ours in kinds.items():
        # The token that no forward pass uses is not ours.
        theirs = {_our_name(name, gated=gated) for name in given[kind] if name != "LSTT.mask_token"}
        yield Comparison(f"{case}/{kind}", np.array(sorted(ours)), np.array(sorted(theirs)))
    yield Comparison(f"{case}/weight_decay", plan.decay, given["weight_decay"])
    tensors = {
        "base": "blocks.0.norm1.weight",
        "encoder": "encoder.anything",
        "encoder_projector": "projector.weight",
        "bank": "identity_bank.weight",
        "decoder": "decoder.out.weight",
    }
    for step, rates in given["lr"].items():
        for part, rate in rates.items():
            value = (
                plan.decay_of(tensors["bank"], 4, int(step))
                if part == "bank_wd"
                else plan.rate_of(tensors[part], int(step))
            )
            yield Comparison(f"{case}/lr/{step}/{part}", float(value), float(rate))
