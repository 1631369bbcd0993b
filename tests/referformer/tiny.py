"""A ReferFormer small enough for tests, and drawn clips: a textured thing that moves in front of a moving picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.referring.config import ReferringConfig
from singleout.nn.text.roberta import RobertaSize
from singleout.prompts import Phrase
from singleout.segmenter import Segmenter
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
    """A round (even seeds) or square thing with a cloudy skin moves in front of a picture that moves as well."""
    dice = np.random.default_rng(seed)
    ground = _leaves(dice, HEIGHT + 20, WIDTH + 20)
    skin = dice.uniform(60, 190, 3) + 45 * _clouds(dice, HEIGHT, WIDTH)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (dice.uniform(0.35, 0.65) * side for side in (WIDTH, HEIGHT))
    step, radius = dice.uniform(-4, 4, 2), dice.uniform(20, 26)
    frames, masks, boxes = [], [], []
    for index in range(num_frames):
        dx, dy = columns - (x + index * step[0]), rows - (y + index * step[1])
        mask = (np.maximum(abs(dx), abs(dy)) if seed % 2 else np.hypot(dx, dy)) <= radius
        picture = ground[3 * index : 3 * index + HEIGHT, 2 * index : 2 * index + WIDTH].copy()
        picture[mask] = np.roll(skin, (round(index * step[1]), round(index * step[0])), axis=(0, 1))[mask]
        # A camera's noise is another in every frame.
        picture += dice.normal(0, 4, picture.shape)
        frames.append(picture.clip(0, 255).astype(np.uint8))
        masks.append(mask)
        inside_y, inside_x = np.nonzero(mask)
        left, right, top, bottom = inside_x.min(), inside_x.max() + 1, inside_y.min(), inside_y.max() + 1
        size = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
        boxes.append(np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]) / size)
    return Clip(np.stack(frames), np.stack(masks), np.stack(boxes).astype(np.float32))


def _leaves(dice: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Things of all sizes in front of each other, each with its shading: (height, width, 3) float.

    Such "dead leaves" have the edges, the occlusions and the statistics of photographs (Lee, Mumford and Huang 2001).
    """
    image = Image.new("RGB", (width, height), (120, 120, 120))
    drawn = ImageDraw.Draw(image)
    for radius in 3 / np.sqrt(dice.uniform(0.005, 1, 600)):
        x, y = dice.uniform(0, width), dice.uniform(0, height)
        across, down = radius * dice.uniform(0.5, 1, 2)
        colour = (dice.normal(120, 40) + dice.normal(0, 18, 3)).clip(0, 255).astype(int)
        drawn.ellipse((x - across, y - down, x + across, y + down), fill=tuple(colour.tolist()))
    return np.asarray(image, np.float64) + 9 * _clouds(dice, height, width)


def _clouds(dice: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise that falls with the frequency, as in photographs, mostly grey: (height, width, 3) of deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    noise = dice.normal(size=(3, height, width)) * 0.3 + dice.normal(size=(height, width))
    clouds = np.fft.irfft2(np.fft.rfft2(noise) / np.maximum(frequency, 1 / max(height, width)), (height, width))
    return np.moveaxis(clouds / clouds.std(axis=(1, 2), keepdims=True), 0, 2)


def soft(system: Segmenter, video: np.ndarray, phrases: list[Phrase], **options: Any) -> np.ndarray:
    """(num_frames, num_phrases, height, width) probabilities."""
    return np.stack([masks.masks for masks in system.stream(video, phrases, **options)])
