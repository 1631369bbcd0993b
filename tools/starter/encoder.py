"""The sentence encoder that the starter's words are distilled from, run by transformers; for building only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer


class SentenceEncoder:
    """all-MiniLM-L6-v2: the mean of the last layer over the tokens, unit length (Reimers and Gurevych 2019)."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.network = AutoModel.from_pretrained(str(folder)).eval()

    def encode(self, texts: Sequence[str], batch: int = 256) -> npt.NDArray[np.float32]:
        """(len(texts), 384) unit vectors."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors = np.zeros((len(texts), 384), np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), batch):
                chosen = order[start : start + batch]
                tokens = self.tokenizer([texts[index] for index in chosen], padding=True, return_tensors="pt")
                hidden = self.network(**tokens).last_hidden_state
                mask = tokens["attention_mask"][..., None].to(hidden.dtype)
                mean = (hidden * mask).sum(1) / mask.sum(1)
                vectors[chosen] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors
