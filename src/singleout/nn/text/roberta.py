"""RoBERTa (Liu et al. 2019) from `transformers` as a text tower: words and sentences to vectors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class RobertaSize:
    """Shape of the tower; the default is roberta-base."""

    vocabulary: int = 50265  #: tokens
    width: int = 768  #: of its vectors
    num_layers: int = 12
    num_heads: int = 12
    hidden: int = 3072  #: width of the feed-forward parts
    positions: int = 514  #: longest text plus two
    pad_id: int = 1  #: token that fills up short texts


def build_roberta(size: RobertaSize) -> nn.Module:
    """The tower of this shape with a pooler, with random weights."""
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.num_layers,
        num_attention_heads=size.num_heads,
        intermediate_size=size.hidden,
        max_position_embeddings=size.positions,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=size.pad_id,
        bos_token_id=0,
        eos_token_id=2,
    )
    tower: nn.Module = RobertaModel(config, add_pooling_layer=True)
    return tower


def fill_buffers(tower: nn.Module) -> None:
    """Give the tower its counting buffers where it was built without memory (on torch's meta device)."""
    for module in tower.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_meta:
                ready = torch.zeros(buffer.shape, dtype=buffer.dtype, device="cpu")
                if name == "position_ids":
                    ready = torch.arange(buffer.shape[-1], device="cpu").expand(buffer.shape).clone()
                module.register_buffer(name, ready, persistent=name not in module._non_persistent_buffers_set)


def run_roberta(tower: nn.Module, token_ids: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors of words (num_texts, length, width) and of texts (num_texts, width, through the pooler).

    token_ids: (num_texts, length) int64. padding: (num_texts, length) bool.
    """
    out = tower(input_ids=token_ids, attention_mask=(~padding).long())
    words: Tensor = out.last_hidden_state
    texts: Tensor = out.pooler_output
    return words, texts
