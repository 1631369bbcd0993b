"""AOT filled by the rule of the goldens, its inputs, and what it computes on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from tests.parity.goldens import CannotReplayError, Context, Golden
from tests.parity.weights import official_state
from torch import Tensor

from singleout.systems.aot.checkpoint import convert_names, load_network
from singleout.systems.aot.config import VARIANTS
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.options import Options
from singleout.systems.aot.tracker import Tracker

PART = "aot"
CPU = torch.device("cpu")


def variant_of(config: str) -> str:
    """Our name of an official configuration such as ``r50_aotl``."""
    name = config.replace("_", "-")
    if name not in VARIANTS:
        raise CannotReplayError(f"unknown configuration {config}")
    return name


def network_of(golden: Golden, context: Context, config: str | None = None) -> AOTNetwork:
    """The network of a golden's spec with its weights."""
    named = config or golden.spec["config"]
    return _network(context.side_file(golden.path, PART, f"keys-{named}.json"), named, golden.spec["salt"])


@lru_cache(maxsize=1)
def _network(manifest: Path, config: str, salt: str) -> AOTNetwork:
    return load_network(VARIANTS[variant_of(config)], convert_names(official_state(manifest, salt)).state)


def inputs_of(golden: Golden, context: Context) -> dict[str, Any]:
    """Frames and labels that go with a golden. The spec names their file first, then perhaps what of it is used."""
    name = golden.spec["inputs"].split()[0]
    with np.load(context.side_file(golden.path, PART, name), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def tracker_of(golden: Golden, context: Context, options: Options, *, open_ids: bool = False) -> Tracker:
    """A tracker of the golden's network, for frames of its size."""
    height, width = inputs_of(golden, context)["frames"].shape[1:3]
    return Tracker(network_of(golden, context), options, (height, width), CPU, open_ids=open_ids)


@contextmanager
def decoded(network: AOTNetwork) -> Iterator[list[Tensor]]:
    """Collects the scores of every frame that is decoded while the block runs."""
    scores: list[Tensor] = []
    decode = network.decode

    def keep(*given: Any) -> Tensor:
        scores.append(decode(*given))
        return scores[-1]

    with patch.object(network, "decode", keep):
        yield scores


def log_of(tracker: Tracker, look: int) -> list[list[Any]]:
    """The clocks of the groups of one look in the form of the goldens."""
    config, engine = tracker.network.config, tracker.engines[look]
    log = []
    for group, store in enumerate(engine.stores):
        tokens = store.entry(0)[0].shape[1]
        left = tracker.num_objects - group * config.num_ids
        lengths = [tokens, tokens, None, tokens] if config.gated else [tokens, tokens]
        log.append([store.step, store.stored, lengths, min(left, config.num_ids)])
    return log
