"""CLIP whole: its towers for pictures and texts (Radford et al. 2021), and the official names of both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from singleout.nn.clip_images import ClipImageSize, ClipImageTower, find_size
from singleout.nn.naming import Rule
from singleout.nn.text.clip import RULES as TEXT_RULES
from singleout.nn.text.clip import ClipTextSize, ClipTextTower, find_tower

Shape = Sequence[int]

_BLOCK = r"transformer\.resblocks\.(\d+)\."
_IMAGE_RULES: tuple[Rule, ...] = (
    (r"visual\.conv1\.weight$", "images.patches"),
    (r"visual\.class_embedding$", "images.class_token"),
    (r"visual\.positional_embedding$", "images.positions"),
    (r"visual\.mask_embedding$", "images.mask_embedding"),
    (r"visual\.ln_pre\.", "images.norm_before."),
    (rf"visual\.{_BLOCK}ln_1\.", r"images.blocks.\1.norm1."),
    (rf"visual\.{_BLOCK}attn\.", r"images.blocks.\1.attention."),
    (rf"visual\.{_BLOCK}ln_2\.", r"images.blocks.\1.norm2."),
    (rf"visual\.{_BLOCK}mlp\.c_fc\.", r"images.blocks.\1.first."),
    (rf"visual\.{_BLOCK}mlp\.c_proj\.", r"images.blocks.\1.second."),
    (r"visual\.ln_post\.", "images.norm_after."),
    (r"visual\.proj$", "images.projection"),
)
#: Numbers that OpenAI's archives hold beside the weights.
SPARE = (r"input_resolution$", r"context_length$", r"vocab_size$")


@dataclass(frozen=True)
class ClipSize:
    """Shapes of both towers."""

    images: ClipImageSize
    text: ClipTextSize


CLIPS = {
    "vit-b-16": ClipSize(ClipImageSize(), ClipTextSize(512, 12, 512)),
    "vit-l-14": ClipSize(ClipImageSize(1024, 24, 768, 14, 16), ClipTextSize(768, 12, 768)),
}


class Clip(nn.Module):
    """Both towers, and the logarithm of the scale by which their products are trained."""

    def __init__(self, size: ClipSize) -> None:
        super().__init__()
        self.images = ClipImageTower(size.images)
        self.text = ClipTextTower(size.text)
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())


def clip_rules(prefix: str = "", to: str = "") -> tuple[Rule, ...]:
    """From official names behind a prefix to those of a `Clip` behind another."""
    start = re.escape(prefix)
    rules = [(pattern, ours) for pattern, ours in _IMAGE_RULES]
    rules += [(pattern, f"text.{ours}") for pattern, ours in TEXT_RULES]
    rules += [(r"logit_scale$", "logit_scale")]
    return tuple((f"{start}{pattern}", f"{to}{ours}") for pattern, ours in rules)


def find_clip(shapes: Mapping[str, Shape], prefix: str = "") -> ClipSize | None:
    """The sizes of the CLIP behind a prefix of official names, None where a tower is missing or not a transformer."""
    own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
    images, text = find_size(own), find_tower(own)
    return None if images is None or text is None or text[0] else ClipSize(images, text[1])
