"""A tiny UniVS whose random weights give masks that are in and out, and words for it, so that something is found."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from tests.univs.learning import tiny_network
from torch import Tensor

from singleout.nn.text.words import OnNames, SentenceFeatures
from singleout.systems.univs.network import UniVSNetwork
from singleout.vocabularies import packaged_names


def sharp_network() -> UniVSNetwork:
    """For inference."""
    network = tiny_network().eval().requires_grad_(False)
    network.pixel_decoder.mask_features.weight *= 40
    network.decoder.query_features *= 5
    return network


def red_square(num_frames: int) -> np.ndarray:
    """A square that moves to the right over noise: (num_frames, 60, 90, 3) uint8."""
    dice = np.random.default_rng(0)
    pictures = np.full((num_frames, 60, 90, 3), 90, np.uint8) + dice.integers(0, 30, (num_frames, 60, 90, 3), np.uint8)
    for number, picture in enumerate(pictures):
        picture[10:40, 5 + 5 * number : 30 + 5 * number] = (230, 40, 40)
    return pictures


class LetterWords:
    """`Words` without a tower: vectors are drawn from letters."""

    width = 16

    def embed_names(self, names: Sequence[str], *, on_names: OnNames | None = None, **_more: Any) -> Tensor:
        rows = []
        for done, name in enumerate(names, 1):
            rows.append(torch.randn(16, generator=torch.Generator().manual_seed(zlib.crc32(name.encode()))))
            if on_names is not None and (done % 1000 == 0 or done == len(names)):
                on_names(done, len(names))
        return torch.stack(rows)

    def embed_vocabulary(self, key: str) -> Tensor:
        return self.embed_names(packaged_names(key))

    def embed_sentences(self, sentences: Sequence[str], **_more: Any) -> SentenceFeatures:
        whole = self.embed_names(sentences)
        return SentenceFeatures(whole[:, None].repeat(1, 77, 1), whole)
