"""The network of MUTR (Yan et al. 2024): ReferFormer in which words see all frames and queries agree over time.

What is kept although it looks wrong:

- Evaluation reads the first class head and the first layer's boxes, with queries of the last layer. The official code
  runs its loop over layers once there, because the interaction over time gives one layer then. The published scores
  were made so; ``corrected`` takes head and boxes of the last layer.
- In a batch of several videos queries are mixed up: (time, video) is taken for (video, time) on the way into the
  interaction, and its results are dealt out in turn on the way back. Official training had two videos a GPU, so the
  weights come from it. Sentences about one video are never mixed; nor are videos where ``mixes_videos`` of the
  configuration is off.
"""

from __future__ import annotations

from torch import Tensor

from singleout.nn.referring.interaction import Interaction, mixed_up
from singleout.nn.referring.network import Decoded, ReferringNetwork, Voice
from singleout.nn.referring.values import Sentences, Sight
from singleout.systems.mutr.config import MutrConfig
from singleout.systems.mutr.temporal import Aggregation


class MutrNetwork(ReferringNetwork):
    """See the module. ``every_layer`` of `forward` means: as in training, with plain windows in every layer."""

    config: MutrConfig

    def __init__(self, config: MutrConfig) -> None:
        super().__init__(config, add_words=True)
        self.aggregation = Aggregation(config.width, hidden=config.feedforward, num_heads=config.num_heads)
        self.interaction = Interaction(
            config.width,
            num_frame_queries=config.num_queries,
            num_queries=config.num_queries,
            window=config.window,
            num_layers=config.interaction_layers,
            hidden=config.feedforward,
            num_heads=config.num_heads,
            dropout=config.interaction_dropout,
        )

    def _targets(self, sight: Sight, sentences: Sentences) -> Tensor:
        """The first word of each sentence, after it has seen all frames level by level."""
        state = sentences.words.features
        for level, padding in zip(sight.levels, sight.paddings[1:], strict=True):
            hidden = padding.flatten(1) if sight.padded else None
            state = self.aggregation(state, sentences.words.positions, level.flatten(1, 3), hidden)
        return state[:, 0]

    def _voices(
        self, state: Decoded, sight: Sight, sentences: Sentences, *, every_layer: bool, corrected: bool = False
    ) -> list[Voice]:
        mixed = self.config.mixes_videos and len(sight.finest) > 1
        if every_layer:
            said = [self._agree(states, mixed=mixed, shifted=False) for states in state.states]
            parts = zip(self.class_heads, state.boxes, said, strict=True)
            return [Voice(head(agreed), boxes, agreed, centres=boxes) for head, boxes, agreed in parts]
        place = -1 if corrected else 0
        agreed = self._agree(state.states[-1], mixed=mixed, shifted=True)
        boxes = state.boxes[place]
        return [Voice(self.class_heads[place](agreed), boxes, agreed, centres=boxes)]

    def _agree(self, states: Tensor, *, mixed: bool, shifted: bool) -> Tensor:
        """Queries of frames to queries of whole videos, the same in every frame: (num_videos, time, queries, width)."""
        videos, time = states.shape[:2]
        if not mixed:
            whole: Tensor = self.interaction(states, shifted=shifted)
            return whole[:, None].expand_as(states)
        agreed: Tensor = self.interaction(mixed_up(states), shifted=shifted)
        return agreed.repeat(time, 1, 1).view(videos, time, *agreed.shape[1:])
