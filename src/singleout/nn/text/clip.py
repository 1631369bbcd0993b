"""The text tower of CLIP (Radford et al. 2021) in every published size: OpenAI's, RegionCLIP's, OVSeg's.

Our own rather than transformers': its names of tensors stay as they are whatever version of that is installed, the
blocks serve CLIP's image tower too, and what many texts begin with is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor, nn

from singleout.errors import InputError
from singleout.nn.clip import ClipBlock
from singleout.nn.naming import Conversion, Rule, rename

Shape = Sequence[int]
_BLOCK = "transformer.resblocks.0.attn.in_proj_weight"
_WIDTH_OF_A_HEAD = 64
# Official names, behind the prefix that the tower has in a file, and ours.
RULES: tuple[Rule, ...] = (
    (r"token_embedding\.weight$", "tokens.weight"),
    (r"positional_embedding$", "positions"),
    (r"transformer\.resblocks\.(\d+)\.ln_1\.", r"blocks.\1.norm1."),
    (r"transformer\.resblocks\.(\d+)\.attn\.", r"blocks.\1.attention."),
    (r"transformer\.resblocks\.(\d+)\.ln_2\.", r"blocks.\1.norm2."),
    (r"transformer\.resblocks\.(\d+)\.mlp\.c_fc\.", r"blocks.\1.first."),
    (r"transformer\.resblocks\.(\d+)\.mlp\.c_proj\.", r"blocks.\1.second."),
    (r"ln_final\.", "norm."),
    (r"text_projection$", "projection"),
)
# In files of a whole CLIP: the image tower, temperatures, and numbers that OpenAI's archives state beside the weights.
_OTHERS = (r"visual\.", r"logit_scale$", r"input_resolution$", r"context_length$", r"vocab_size$")
# Where a tower stands in a file: alone, as RegionCLIP's language encoder, inside of OVSeg.
_PREFIXES = ("", "lang_encoder.", "clip_adapter.clip_model.")


@dataclass(frozen=True)
class ClipTextSize:
    """Shape of the tower; the default is that of RN50x4, which UniVS reads words with."""

    width: int = 640  #: of its vectors
    num_layers: int = 12
    out_width: int = 640  #: of the space that it shares with pictures
    context: int = 77  #: longest text in tokens
    vocabulary: int = 49408  #: tokens

    @property
    def num_heads(self) -> int:
        """Heads of attention; every published tower has 64 numbers in each."""
        return max(self.width // _WIDTH_OF_A_HEAD, 1)


def find_tower(shapes: Mapping[str, Shape]) -> tuple[str, ClipTextSize] | None:
    """The prefix and size of the text tower in a file of these official names and shapes, None where it has none."""
    for prefix in _PREFIXES:
        own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        needed = ("token_embedding.weight", "positional_embedding", "text_projection", _BLOCK)
        if all(len(own.get(name, ())) == 2 for name in needed):
            layers = {name.split(".")[2] for name in own if name.startswith("transformer.resblocks.")}
            vocabulary, width = own["token_embedding.weight"]
            context, out_width = own["positional_embedding"][0], own["text_projection"][1]
            return prefix, ClipTextSize(width, len(layers), out_width, context, vocabulary)
    return None


def convert_names(state: Mapping[str, Tensor], prefix: str = "") -> Conversion:
    """Official names of a tower, or of a whole model that has it behind `prefix`, to ours.

    What else a whole model holds is ignored.
    """
    inside = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    outside = tuple(name for name in state if not name.startswith(prefix))
    converted = rename(inside, RULES, spare=_OTHERS)
    return Conversion(converted.state, (*(f"{prefix}{name}" for name in converted.ignored), *outside))


class ClipTextTower(nn.Module):
    """Tokens of texts to vectors in the space of pictures. Each token sees those before it only."""

    def __init__(self, size: ClipTextSize) -> None:
        super().__init__()
        self.size = size
        self.tokens = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Parameter(0.01 * torch.randn(size.context, size.width))
        self.blocks = nn.ModuleList(ClipBlock(size.width, size.num_heads) for _ in range(size.num_layers))
        self.norm = nn.LayerNorm(size.width)
        self.projection = nn.Parameter(size.width**-0.5 * torch.randn(size.width, size.out_width))

    def forward(self, token_ids: Tensor) -> Tensor:
        """The vector of every token, (num_texts, length, out_width). token_ids: (num_texts, length) int64."""
        return self._states(token_ids, 0) @ self.projection

    def texts(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        """The vector of each text, (num_texts, out_width): that of its token with the highest number.

        It is the one that ends a text, where that was not cut off. What all the texts begin with is computed once.
        Raises InputError for a text without tokens, or with more than the tower has places.
        """
        ends = [list(ids[: _place_of_highest(ids) + 1]) for ids in token_ids]
        if max(map(len, ends)) > self.size.context:
            raise InputError(f"a text of more than {self.size.context} tokens: shorten it")
        # The last token of the shortest has to be looked at.
        shortest = min(map(len, ends)) - 1
        alike = takewhile(lambda column: len(set(column)) == 1, zip(*(ids[:shortest] for ids in ends), strict=True))
        start = sum(1 for _ in alike) if len(ends) > 1 else 0
        padded = torch.zeros(len(ends), max(map(len, ends)), dtype=torch.int64)
        for row, ids in enumerate(ends):
            padded[row, : len(ids)] = torch.as_tensor(ids)
        padded = padded.to(self.positions.device)
        places = torch.as_tensor([len(ids) - 1 - start for ids in ends], device=padded.device)
        states = self._states(padded, start)[torch.arange(len(ends), device=padded.device), places]
        return states @ self.projection

    def _states(self, token_ids: Tensor, start: int) -> Tensor:
        """States of the tokens from place `start` on, (num_texts, length - start, width); before it all are alike."""
        x = self.tokens(token_ids) + self.positions[: token_ids.shape[1]]
        ahead = torch.full((token_ids.shape[1],) * 2, -torch.inf, device=x.device).triu(1)[None]
        first, x = x[:1, :start], x[:, start:]
        for block in self.blocks:
            assert isinstance(block, ClipBlock)
            if start:
                before = block.keys(first)
                first = block(first, ahead[:, :start, :start])
                x = block(x, ahead[:, start:], before)
            else:
                x = block(x, ahead)
        states: Tensor = self.norm(x)
        return states


def _place_of_highest(ids: Sequence[int]) -> int:
    if not ids:
        raise InputError("a text without tokens: give at least one")
    return ids.index(max(ids))
