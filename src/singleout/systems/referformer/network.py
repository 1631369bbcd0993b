"""The network of ReferFormer (Wu et al. 2022): what it adds to `ReferringNetwork`, which was made after it."""

from __future__ import annotations

from torch import Tensor

from singleout.nn.referring.config import ReferringConfig
from singleout.nn.referring.network import Decoded, ReferringNetwork, Voice
from singleout.nn.referring.values import Sentences, Sight


class ReferFormerNetwork(ReferringNetwork):
    """Pictures times words; queries start as the sentence, and every decoder layer speaks for itself."""

    def __init__(self, config: ReferringConfig) -> None:
        super().__init__(config, add_words=False)

    def _targets(self, sight: Sight, sentences: Sentences) -> Tensor:
        return sentences.vectors

    def _voices(
        self, state: Decoded, sight: Sight, sentences: Sentences, *, every_layer: bool, corrected: bool = False
    ) -> list[Voice]:
        layers = range(len(state.states))[0 if every_layer else -1 :]
        found = []
        for layer in layers:
            states, boxes = state.states[layer], state.boxes[layer]
            found.append(Voice(self.class_heads[layer](states), boxes, states, centres=boxes))
        return found
