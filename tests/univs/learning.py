"""A UniVS small enough to learn a clip within a test, and what such a clip is to it."""

from __future__ import annotations

import numpy as np
import torch

from singleout.nn.backbones.resnet import RESNETS
from singleout.systems.univs.config import UniVSConfig
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.training import Objects

TINY = UniVSConfig(
    RESNETS["resnet18"],
    num_queries=8,
    width=64,
    num_heads=4,
    encoder_layers=2,
    encoder_hidden=128,
    decoder_layers=3,
    decoder_hidden=128,
    text_width=16,
)
MEAN, DEVIATION = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


def tiny_network(config: UniVSConfig = TINY, seed: int = 0) -> UniVSNetwork:
    """Random weights, the same for the same seed."""
    torch.manual_seed(seed)
    return UniVSNetwork(config)


def prepared(frames: np.ndarray) -> torch.Tensor:
    """Frames (time, height, width, 3) uint8, sides multiples of 32, as the network takes them."""
    return torch.from_numpy(((frames - MEAN) / DEVIATION).astype(np.float32)).permute(0, 3, 1, 2).contiguous()


def objects_of(ids: np.ndarray, labels: list[int]) -> Objects:
    """The objects 1, 2 … of maps (time, height, width), with the row of the name of each."""
    masks = torch.stack([torch.from_numpy(ids == number) for number in range(1, len(labels) + 1)])
    numbers = torch.arange(len(labels))[:, None].expand(-1, len(ids))
    return Objects(masks, torch.where(masks.flatten(2).any(2), numbers, -1), torch.tensor(labels))
