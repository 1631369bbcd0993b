"""A SOC small enough for tests."""

from __future__ import annotations

import torch
from tests.referformer.tiny import TINY as REFERFORMER
from tests.sentence_systems import move_boxes

from singleout.nn.backbones.swin import SwinConfig
from singleout.systems.soc.config import SocConfig
from singleout.systems.soc.network import SocNetwork

#: Two frames a window, so that a short clip has windows that are shifted in time.
TINY = SocConfig(
    backbone=SwinConfig(16, (1, 1, 2, 1), (1, 2, 2, 4), drop_path=0.0, window=(2, 3, 3), video=True),
    text=REFERFORMER.text,
    num_queries=6,
    # Halved four times it is the eight groups of the last norm.
    width=128,
    encoder_layers=2,
    decoder_layers=2,
    feedforward=64,
    interaction_layers=2,
    dropout=0.0,
)


def tiny_network(config: SocConfig = TINY, seed: int = 0) -> SocNetwork:
    """Random weights, the same for the same seed; boxes move."""
    torch.manual_seed(seed)
    network = SocNetwork(config).eval()
    move_boxes(network)
    return network
