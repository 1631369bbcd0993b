"""Names and shapes of UniVS's official checkpoints, and of the Mask2Formers that they started from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden
from tests.parity.univs_network import VARIANT_OF
from tests.parity.weights import shapes_of
from torch import Tensor

from singleout.nn.mask2former.names import find_backbone
from singleout.systems.univs.checkpoint import begin_with_mask2former
from singleout.systems.univs.config import VARIANTS
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.system import SYSTEM

PART = "univs"
BEGINNING = "keys-mask2former-"
AVERAGED = "-stage3-ema"
CLASSES = "sem_seg_head.predictor.class_embed."
# What Mask2Former has nothing for: what is said of prompts and words.
OWN = ("decoder.prompt_layers.", "decoder.name_", "words.", "category_mark", "sentence_mark", "visual_mark")


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if not path.name.startswith("keys-"):
        return False
    shapes = shapes_of(path)
    return SYSTEM.recognise(shapes) is not None or (path.name.startswith(BEGINNING) and bool(find_backbone(shapes)))


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    for name in golden.names():
        golden.input(name)
    official = {name: torch.empty(shape, device="meta") for name, shape in shapes_of(path).items()}
    kind = path.stem.removeprefix("keys-").removeprefix("mask2former-").removesuffix(AVERAGED)
    if kind not in VARIANT_OF:
        raise CannotReplayError(f"unknown configuration {kind}")
    variant = VARIANT_OF[kind]
    if path.name.startswith(BEGINNING):
        yield from _beginning(golden, variant, official)
        return
    shapes = {name: tuple(tensor.shape) for name, tensor in official.items()}
    yield Comparison("variant", SYSTEM.recognise(shapes), variant)
    # Temperatures that nothing reads, and what is computed anew; then all of the model that is not wanted.
    spare = {name for name in official if not golden.names(f"keys/{name}") or name.endswith("reid_temp.weight")}
    models = {variant: "_t."} if not path.stem.endswith(AVERAGED) else {variant: "_t.", f"{variant}-ema": "."}
    for model, left in models.items():
        with torch.device("meta"):
            own = SYSTEM.build(model, SYSTEM.configure(model, shapes)).state_dict()
        conversion = SYSTEM.convert_variant(model, official)
        yield Comparison(f"names and shapes of {model}", _listed(own), _listed(conversion.state))
        unused = spare | {name for name in official if _is_left(name, left, official)}
        yield Comparison(
            f"names that {model} does not need", np.array(sorted(conversion.ignored)), np.array(sorted(unused))
        )


def _is_left(name: str, left: str, official: Mapping[str, Tensor]) -> bool:
    """Whether a name is of the model that is not wanted."""
    first, rest = name.split(".", 1)
    return first.endswith("_t") if left == "_t." else f"{first}_t.{rest}" in official


def _beginning(golden: Golden, variant: str, official: Mapping[str, Tensor]) -> Iterator[Comparison]:
    found = begin_with_mask2former(VARIANTS[variant], official)
    with torch.device("meta"):
        own = UniVSNetwork(VARIANTS[variant]).state_dict()
    queries = {"decoder.query_features", "decoder.query_positions"}
    fewer = len(official["sem_seg_head.predictor.query_feat.weight"]) != VARIANTS[variant].num_queries
    new = {name for name in own if name.startswith(OWN)} | (queries if fewer else set())
    yield Comparison("new tensors", np.array(sorted(found.new)), np.array(sorted(new)))
    taken = {name: own[name] for name in own.keys() - new}
    yield Comparison("names and shapes", _listed(found.state), _listed(taken))
    spare = [name for name in official if not golden.names(f"keys/{name}") or name.startswith(CLASSES)]
    yield Comparison("names that are not needed", np.array(sorted(found.ignored)), np.array(sorted(spare)))
    yield Comparison("names that no rule knows", np.array(found.unknown, dtype=str), np.array([], dtype=str))


def _listed(state: Mapping[str, Tensor]) -> np.ndarray:
    return np.array([f"{name} {list(one.shape)}" for name, one in sorted(state.items())])
