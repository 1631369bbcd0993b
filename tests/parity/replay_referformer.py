"""ReferFormer: stages, outputs, scripts, losses and post-processing, against the goldens of its README's section 9."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from tests.parity.goldens import Comparison, Context, Golden, spec_of
from tests.parity.referring_cases import CASES, replay_case, stages
from tests.parity.referring_networks import Part
from tests.parity.weights import draw, input_tensor, shapes_of

from singleout.nn.deformable import DeformableAttention
from singleout.systems.referformer import SYSTEM
from singleout.systems.referformer.checkpoint import load_network
from singleout.systems.referformer.config import VARIANTS
from singleout.systems.referformer.inference import ReferFormer

PART = "referformer"
REFERFORMER = Part(PART, SYSTEM, VARIANTS, load_network, ReferFormer)


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.suffix == ".npz":
        return str(spec_of(path).get("reference", "")).startswith("wjn922/ReferFormer ")
    return path.name.startswith("keys-") and SYSTEM.recognise(shapes_of(path)) is not None


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    yield from replay_case(REFERFORMER, {**CASES, "a2d": stages, "ops": _ops}, path, context)


def _ops(_part: Part, golden: Golden, _context: Context) -> Iterator[Comparison]:
    """One deformable attention module on its own."""
    shapes = [(height, width) for height, width in golden.spec["spatial_shapes"]]
    salt, module = golden.spec["salt"], DeformableAttention(256)
    module.load_state_dict({name: draw(name, value.shape, salt) for name, value in module.state_dict().items()})
    tokens = sum(height * width for height, width in shapes)
    query, value = input_tensor("ops-query", (2, 7, 256), salt), input_tensor("ops-value", (2, tokens, 256), salt)
    padding = torch.zeros(2, tokens, dtype=torch.bool)
    padding[1, 200:240] = padding[1, 290:300] = True
    for case, numbers in (("ref2", 2), ("ref4", 4), ("ref2_padded", 2)):
        references = input_tensor(f"ops-ref{numbers}", (2, 7, 4, numbers), salt).sigmoid()
        hidden = padding if case == "ref2_padded" else None
        locations, weights = module.places(query, references, shapes)
        yield golden.compare(f"{case}.output", module(query, references, value, shapes, hidden).numpy())
        yield golden.compare(f"{case}.sampling_locations", locations[:, :2].numpy())
        yield golden.compare(f"{case}.attention_weights", weights[:, :2].numpy())
