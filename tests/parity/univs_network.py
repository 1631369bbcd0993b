"""UniVS filled by the rule of the goldens, its inputs, and draws in the order in which the goldens took them."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tests.parity.goldens import CannotReplayError, Context, Golden
from tests.parity.weights import input_tensor, official_state
from torch import Tensor

from singleout.systems.univs.checkpoint import convert_names, load_network
from singleout.systems.univs.config import VARIANTS
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.visual_prompts import Dice

PART = "univs"
VARIANT_OF = {"r50": "r50", "swint": "swin-t", "swinb": "swin-b", "swinl": "swin-l"}
_SCALE, _UNUSED = (f"sem_seg_head.predictor.{name}_temp.weight" for name in ("cls", "reid"))


class InOrder(Dice):
    """The goldens' draws: every permutation is replaced by the identity, uniform numbers by those of a fixed rule."""

    def ranks(self, count: int, size: int) -> Tensor:
        """As `Dice.ranks`, in order."""
        return torch.arange(size, dtype=torch.float32).expand(count, -1)

    def shares(self, count: int, size: int) -> Tensor:
        """As `Dice.shares`, multiples of the golden ratio without their whole part."""
        steps = (torch.arange(count * size, dtype=torch.float64) + 0.5) * 0.6180339887498949
        return steps.frac().float().view(count, size)


def network_of(golden: Golden, context: Context) -> UniVSNetwork:
    """The network of a golden's spec with its weights."""
    return _network(*_described(golden, context))


def exact_network_of(golden: Golden, context: Context) -> UniVSNetwork:
    """The same in double precision."""
    return _network.__wrapped__(*_described(golden, context)).double()


def _described(golden: Golden, context: Context) -> tuple[Path, str, str, str]:
    config = golden.spec["config"]
    if config not in VARIANT_OF:
        raise CannotReplayError(f"unknown configuration {config}")
    manifest = context.side_file(golden.path, PART, f"keys-{config}.json")
    edits = json.dumps(golden.spec.get("weight_edits") or [])
    return manifest, VARIANT_OF[config], golden.spec["salt"], edits


@lru_cache(maxsize=1)
def _network(manifest: Path, variant: str, salt: str, edits: str) -> UniVSNetwork:
    state = official_state(manifest, salt)
    # Where the official model is built on a CPU its two temperatures share their memory, so that scores are scaled by
    # whichever was filled last; on a GPU, where it was trained and evaluated, they do not, and each keeps its own.
    state[_SCALE] = state[_UNUSED]
    for pattern, how, value in json.loads(edits):
        found = [tensor for name, tensor in state.items() if re.search(pattern, name)]
        if not found or how not in ("mul", "set"):
            raise CannotReplayError(f"unknown edit of weights: {pattern} {how}")
        for tensor in found:
            tensor.mul_(value) if how == "mul" else tensor.fill_(value)
    return load_network(VARIANTS[variant], convert_names(state).state)


def names_of(golden: Golden) -> Tensor:
    """Embeddings of all category names of a golden's spec, (num_names, text width)."""
    return drawn(golden, "class_embeddings")


def drawn(golden: Golden, part: str) -> Tensor:
    """An input that the spec describes by its key and shape."""
    described: dict[str, Any] = golden.spec[part]
    return input_tensor(described["key"], described["shape"], golden.spec["salt"])
