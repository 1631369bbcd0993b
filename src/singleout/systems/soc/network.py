"""The network of SOC (Luo et al. 2023): queries of all frames agree on objects of the video, which the sentence starts.

What is kept although it looks wrong:

- Evaluation reads the first class, box and mask heads, with the first decoder layer's queries and what the video's
  queries made of the last layer's. The official code pairs the outputs of layers with those of the video, and in
  evaluation there is one of the latter. The published scores were made so; ``corrected`` takes the last layer
  throughout, as training does.
- In a batch of several videos (time, video) is taken for (video, time) on the way into the interaction, so that a
  video's queries see frames of the others. Training with several videos a GPU was so. Sentences about one video are
  never mixed; nor are videos where ``mixes_videos`` of the configuration is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from singleout.nn.deformable_transformer import refine
from singleout.nn.mask_pyramid import MaskPyramid, NarrowingPyramid
from singleout.nn.referring.interaction import Interaction, mixed_up
from singleout.nn.referring.network import Decoded, ReferringNetwork, Voice
from singleout.nn.referring.values import Contrast, Sentences, Sight
from singleout.nn.vision_language import WordFusion, Words
from singleout.systems.soc.config import SocConfig

_STRIDE_32 = 2  # its place among the levels


class SocNetwork(ReferringNetwork):
    """See the module. ``every_layer`` of `forward` means: as in training, the last layer last."""

    config: SocConfig

    def __init__(self, config: SocConfig) -> None:
        super().__init__(config)
        self.word_fusion = WordFusion(config.width, config.num_heads)
        self.interaction = Interaction(
            config.width,
            num_frame_queries=config.num_queries,
            num_queries=config.num_queries,
            window=None,
            num_layers=config.interaction_layers,
            hidden=config.feedforward,
            num_heads=config.num_heads,
            dropout=config.dropout,
            own_start=False,
        )

    def see_words(self, sight: Sight, sentences: Sentences) -> Tensor:
        """The mean of a sentence's words after they saw the pictures at stride 32, (num_sentences, width).

        Training draws the matched query of the video towards it (`losses`); nothing else looks at it.
        """
        words = sentences.words
        pixels = sight.levels[_STRIDE_32]
        positions = sight.positions[_STRIDE_32 + 1].expand_as(pixels)
        padding = sight.paddings[_STRIDE_32 + 1].flatten(1) if sight.padded else None
        count = len(words.features)
        shown = Words(
            pixels.flatten(1, 3).expand(count, -1, -1),
            positions.flatten(1, 3).expand(count, -1, -1),
            None if padding is None else padding.expand(count, -1),
        )
        seen: Tensor = self.word_fusion(words.features, shown)
        if words.padding is None:
            return seen.mean(1)
        real = (~words.padding)[..., None]
        return (seen * real).sum(1) / real.sum(1)

    def _build_pyramid(self, channels: Sequence[int]) -> MaskPyramid:
        return NarrowingPyramid(channels, self.config.mask_width)

    def _targets(self, sight: Sight, sentences: Sentences) -> Tensor:
        return sentences.vectors.new_zeros(sentences.vectors.shape)

    def _voices(
        self, state: Decoded, sight: Sight, sentences: Sentences, *, every_layer: bool, corrected: bool = False
    ) -> list[Voice]:
        last = len(state.states) - 1
        if not every_layer:
            agreed = self._agree(state.states[last], sight, sentences)
            return [self._voice(state, last if corrected else 0, agreed)]
        words, found = self.see_words(sight, sentences), []
        for layer in range(last + 1):
            agreed = self._agree(state.states[layer], sight, sentences)
            found.append(replace(self._voice(state, layer, agreed), contrast=Contrast(agreed, words)))
        return found

    def _agree(self, states: Tensor, sight: Sight, sentences: Sentences) -> Tensor:
        """Queries of whole videos from those of their frames, (num_sentences, num_queries, width)."""
        mixed = self.config.mixes_videos and len(sight.finest) > 1
        agreed: Tensor = self.interaction(mixed_up(states) if mixed else states, start=sentences.vectors)
        return agreed

    def _voice(self, state: Decoded, layer: int, agreed: Tensor) -> Voice:
        states = state.states[layer] + agreed[:, None]
        first = self.first_reference(self.query_positions.weight).sigmoid()
        entered = state.boxes[layer - 1].detach() if layer else first
        boxes = refine(self.box_heads[layer](states), entered)
        # Masks are told relative to the decoder's own boxes, which know nothing of the rest of the video.
        return Voice(self.class_heads[layer](states), boxes, states, centres=state.boxes[layer])
