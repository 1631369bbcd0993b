"""The image tower of CLIP (Radford et al. 2021), with the mask prompts of OVSeg (Liang et al. 2023).

Mask prompts say what of a region's picture is not the region: tokens of patches that hold nothing of it are replaced by
learned ones, before the first block and behind some more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.clip import ClipBlock
from singleout.nn.linear import is_fast, linear

Shape = Sequence[int]
#: Mean and spread of each channel, 0 to 1, of the pictures that CLIP was trained with.
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
_WIDTH_OF_A_HEAD = 64


@dataclass(frozen=True)
class ClipImageSize:
    """Shape of the tower; the default is that of ViT-B/16."""

    width: int = 768  #: of tokens
    num_layers: int = 12
    out_width: int = 512  #: of the space that pictures share with texts
    patch: int = 16  #: height and width of a patch in pixels
    grid: int = 14  #: rows and columns of patches
    prompt_depth: int = 3  #: layers of mask prompts, 0 for a tower without them

    @property
    def num_heads(self) -> int:
        """Heads of attention; every published tower has 64 numbers in each."""
        return max(self.width // _WIDTH_OF_A_HEAD, 1)

    @property
    def side(self) -> int:
        """Height and width of its pictures in pixels."""
        return self.patch * self.grid


def find_size(shapes: Mapping[str, Shape], prefix: str = "visual.") -> ClipImageSize | None:
    """The size of the tower behind a prefix of official names, None where there is no transformer for pictures.

    A file without mask prompts gives prompt_depth 0.
    """
    kernel, places = shapes.get(f"{prefix}conv1.weight", ()), shapes.get(f"{prefix}positional_embedding", ())
    projection = shapes.get(f"{prefix}proj", ())
    if len(kernel) != 4 or len(places) != 2 or len(projection) != 2:
        return None
    start = f"{prefix}transformer.resblocks."
    layers = {name.removeprefix(start).split(".")[0] for name in shapes if name.startswith(start)}
    depth = shapes.get(f"{prefix}mask_embedding", (0,))[0]
    grid = round((places[0] - 1) ** 0.5)
    return ClipImageSize(kernel[0], len(layers), projection[1], kernel[2], grid, depth)


class ClipImageTower(nn.Module):
    """Pictures to vectors in the space of texts."""

    mask_embedding: nn.Parameter | None

    def __init__(self, size: ClipImageSize) -> None:
        super().__init__()
        self.size = size
        width, patches = size.width, size.grid**2
        self.patches = nn.Parameter(width**-0.5 * torch.randn(width, 3, size.patch, size.patch))
        self.class_token = nn.Parameter(width**-0.5 * torch.randn(width))
        self.positions = nn.Parameter(width**-0.5 * torch.randn(patches + 1, width))
        # The published initial values of prompts that are to be trained.
        prompts = 0.02 * torch.randn(size.prompt_depth, patches, width) if size.prompt_depth else None
        self.mask_embedding = None if prompts is None else nn.Parameter(prompts)
        self.norm_before = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(ClipBlock(width, size.num_heads) for _ in range(size.num_layers))
        self.norm_after = nn.LayerNorm(width)
        self.projection = nn.Parameter(width**-0.5 * torch.randn(width, size.out_width))

    def forward(self, pictures: Tensor, masks: Tensor | None = None) -> Tensor:
        """The vector of each picture, (n, out_width), not of length 1.

        pictures: (n, 3, side, side), normalised by `MEAN` and `STD`. masks: (n, side, side) bool, what of each is the
        region; None leaves all tokens as they are. Masks for a tower without prompts are a ValueError.
        """
        background = None if masks is None else ~self.kept_patches(masks)
        x = self.start(pictures, background)
        begin = 0
        if background is not None and is_fast(x):
            begin = min(self.size.prompt_depth, len(self.blocks)) - 1
            x = self._begun(x, background, begin)
        *blocks, last = self.blocks
        for index, block in enumerate(blocks[begin:], begin):
            x = self.replaced(block(x), background, index + 1)
        assert isinstance(last, ClipBlock)
        # Only the class token is read behind the last block.
        found: Tensor = self.norm_after(last.first_of(x)) @ self.projection
        return found

    def kept_patches(self, masks: Tensor) -> Tensor:
        """Patches with a pixel of the region, (n, patches) bool; masks: (n, side, side) bool."""
        return F.max_pool2d(masks[:, None].float(), self.size.patch).flatten(1) > 0

    def start(self, pictures: Tensor, background: Tensor | None = None) -> Tensor:
        """Tokens before the first block, (n, 1 + patches, width), the class token first.

        background: (n, patches) bool, the patches that prompts replace.
        """
        side, grid = self.size.patch, self.size.grid
        if pictures.shape[1:] != (3, self.size.side, self.size.side):
            raise ValueError(f"expected pictures (n, 3, {self.size.side}, {self.size.side}), got {pictures.shape}")
        # Patches do not overlap, so that the convolution is a product.
        cut = pictures.view(-1, 3, grid, side, grid, side).permute(0, 2, 4, 1, 3, 5).reshape(-1, grid**2, 3 * side**2)
        tokens = linear(cut, self.patches.flatten(1)) + self.positions[1:] if background is None else None
        if tokens is None:
            assert background is not None
            tokens = self._overwritten(linear(cut, self.patches.flatten(1)), background, 0) + self.positions[1:]
        first = (self.class_token + self.positions[0]).expand(len(tokens), 1, -1)
        out: Tensor = self.norm_before(torch.cat([first, tokens], dim=1))
        return out

    def replaced(self, x: Tensor, background: Tensor | None, depth: int) -> Tensor:
        """Tokens with the prompts of a depth in place of background, (n, 1 + patches, width).

        The class token stays as it is; beyond the last depth all do.
        """
        if background is None or depth >= self.size.prompt_depth:
            return x
        return torch.cat([x[:, :1], self._overwritten(x[:, 1:], background, depth)], dim=1)

    def _begun(self, x: Tensor, background: Tensor, count: int) -> Tensor:
        """Tokens behind so many blocks, with prompts behind each of them; x: tokens before the first one.

        What stands in place of background is the same in all pictures, and what becomes of it is overwritten until
        there: only the other tokens go through these blocks.
        """
        assert self.mask_embedding is not None
        kept = F.pad(~background, (1, 0), value=True)
        places = kept.flatten().nonzero()[:, 0]
        tokens = x.flatten(0, 1)[places]
        rest = self.norm_before(self.mask_embedding[0] + self.positions[1:])
        for block, after in zip(self.blocks[:count], self.mask_embedding[1 : count + 1], strict=True):
            assert isinstance(block, ClipBlock)
            # No place of a class token is left over, so that nothing has to stand there.
            tokens = block.some_of(tokens, places, F.pad(rest, (0, 0, 1, 0)), len(x))
            rest = after
        return F.pad(rest, (0, 0, 1, 0)).repeat(len(x), 1).index_copy_(0, places, tokens).view(x.shape)

    def _overwritten(self, tokens: Tensor, background: Tensor, depth: int) -> Tensor:
        if self.mask_embedding is None:
            raise ValueError("this tower has no mask prompts: call it without masks")
        return torch.where(background[..., None], self.mask_embedding[depth], tokens)
