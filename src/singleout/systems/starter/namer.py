"""A second opinion on what an object is: the ImageNet classifier that the backbone came with, on its cut-out.

Naming masks by classifying their crops is the second stage of two-stage open-vocabulary systems (Liang et al. 2023,
OVSeg); here the classifier is EfficientNet-Lite0 as published, and words reach its classes through WordNet's nouns.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.errors import InputError
from singleout.nn.backbones.efficientnet_lite import CHANNELS, EfficientNetLite0
from singleout.nn.layers import fold_batch_norms
from singleout.systems.starter.words import WEIGHTS

SIDE = 224  # pixels of the square that the classifier was trained on
STRIDE = 32
ROOM = 1.25  # times its longer side is the square that is cut out around an object
FADED = 0.3  # of the contrast of what is not the object
GREY = 0.46


class NamerNetwork(nn.Module):
    """EfficientNet-Lite0 with its classifier of 1000 ImageNet classes."""

    def __init__(self, num_classes: int = 1000, width: int = 1280) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.head = nn.Conv2d(CHANNELS[32], width, 1)
        self.classes = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """images: (batch, 3, 224, 224), 0 to 1. Returns probabilities, (batch, 1000)."""
        probabilities: Tensor = self.classes(self._features(images).mean(dim=(2, 3))).float().softmax(dim=1)
        return probabilities

    def cells(self, images: Tensor) -> Tensor:
        """Probabilities of every cell for itself. images: (batch, 3, h, w). Returns (batch, 1000, h / 32, w / 32)."""
        logits = F.conv2d(self._features(images), self.classes.weight[:, :, None, None], self.classes.bias)
        return logits.float().softmax(dim=1)

    def _features(self, images: Tensor) -> Tensor:
        return F.relu6(self.head(self.backbone(images * 2 - 1)[32]))


class Namer:
    """Names cut-outs. names: for each class everything that it may be called, from its own name up to "animal"."""

    def __init__(self, network: NamerNetwork, names: Sequence[Sequence[str]]) -> None:
        self.network = network
        self.names = [frozenset(called) for called in names]
        self._any = frozenset().union(*self.names)

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> Namer:
        """The classifier of the package. Raises InputError where its files are missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = folder / "namer.safetensors"
        network = NamerNetwork()
        try:
            stored = load_file(path)
            network.load_state_dict({name: value.float() for name, value in stored.items()}, strict=False)
            names = json.loads((folder / "namer.json").read_text(encoding="utf-8"))["names"]
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"{path}: the starter's classifier is missing or damaged; install singleout again"
            ) from error
        network.eval().requires_grad_(False)
        fold_batch_norms(network)
        return cls(network, names)

    def knows(self, noun: str) -> bool:
        """Whether any class may be called so."""
        return noun in self._any

    def classes(self, noun: str) -> Tensor:
        """(num_classes,) bool: the classes that may be called so."""
        return torch.tensor([noun in called for called in self.names])

    @torch.inference_mode()
    def spread(self, picture: Tensor, classes: Sequence[Tensor]) -> Tensor:
        """Where in a picture something of each list of classes is: (len(classes), h, w) probabilities, coarse.

        picture: (1, 3, height, width) uint8. classes: each (num_classes,) bool. The classifier without its pooling, as
        in class activation maps (Zhou et al. 2016), at the size that it was trained on.
        """
        scale = SIDE / min(picture.shape[-2:])
        size = [max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in picture.shape[-2:]]
        images = F.interpolate(picture, size, mode="bilinear", antialias=True, align_corners=False)
        cells = self.network.cells(images.to(next(self.network.parameters()).device).float() / 255)[0]
        return torch.stack([cells[chosen.to(cells.device)].sum(dim=0) for chosen in classes])

    @torch.inference_mode()
    def look(self, picture: Tensor, masks: Tensor) -> Tensor:
        """picture: (1, 3, height, width) uint8. masks: (num_objects, height/4, width/4) probabilities.

        Returns (num_objects, num_classes) probabilities of what is seen around and inside of each mask, mostly inside.
        """
        device = next(self.network.parameters()).device
        if len(masks) == 0:
            return torch.zeros(0, len(self.names))
        picture = picture.to(device).float() / 255
        return torch.cat([self.network(cut_out(picture, mask.to(device))) for mask in masks]).cpu()


def cut_out(picture: Tensor, mask: Tensor) -> Tensor:
    """A square around an object, its surroundings faded: (1, 3, 224, 224).

    picture: (1, 3, height, width), 0 to 1. mask: (height/4, width/4) probabilities; where nothing of it is above a
    half, the whole picture is shown.
    """
    height, width = picture.shape[-2:]
    inside = F.interpolate((mask > 0.5).float()[None, None], (height, width), mode="bilinear", align_corners=False)
    rows, columns = torch.nonzero(inside[0, 0].amax(dim=1) > 0), torch.nonzero(inside[0, 0].amax(dim=0) > 0)
    if len(rows) == 0:
        rows, columns = torch.tensor([0, height - 1]), torch.tensor([0, width - 1])
    top, bottom, left, right = (float(value) for value in (rows.min(), rows.max(), columns.min(), columns.max()))
    half = max(bottom - top, right - left, 8.0) * ROOM / 2
    y, x = (top + bottom) / 2, (left + right) / 2
    theta = torch.tensor(
        [[[2 * half / width, 0.0, 2 * x / width - 1], [0.0, 2 * half / height, 2 * y / height - 1]]],
        device=picture.device,
    )
    shown = inside * picture + (1 - inside) * (FADED * picture + (1 - FADED) * GREY)
    # An object larger than the square is made smaller before it is sampled, or fine patterns would alias.
    shrink = min(1.0, SIDE / (2 * half))
    if shrink < 1:
        shown = F.interpolate(shown, scale_factor=shrink, mode="bilinear", antialias=True, align_corners=False)
    grid = F.affine_grid(theta, [1, 3, SIDE, SIDE], align_corners=False)
    return F.grid_sample(shown - GREY, grid, align_corners=False) + GREY
