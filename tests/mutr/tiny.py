"""A MUTR small enough for tests."""

from __future__ import annotations

from dataclasses import fields

import torch
from tests.referformer.tiny import TINY as REFERFORMER
from tests.sentence_systems import move_boxes

from singleout.nn.referring.config import ReferringConfig
from singleout.systems.mutr.config import MutrConfig
from singleout.systems.mutr.network import MutrNetwork

TINY = MutrConfig(**{one.name: getattr(REFERFORMER, one.name) for one in fields(ReferringConfig)})


def tiny_network(config: MutrConfig = TINY, seed: int = 0) -> MutrNetwork:
    """Random weights, the same for the same seed; boxes move."""
    torch.manual_seed(seed)
    network = MutrNetwork(config).eval()
    move_boxes(network)
    return network
