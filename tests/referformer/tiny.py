"""A ReferFormer small enough for tests."""

from __future__ import annotations

import torch

from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.referring.config import ReferringConfig
from singleout.nn.text.roberta import RobertaSize
from singleout.systems.referformer.network import ReferFormerNetwork

TINY = ReferringConfig(
    backbone=RESNETS["resnet18"],
    text=RobertaSize(vocabulary=40, width=32, num_layers=1, num_heads=2, hidden=64, positions=40),
    width=64,
    encoder_layers=2,
    decoder_layers=2,
    feedforward=128,
    mask_width=32,
    dropout=0.0,
)


def tiny_network(seed: int = 0) -> ReferFormerNetwork:
    """Random weights, the same for the same seed."""
    torch.manual_seed(seed)
    return ReferFormerNetwork(TINY).eval()
