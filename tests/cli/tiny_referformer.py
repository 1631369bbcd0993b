"""ReferFormer with a tiny random network and a tokenizer of letters, as a model of its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TypeVar

from tests.referformer.tiny import tiny_network

from singleout.referring.segmenter import SentenceSegmenter
from singleout.systems.referformer.inference import ReferFormer

System = TypeVar("System", bound=SentenceSegmenter)
WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", *"abcdefghijklmnopqrstuvwxyz"]


def load() -> ReferFormer:
    """The system."""
    return with_letters(ReferFormer(tiny_network(), name="tiny", tokenizer=None))


def with_letters(system: System) -> System:
    """The system with a tokenizer of letters, which is read before its folder goes."""
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = {word: place for place, word in enumerate(WORDS)}
        (Path(folder) / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
        (Path(folder) / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
        system.tokenizer = Path(folder)
        system.tokens(["a"])
    return system
