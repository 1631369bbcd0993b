"""ReferFormer: stages, outputs, scripts, losses and post-processing, against the goldens of its README's section 9."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.referformer_network import PART, clips_of, network_of, recorded, tokens_of
from tests.parity.weights import draw, input_tensor
from torch import Tensor
from torch.nn import functional as F

from singleout.nn.deformable import DeformableAttention
from singleout.systems.referformer.network import Predictions

__all__ = ["PART", "claims", "replay"]


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return path.suffix == ".npz" and str(spec_of(path).get("reference", "")).startswith("wjn922/ReferFormer ")


@torch.no_grad()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    case = golden.spec["case"]
    if case not in CASES:
        raise CannotReplayError(f"unknown case {case}")
    yield from CASES[case](golden, context)


def _stages(golden: Golden, context: Context) -> Iterator[Comparison]:
    """One call of the network: everything on the way, and the outputs of all decoder layers."""
    spec, network = golden.spec, network_of(golden, context)
    frames, padding = clips_of(spec)
    sizes = [(height, width) for height, width in spec["target_size_hw"]]
    with recorded(network) as stages:
        sight = network.look(frames, padding, spec["valid_indices"])
        sentences = network.read(*tokens_of(spec["token_ids"], network))
        found = network(sight, sentences, sizes, every_layer=True)
    for index in range(4):
        maps = stages[f"backbone.{index}"].unflatten(0, frames.shape[:2])
        hidden = torch.zeros(frames.shape[:2] + frames.shape[3:]) if padding is None else padding.float()
        hidden = F.interpolate(hidden, maps.shape[3:], mode="nearest")
        if spec["valid_indices"] is not None:
            # The official arrays begin after all other frames were dropped.
            rows = range(len(frames)), spec["valid_indices"]
            maps, hidden = maps[rows][:, None], hidden[rows][:, None]
        stages[f"backbone.{index}"], stages[f"backbone_mask.{index}"] = maps.flatten(0, 1), hidden.flatten(0, 1)
    for name in golden.names("stage/"):
        stage = name.removeprefix("stage/")
        if stage not in stages:
            raise CannotReplayError(f"unknown stage {stage}")
        yield golden.compare(name, stages[stage].numpy())
    yield golden.compare("out/reference_points", found.points.numpy())
    layers = {"": found} | {f"aux{index}.": layer for index, layer in enumerate(found.earlier)}
    for prefix, layer in layers.items():
        yield from _outputs(golden, f"out/{prefix}", layer)


def _outputs(golden: Golden, prefix: str, found: Predictions) -> Iterator[Comparison]:
    parts: dict[str, Tensor] = {"pred_logits": found.logits, "pred_boxes": found.boxes, "pred_masks": found.masks}
    for name, values in parts.items():
        yield golden.compare(f"{prefix}{name}", values.detach().numpy())


def _ops(golden: Golden, _context: Context) -> Iterator[Comparison]:
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


CASES: dict[str, Callable[[Golden, Context], Iterator[Comparison]]] = {
    **dict.fromkeys(("clip", "odd", "batch", "long", "a2d"), _stages),
    "ops": _ops,
}
