"""MUTR: stages, outputs, scripts, the challenge's dump and losses, against the goldens of its README's section 11."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tests.parity.goldens import Comparison, Context, Golden, spec_of
from tests.parity.referring_cases import CASES, replay_case
from tests.parity.referring_networks import Part, Stages, frames_of, segmenter_of
from tests.parity.weights import draw, input_tensor, shapes_of
from torch import Tensor, nn

from singleout.nn.referring.interaction import Interaction
from singleout.systems.mutr import SYSTEM
from singleout.systems.mutr.checkpoint import convert_names, load_network
from singleout.systems.mutr.config import VARIANTS
from singleout.systems.mutr.inference import Mutr
from singleout.systems.mutr.network import MutrNetwork
from singleout.systems.mutr.temporal import Aggregation

PART = "mutr"
CHALLENGE = "RobertLuo1/iccv2023_RVOS_Challenge "


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.suffix == ".npz":
        spec = spec_of(path)
        reference = str(spec.get("reference", ""))
        # The challenge's repository holds other systems as well.
        challenge = reference.startswith(CHALLENGE) and spec.get("case") == "challenge-ensemble-dump"
        return reference.startswith("OpenGVLab/MUTR ") or challenge
    return path.name.startswith("keys-") and SYSTEM.recognise(shapes_of(path)) is not None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    cases = {**CASES, "mti-mta": _modules, "challenge-ensemble-dump": _challenge}
    yield from replay_case(MUTR, cases, path, context)


def _watch(network: MutrNetwork, stages: Stages) -> list[Any]:
    """Hooks for the two modules that ReferFormer does not have."""
    calls = [0]

    def aggregation(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        stages[f"MTA.call{calls[0]}"] = output.transpose(0, 1)
        calls[0] += 1

    def interaction(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        stages["mti"] = output[None]

    def projection(name: str) -> Any:
        return lambda _module, _inputs, output: stages.__setitem__(name, output)

    hooks = [
        network.aggregation.register_forward_hook(aggregation),
        network.interaction.register_forward_hook(interaction),
    ]
    for index, module in enumerate(network.input_projections):
        # The official code projects twice, for two purposes; we do so once.
        hooks.append(module.register_forward_hook(projection(f"input_proj_{index}.call1")))
    return hooks


MUTR = Part(PART, SYSTEM, VARIANTS, load_network, Mutr, every_layer=False, watch=_watch)


def _modules(_part: Part, golden: Golden, _context: Context) -> Iterator[Comparison]:
    """The two modules on their own, with batches mixed up as the official code does."""
    salt = golden.spec["salt"]
    with torch.device("meta"):
        network = MutrNetwork(VARIANTS["resnet-50"])
    interaction = _filled(network.interaction, "interaction.", "mti.", salt)
    for name in golden.names("eval.") + golden.names("train."):
        mode, sizes = name.split(".")
        layers, time, videos = (int(part) for part in sizes[1:].replace("T", " ").replace("B", " ").split())
        states = input_tensor(f"mti-{layers}-{time}-{videos}", (layers, time, videos, 5, 256), salt)
        if mode == "eval":
            states = states[-1:]
        sequences = states.reshape(-1, time, 5, 256)
        found = interaction(sequences, shifted=mode == "eval").unflatten(0, (-1, videos))
        yield golden.compare(name, found.numpy())
    aggregation = _filled(network.aggregation, "aggregation.", "MTA.layers.0.", salt)
    query, memory, positions = (
        input_tensor(f"mta-{name}", (length, 2, 256), salt).transpose(0, 1)
        for name, length in (("query", 7), ("memory", 60), ("pos", 7))
    )
    padding = torch.zeros(2, 60, dtype=torch.bool)
    padding[1, 40:] = True
    yield golden.compare("mta", aggregation(query, positions, memory, padding).transpose(0, 1).numpy())


def _filled(module: Aggregation | Interaction, ours: str, theirs: str, salt: str) -> Any:
    """A module with the weights of its official counterpart, whose names begin after `theirs` when it stands alone."""
    listing = Path(__file__).parents[1] / "goldens" / PART / "keys-resnet50.json"
    official = {name: shape for name, shape in shapes_of(listing).items() if name.startswith(theirs)}
    prefix = theirs.split(".", maxsplit=1)[0] + "."
    state = {name: draw(name.removeprefix(prefix), shape, salt) for name, shape in official.items()}
    filled = {name.removeprefix(ours): value for name, value in convert_names(state).state.items()}
    module.load_state_dict(filled, assign=True)
    return module.eval()


def _challenge(part: Part, golden: Golden, context: Context) -> Iterator[Comparison]:
    """What the challenge variant keeps for the fusion."""
    spec, system = golden.spec, segmenter_of(part, golden, context)
    assert isinstance(system, Mutr)
    frames = frames_of(spec, context)
    for place, found in enumerate(system.soft_answers(frames, spec["token_ids"], short=spec["short_side"])):
        yield golden.compare(f"{place}/mask_logits", found.mask_logits[:, ::2, ::2])
        yield golden.compare(f"{place}/class_info", found.class_info)
        # All scores are equal, and rounding decides which is the first maximum, so any frame of the highest score
        # will do (section 10 of the README).
        scores, key = golden.input(f"{place}/class_info"), int(golden.input(f"{place}/key_frame"))
        yield Comparison(f"{place}/key_frame", scores[found.key_frame], scores[key])
