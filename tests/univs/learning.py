"""A UniVS small enough to learn a clip within a test, and what such a clip is to it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from singleout.nn.backbones.resnet import RESNETS
from singleout.systems.univs.config import UniVSConfig
from singleout.systems.univs.losses import Settings, losses_of, total, weights
from singleout.systems.univs.network import UniVSNetwork
from singleout.systems.univs.training import Objects, boxes_of, clip_layers
from singleout.systems.univs.visual_prompts import Dice, points_of_masks

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


def learn(
    network: UniVSNetwork, frames: np.ndarray, objects: Objects, names: torch.Tensor, *, steps: int, rate: float = 1e-3
) -> list[float]:
    """Train on one clip with the published losses; the weighted sums on the way."""
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    pictures, dice, weight, sums = prepared(frames), Dice(0), weights(), []
    torch.manual_seed(0)
    for _ in range(steps):
        layers, target = clip_layers(network, pictures, objects, names, dice=dice)
        loss = total(losses_of([layers], [target], settings=Settings(num_points=512)).losses, weight)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        sums.append(float(loss.detach()))
    return sums


@torch.no_grad()
def masks_by_prompts(network: UniVSNetwork, frames: np.ndarray, objects: Objects) -> torch.Tensor:
    """Masks (num_objects, time, height, width) bool of the objects whose masks in the first frame are given."""
    features, first = network.eval().encode(prepared(frames)), objects.masks[:, 0]
    seen = points_of_masks(features[0], first, boxes_of(first), frame_index=0, num_points=32, dice=Dice(1))
    decoded = network.decode(features, network.visual_prompts([seen] * len(features), seen), learnable=False)
    return _whole(decoded.masks(), objects.masks.shape[-2:])


@torch.no_grad()
def masks_by_queries(
    network: UniVSNetwork, frames: np.ndarray, names: torch.Tensor, *, count: int
) -> tuple[torch.Tensor, np.ndarray]:
    """Masks of the learnable queries that are surest of a name, and which name that is, (count,)."""
    decoded = network.eval().decode(network.encode(prepared(frames)), None, names)
    assert decoded.logits is not None
    surest, labels = decoded.logits.max(1)
    best = surest.argsort(descending=True)[:count]
    return _whole(decoded.masks(best), frames.shape[1:3]), labels[best].numpy()


def overlaps(found: torch.Tensor, objects: Objects) -> np.ndarray:
    """The IoU of each object over the whole clip, (num_objects,)."""
    shared, either = (found & objects.masks).flatten(1).sum(1), (found | objects.masks).flatten(1).sum(1)
    return (shared / either).numpy()


def _whole(logits: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    return F.interpolate(logits, size, mode="bilinear", align_corners=False) > 0
