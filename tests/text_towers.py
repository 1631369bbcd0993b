"""A text tower of CLIP's kind small enough for tests, under its official names, and a tokenizer of single letters."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from singleout.nn.loading import load_network
from singleout.nn.text.clip import ClipTextSize, ClipTextTower, convert_names
from singleout.nn.text.tokens import ClipTokenizer
from singleout.nn.text.words import UNIVS, Asking, ClipWords, Kept

LETTERS = [*map(chr, range(33, 127))]
TOKENS = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>"]
SIZE = ClipTextSize(width=64, num_layers=2, out_width=16, context=77, vocabulary=len(TOKENS))


def write_letters(folder: Path) -> Path:
    """The tokenizer's files in a folder, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(TOKENS)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nc a\nca t</w>\n", encoding="utf-8")
    return folder


def official_tower(size: ClipTextSize = SIZE, prefix: str = "", seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the names that the authors publish."""
    dice = torch.Generator().manual_seed(seed)
    width = size.width
    shapes = {
        "token_embedding.weight": (size.vocabulary, width),
        "positional_embedding": (size.context, width),
        "text_projection": (width, size.out_width),
        "ln_final.weight": (width,),
        "ln_final.bias": (width,),
    }
    for number in range(size.num_layers):
        block = f"transformer.resblocks.{number}"
        shapes |= {
            f"{block}.attn.in_proj_weight": (3 * width, width),
            f"{block}.attn.in_proj_bias": (3 * width,),
            f"{block}.attn.out_proj.weight": (width, width),
            f"{block}.attn.out_proj.bias": (width,),
            f"{block}.mlp.c_fc.weight": (4 * width, width),
            f"{block}.mlp.c_fc.bias": (4 * width,),
            f"{block}.mlp.c_proj.weight": (width, 4 * width),
            f"{block}.mlp.c_proj.bias": (width,),
        }
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}.{norm}.weight": (width,), f"{block}.{norm}.bias": (width,)}
    return {
        prefix + name: (1.0 if len(shape) == 1 and name.endswith("weight") else 0.0)
        + torch.randn(shape, generator=dice) / width**0.5
        for name, shape in shapes.items()
    }


def tiny_words(folder: Path, asking: Asking = UNIVS, *, kept: Kept | None = None, seed: int = 0) -> ClipWords:
    """The tower with its tokenizer, whose files are written into a folder."""
    tower = load_network(lambda: ClipTextTower(SIZE), convert_names(official_tower(seed=seed)).state)
    tokenizer = ClipTokenizer.find(write_letters(folder))
    assert tokenizer is not None
    return ClipWords(tower, tokenizer, asking, kept)
