"""CLIP fine-tuned on masked pictures, one step at a time (section 3.3 of Liang et al. 2023).

Pictures are regions whose background has one colour, texts are bare nouns. The loop around a step is the engine's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from singleout.errors import InputError
from singleout.nn.clip_images import MEAN, STD
from singleout.nn.clip_towers import Clip

Trained = Literal["images", "prompts", "both"]
#: The colour of background in stored regions; not quite what inference fills with.
BACKGROUND = (124, 116, 103)
_MOST_SCALE = math.log(100)


def for_training(picture: Image.Image, side: int) -> tuple[Tensor, Tensor]:
    """A stored region as the tower takes it, (3, side, side), and where it is no background, (side, side) bool.

    As in the published evaluation: the short side is resized, the middle cut out. Background is what has exactly its
    colour afterwards, so that pixels that resizing has blended count as the region.
    """
    width, height = picture.size
    short = min(width, height)
    size = (
        side if width == short else int(side * width / height),
        side if height == short else int(side * height / width),
    )
    resized = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return _as_tensors(np.asarray(resized.crop((left, top, left + side, top + side))))


def augmented(picture: Image.Image, side: int, draws: np.random.Generator) -> tuple[Tensor, Tensor]:
    """As `for_training`, with a part drawn at random: 0.9 to 1 of the area, at most 4:3 out of proportion."""
    width, height = picture.size
    for _ in range(10):
        area = width * height * draws.uniform(0.9, 1.0)
        ratio = math.exp(draws.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(draws.integers(width - wide + 1)), int(draws.integers(height - high + 1))
            break
    else:
        # A narrow region: as much of its middle as the proportions allow.
        wide, high = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        left, top = (width - wide) // 2, (height - high) // 2
    box = (left, top, left + max(wide, 1), top + max(high, 1))
    resized = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box=box)
    return _as_tensors(np.asarray(resized))


def contrastive_loss(images: Tensor, texts: Tensor, scale: Tensor | float) -> Tensor:
    """The mean cross entropy of pictures among texts and of texts among pictures; row i of both belong together.

    images, texts: (num, width) of length 1. A noun that comes again in a batch counts as wrong, as published.
    """
    logits = scale * images @ texts.t()
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.t(), own)) / 2


@dataclass(frozen=True)
class Batch:
    """pictures: (num, 3, side, side). masks: (num, side, side) bool. tokens: of each noun, of a tokenizer."""

    pictures: Tensor
    masks: Tensor
    tokens: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Settings:
    """Of one kind of fine-tuning; the defaults are the published ones, which differ by what is trained."""

    trained: Trained
    rate: float
    decay: float
    prompt_rate: float = 0.05


#: All of the image tower, then in a stage of its own the prompts alone; both together was tried as well.
SETTINGS: dict[Trained, Settings] = {
    "images": Settings("images", 5e-6, 0.2),
    "prompts": Settings("prompts", 0.05, 0.0),
    "both": Settings("both", 5e-6, 0.2),
}


class Adapter:
    """A CLIP that is being fine-tuned: what of it is trained, by which rates, and a step.

    The text tower stays as it is. Prompts take part in a forward pass where they are trained.
    """

    def __init__(self, clip: Clip, settings: Settings) -> None:
        if settings.trained != "images" and clip.images.mask_embedding is None:
            raise InputError("this CLIP has no mask prompts to be trained: build it with a prompt depth of 1 or more")
        self.clip, self.settings = clip, settings
        clip.requires_grad_(False)
        self._trained = [(name, one) for name, one in clip.named_parameters() if self._is_trained(name)]
        for _, parameter in self._trained:
            parameter.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(self._groups(), lr=settings.rate, betas=(0.9, 0.98), eps=1e-6)

    def loss(self, batch: Batch) -> Tensor:
        """The loss of a batch."""
        masks = None if self.settings.trained == "images" else batch.masks
        images = F.normalize(self.clip.images(batch.pictures, masks), dim=-1)
        with torch.no_grad():
            texts = F.normalize(self.clip.text.texts(batch.tokens), dim=-1)
        return contrastive_loss(images, texts, self.clip.logit_scale.exp())

    def step(self, batch: Batch) -> float:
        """One step of the optimizer; returns the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(batch)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.clip.logit_scale.clamp_(0, _MOST_SCALE)
        return float(loss.detach())

    def set_rates(self, step: int, num_steps: int, *, warmup: int = 100) -> None:
        """The rates of a step, counted from 0: they grow over `warmup` steps and then fall along a cosine."""
        share = (step + 1) / warmup if step < warmup else None
        if share is None:
            share = (1 + math.cos(math.pi * (step - warmup) / max(num_steps - warmup, 1))) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = share * group["base"]

    def _is_trained(self, name: str) -> bool:
        prompts = name == "images.mask_embedding"
        wanted = {"images": not prompts, "prompts": prompts, "both": True}[self.settings.trained]
        return name == "logit_scale" or (name.startswith("images.") and wanted)

    def _groups(self) -> Iterable[dict[str, object]]:
        """Norms, biases, the scale and prompts do not decay."""
        chosen = self.settings
        plain = [one for name, one in self._trained if _is_plain(name, one) and not name.endswith("mask_embedding")]
        prompts = [one for name, one in self._trained if name.endswith("mask_embedding")]
        rest = [one for name, one in self._trained if not _is_plain(name, one) and not name.endswith("mask_embedding")]
        groups = [(plain, chosen.rate, 0.0), (rest, chosen.rate, chosen.decay), (prompts, chosen.prompt_rate, 0.0)]
        return [
            {"params": some, "lr": rate, "base": rate, "weight_decay": decay} for some, rate, decay in groups if some
        ]


def _is_plain(name: str, parameter: Tensor) -> bool:
    return parameter.ndim < 2 or "norm" in name or "bias" in name or name == "logit_scale"


def _as_tensors(pixels: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    inside = torch.from_numpy((pixels != np.array(BACKGROUND, np.uint8)).any(2))
    return (torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255 - mean) / std, inside
