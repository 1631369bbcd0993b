"""An AOT and a DeAOT small enough for tests, official files of them, and drawn videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from singleout.nn.backbones.resnet import ResNetConfig
from singleout.systems.aot.config import AOTConfig
from singleout.systems.aot.inference import AOT
from singleout.systems.aot.network import AOTNetwork

TINY = AOTConfig(ResNetConfig((1, 1, 1, 1), bottleneck=False, width=16, num_stages=3), 2, gap=2, width=64, num_ids=3)
CONFIGS: Mapping[str, AOTConfig] = {"aot": TINY, "deaot": replace(TINY, gated=True, align_corners=False)}
HEIGHT, WIDTH = 64, 96


def tiny(kind: str = "aot", **changed: object) -> AOT:
    """Random weights, the same every time; three identities share a pass."""
    torch.manual_seed(3)
    config = replace(CONFIGS[kind], **changed)  # type: ignore[arg-type]
    network = AOTNetwork(config).eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.mul_(1.5)
    return AOT(network, name=f"tiny-{kind}")


def draw_video(num_frames: int = 8, num_objects: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Coloured squares that move over grain: frames (time, height, width, 3) uint8 and ids (time, height, width)."""
    dice = np.random.default_rng(5)
    ground = dice.integers(60, 130, (HEIGHT, WIDTH, 3), np.uint8)
    colours = dice.integers(0, 255, (num_objects, 3), np.uint8)
    frames, ids = np.repeat(ground[None], num_frames, 0), np.zeros((num_frames, HEIGHT, WIDTH), np.int32)
    for time in range(num_frames):
        for number in range(num_objects):
            top, left = 6 + 18 * (number % 3) + time, 6 + 20 * (number // 3) + 3 * time
            place = (slice(top, top + 14), slice(left, left + 14))
            frames[time][place] = colours[number]
            ids[time][place] = number + 1
    return frames, ids
