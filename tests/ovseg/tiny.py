"""An OVSeg small enough for tests, with words of single letters."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.text_towers import SIZE, write_letters

from singleout.nn.backbones.resnet import ResNetConfig
from singleout.nn.clip_images import ClipImageSize
from singleout.nn.clip_towers import ClipSize
from singleout.systems.ovseg.config import OVSegConfig
from singleout.systems.ovseg.inference import OVSeg
from singleout.systems.ovseg.network import OVSegNetwork

IMAGES = ClipImageSize(width=64, num_layers=4, out_width=SIZE.out_width, patch=8, grid=4, prompt_depth=3)
TINY = OVSegConfig(
    backbone=ResNetConfig((1, 1, 1, 2), width=16, deep_stem=True, last_dilations=(1, 2)),
    clip=ClipSize(IMAGES, SIZE),
    size=64,
    longest=128,
    mask_threshold=0.5,
    num_queries=6,
    width=64,
    num_heads=4,
    decoder_layers=2,
    decoder_hidden=64,
    class_hidden=32,
)


def tiny_network(config: OVSegConfig = TINY, seed: int = 0) -> OVSegNetwork:
    """Random weights, the same for the same seed; queries differ enough to propose different masks."""
    torch.manual_seed(seed)
    network = OVSegNetwork(config)
    with torch.no_grad():
        network.decoder.query_positions.mul_(4)
        network.mask_head.layers[-1].weight.mul_(8)
        for parameter in network.clip.images.blocks.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    return network.eval().requires_grad_(False)


def tiny_segmenter(folder: Path | None, config: OVSegConfig = TINY) -> OVSeg:
    """The system; folder: where its tokenizer is to be written, None for none."""
    tokenizer = None if folder is None else write_letters(folder)
    return OVSeg(tiny_network(config), name="ovseg/tiny", tokenizer=tokenizer)
