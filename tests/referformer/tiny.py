"""A ReferFormer small enough for tests, for the clips of `tests.drawn_clips`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tests.drawn_clips import HEIGHT, WIDTH, Clip, draw_clip

from singleout.nn.backbones.resnet import RESNETS
from singleout.nn.referring.config import ReferringConfig
from singleout.nn.text.roberta import RobertaSize
from singleout.prompts import Phrase
from singleout.segmenter import Segmenter
from singleout.systems.referformer.network import ReferFormerNetwork

# The clips are drawn for tests of other systems as well.
__all__ = ["HEIGHT", "SENTENCES", "TINY", "WIDTH", "Clip", "draw_clip", "soft", "tiny_network"]

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


def soft(system: Segmenter, video: np.ndarray, phrases: list[Phrase], **options: Any) -> np.ndarray:
    """(num_frames, num_phrases, height, width) probabilities."""
    return np.stack([np.asarray(masks.masks) for masks in system.stream(video, phrases, **options)])
