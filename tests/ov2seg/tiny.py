"""An OV2Seg small enough for tests, with a table of three names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from singleout.nn.backbones.resnet import RESNETS
from singleout.systems.ov2seg.config import OV2SegConfig
from singleout.systems.ov2seg.inference import OV2Seg
from singleout.systems.ov2seg.network import OV2SegNetwork

TINY = OV2SegConfig(
    RESNETS["resnet18"],
    num_queries=6,
    width=32,
    num_heads=4,
    encoder_layers=1,
    encoder_hidden=32,
    decoder_layers=3,
    decoder_hidden=32,
    text_width=16,
)
NAMES = ("cat", "dog", "kite")
#: What makes a run of the tiny network short, and every pair a result.
SMALL = {"short": 64, "threshold": 0.0, "device": "cpu"}


def tiny_network(seed: int = 0) -> OV2SegNetwork:
    """Random weights, the same for the same seed."""
    torch.manual_seed(seed)
    return OV2SegNetwork(TINY).eval().requires_grad_(False)


def tiny_system(seed: int = 0) -> OV2Seg:
    """The network as a system, without a text tower."""
    return OV2Seg(tiny_network(seed), name="tiny")


def write_table(file: Path, num_names: int = len(NAMES), width: int = TINY.text_width) -> Path:
    """A table of random rows, the first of which are always the same; returns the file."""
    np.save(file, np.random.default_rng(0).standard_normal((num_names, width)).astype(np.float32))
    return file
