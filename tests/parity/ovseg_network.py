"""OVSeg filled by the rule of the goldens, with words of its own text tower."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tests.parity.goldens import CannotReplayError, Context
from tests.parity.text_towers import tokenizer
from tests.parity.weights import draw, input_tensor
from torch import Tensor

from singleout.nn.clip_towers import Clip, clip_rules, find_clip
from singleout.nn.loading import load_network as load
from singleout.nn.naming import rename
from singleout.nn.text.words import OVSEG, ClipWords
from singleout.systems.ovseg.checkpoint import convert_names, load_network
from singleout.systems.ovseg.network import OVSegNetwork
from singleout.systems.ovseg.system import SYSTEM

PART = "ovseg"
QUERIES = "sem_seg_head.predictor.query_embed.weight"
VARIANT_OF = {"swinB_vitL": "swin-b", "R101c_vitB": "r101c"}
MANIFEST_OF = {"ViT-B/16": "keys-clip-vit-b16-mpt.json", "ViT-L/14": "keys-clip-vit-l14-mpt.json"}


def variant_of(config: str) -> str:
    """Our variant of an official configuration's file name."""
    found = re.fullmatch(r"ovseg_(\w+?)_bs32_120k\.yaml", config)
    if found is None or found[1] not in VARIANT_OF:
        raise CannotReplayError(f"unknown configuration {config}")
    return VARIANT_OF[found[1]]


@lru_cache(maxsize=1)
def network_of(variant: str, manifest: Path, salt: str, num_queries: int | None = None) -> OVSegNetwork:
    """The network of a variant with its weights; num_queries: where a golden has another number of them."""
    listing = json.loads(manifest.read_text(encoding="utf-8"))
    shapes: dict[str, Sequence[int]] = dict(listing["keys"])
    if num_queries is not None:
        shapes[QUERIES] = [num_queries, shapes[QUERIES][1]]
    state = {name: draw(name, shape, salt) for name, shape in shapes.items()}
    sizes = {name: tuple(shape) for name, shape in shapes.items()}
    with torch.device("meta"):
        empty = SYSTEM.build(variant, SYSTEM.configure(variant, sizes))
    assert isinstance(empty, OVSegNetwork)
    return load_network(empty.config, convert_names(state).state)


@lru_cache(maxsize=1)
def clip_of(manifest: Path, salt: str, prefix: str = "") -> Clip:
    """CLIP alone with its weights, of which the names that they are drawn from begin with a prefix."""
    listing = json.loads(manifest.read_text(encoding="utf-8"))
    return clip_from({name: draw(prefix + name, shape, salt) for name, shape in listing["keys"].items()})


def clip_from(state: Mapping[str, Tensor]) -> Clip:
    """CLIP of these official weights."""
    size = find_clip({name: tuple(tensor.shape) for name, tensor in state.items()})
    if size is None:
        raise CannotReplayError("there is no CLIP with two transformers")
    return load(lambda: Clip(size), rename(state, clip_rules()).state, called="CLIP")


def words_of(clip: Clip) -> ClipWords:
    """Its text tower, asked as OVSeg asks."""
    return ClipWords(clip.text, tokenizer(), OVSEG)


def drawn(formula: str, salt: str, named: Mapping[str, str] | None = None) -> Tensor:
    """What a formula says, such as ``input_tensor('key',(2,3),salt)*3`` or ``input_tensor('key'+n,(2,3))*3``."""
    pattern = r"input_tensor\('([\w.-]+)'(?:\+(\w+))?,\(([\d,]+)\)(?:,salt(?:='([^']*)')?)?\)(?:\*([\d.]+))?"
    found = re.search(pattern, formula)
    if found is None:
        raise CannotReplayError(f"unknown formula {formula!r}")
    key = found[1] + (named or {}).get(found[2] or "", "")
    sizes = [int(size) for size in found[3].split(",")]
    return input_tensor(key, sizes, salt if found[4] is None else found[4]) * float(found[5] or 1)


def picture_of(text: str, context: Context) -> tuple[str, str]:
    """Sequence and file of a frame as specs name it: ``DAVIS 480p dog/00010.jpg …``."""
    found = re.match(r"DAVIS 480p ([\w-]+)/(\d+\.(?:jpg|png))", text)
    if found is None:
        raise CannotReplayError(f"unknown picture {text!r}")
    return found[1], found[2]


def manifest_of(model: str, golden: Path, context: Context) -> Path:
    """The key manifest of a CLIP by its official name."""
    if model not in MANIFEST_OF:
        raise CannotReplayError(f"unknown CLIP {model}")
    return context.side_file(golden, PART, MANIFEST_OF[model])


def texts(words: ClipWords, given: Sequence[str]) -> tuple[Any, Tensor]:
    """Token ids, padded with zeros to the tower's length, and the vectors of texts as they are."""
    ids = words.tokens(given)
    padded = torch.zeros(len(ids), words.tower.size.context, dtype=torch.int16)
    for row, one in enumerate(ids):
        padded[row, : len(one)] = torch.tensor(one)
    with torch.no_grad():
        return padded.numpy(), words.tower.texts(ids)
