"""A ReferFormer small enough for tests, and drawn clips: a textured thing that moves over a moving ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.referring.config import ReferringConfig
from singleout.nn.text.roberta import RobertaSize
from singleout.systems.referformer.network import ReferFormerNetwork

HEIGHT, WIDTH = 96, 128
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
SENTENCES = ((0, 5, 6, 7, 2), (0, 8, 9, 2))


def tiny_network(seed: int = 0) -> ReferFormerNetwork:
    """Random weights, the same for the same seed."""
    torch.manual_seed(seed)
    return ReferFormerNetwork(TINY).eval()


@dataclass(frozen=True)
class Clip:
    """frames: (time, height, width, 3) uint8. masks: (time, height, width) bool. boxes: (time, 4), centre and size."""

    frames: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray


def draw_clip(seed: int, num_frames: int = 3) -> Clip:
    """A round (even seeds) or square thing on a ground of clouds and grain, both moving."""
    dice = np.random.default_rng(seed)
    ground, skin = _photograph(dice, HEIGHT + 20, WIDTH + 20), _photograph(dice, HEIGHT, WIDTH)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (dice.uniform(0.42, 0.58) * side for side in (WIDTH, HEIGHT))
    step, radius = dice.uniform(-4, 4, 2), dice.uniform(28, 32)
    frames, masks, boxes = [], [], []
    for index in range(num_frames):
        dx, dy = columns - (x + index * step[0]), rows - (y + index * step[1])
        mask = (np.maximum(abs(dx), abs(dy)) if seed % 2 else np.hypot(dx, dy)) <= radius
        picture = ground[3 * index : 3 * index + HEIGHT, 2 * index : 2 * index + WIDTH].copy()
        picture[mask] = np.roll(skin, (round(index * step[1]), round(index * step[0])), axis=(0, 1))[mask]
        frames.append(picture.clip(0, 255).astype(np.uint8))
        masks.append(mask)
        inside_y, inside_x = np.nonzero(mask)
        left, right, top, bottom = inside_x.min(), inside_x.max() + 1, inside_y.min(), inside_y.max() + 1
        size = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
        boxes.append(np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]) / size)
    return Clip(np.stack(frames), np.stack(masks), np.stack(boxes).astype(np.float32))


def _photograph(dice: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Clouds of three sizes around a colour, with grain: (height, width, 3) float."""
    picture = np.zeros((height, width, 3)) + dice.uniform(60, 190, 3)
    for cell, strength in ((32, 30), (12, 20), (4, 12)):
        coarse = dice.normal(0, strength, (height // cell + 2, width // cell + 2, 3))
        for channel in range(3):
            layer = Image.fromarray(coarse[..., channel].astype(np.float32))
            picture[..., channel] += np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC))
    return picture + dice.normal(0, 4, picture.shape)
