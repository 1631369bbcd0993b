"""The network of ReferFormer: frames and token ids in; scores, boxes and masks of a few queries out (Wu et al. 2022).

The same query is the same object in every frame, so nothing has to be tracked. What knows no words is computed once for
a video, however many sentences are asked: `look`. The rest runs for all sentences together: `forward` for everything
that training and single pictures need, `answer` for the best query only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.resnet import ResNet, ResNetConfig
from singleout.nn.backbones.swin import Swin
from singleout.nn.cross_modal_fpn import CrossModalFPN
from singleout.nn.deformable_transformer import Decoder, Encoder, focal_bias, refine, valid_ratios
from singleout.nn.dynamic_mask import count, masks_before, masks_of
from singleout.nn.mlp import MLP
from singleout.nn.positions import sine_1d, sine_2d
from singleout.nn.text.roberta import build_roberta, run_roberta
from singleout.nn.vision_language import WordFusion, Words
from singleout.systems.referformer.config import ReferFormerConfig

LEVELS = 4  # maps that encoder and decoder look at: strides 8, 16, 32, 64
MASK_STRIDE = 4


@dataclass(frozen=True)
class Sight:
    """What the network sees of some videos before any word is read.

    finest: (num_videos, time, h, w, channels) at stride 4, already through the wordless half of its pyramid level.
    levels: four maps at strides 8, 16, 32 and 64, (num_videos, time, h, w, width). paddings: of finest and levels, each
    (num_videos, time, h, w) bool. positions: sine encodings of the same five, (num_videos or 1, time or 1, h, w, width).
    padded: whether anything is padded at all.
    """

    finest: Tensor
    levels: list[Tensor]
    paddings: list[Tensor]
    positions: list[Tensor]
    padded: bool

    @property
    def num_frames(self) -> int:
        """Frames of each video."""
        return self.finest.shape[1]


@dataclass(frozen=True)
class Sentences:
    """Encoded sentences. words: their word features. vectors: (num_sentences, width)."""

    words: Words
    vectors: Tensor


@dataclass(frozen=True)
class Predictions:
    """What one decoder layer says.

    logits: (num_sentences, time, num_queries, num_classes). boxes: (…, 4), centre, width and height in 0..1.
    masks: (…, h, w) logits at stride 4. points: (…, 2), where the last layer looked from, x first, in 0..1. earlier: the
    same for the decoder layers before, where asked for.
    """

    logits: Tensor
    boxes: Tensor
    masks: Tensor
    points: Tensor
    earlier: list[Predictions] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """The best query of each sentence.

    scores: (num_sentences, num_queries), averaged over time. query: (num_sentences,). masks: (num_sentences, time, h, w)
    logits at stride 4 of that query. logits, boxes and points: of all queries, as in `Predictions`.
    """

    scores: Tensor
    query: Tensor
    masks: Tensor
    logits: Tensor
    boxes: Tensor
    points: Tensor


class TextProjection(nn.Module):
    """Vectors of the text tower to the width of the rest."""

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(in_width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., in_width) to (..., width)."""
        out: Tensor = self.dropout(self.norm(self.linear(x)))
        return out


@dataclass
class _State:
    """What the decoder left: states and boxes of each layer, references before the last, and the pyramid's last map."""

    states: list[Tensor]
    boxes: list[Tensor]
    points: Tensor
    pyramid: Tensor


class ReferFormerNetwork(nn.Module):
    """See the module."""

    def __init__(self, config: ReferFormerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        backbone = config.backbone
        self.backbone: ResNet | Swin = ResNet(backbone) if isinstance(backbone, ResNetConfig) else Swin(backbone)
        self.text_encoder = build_roberta(config.text)
        self.text_projection = TextProjection(config.text.width, width, config.dropout)
        channels = self.backbone.channels
        projections = [nn.Conv2d(wide, width, 1) for wide in channels[1:]]
        projections.append(nn.Conv2d(channels[-1], width, 3, stride=2, padding=1))
        self.input_projections = nn.ModuleList(nn.Sequential(conv, nn.GroupNorm(32, width)) for conv in projections)
        self.fusion = WordFusion(width, config.num_heads)
        shape = {"hidden": config.feedforward, "num_heads": config.num_heads, "dropout": config.dropout}
        points = {"num_levels": LEVELS, "num_points": config.num_points}
        self.encoder = Encoder(width, num_layers=config.encoder_layers, **shape, **points)  # type: ignore[arg-type]
        self.decoder = Decoder(width, num_layers=config.decoder_layers, **shape, **points)  # type: ignore[arg-type]
        self.level_embedding = nn.Parameter(torch.empty(LEVELS, width))
        self.first_reference = nn.Linear(width, 2)
        self.query_positions = nn.Embedding(config.num_queries, width)
        layers = range(config.decoder_layers)
        self.class_heads = nn.ModuleList(nn.Linear(width, config.num_classes) for _ in layers)
        self.box_heads = nn.ModuleList(MLP(width, width, 4, 3) for _ in layers)
        self.controller = MLP(width, width, count(config.mask_width, config.mask_channels), 3)
        self.pixel_decoder = CrossModalFPN([width, width, width, channels[0]], width, config.mask_width, **shape)  # type: ignore[arg-type]
        self._reset()

    @torch.no_grad()
    def _reset(self) -> None:
        """Start values of training from scratch, where they are not those of the layers themselves."""
        for part in (self.encoder, self.decoder, self.pixel_decoder.blocks):
            for name, parameter in part.named_parameters():
                if parameter.ndim > 1 and name.rsplit(".", 2)[-2] not in ("sampling_offsets", "attention_weights"):
                    nn.init.xavier_uniform_(parameter)
        nn.init.xavier_uniform_(self.first_reference.weight)
        nn.init.zeros_(self.first_reference.bias)
        nn.init.normal_(self.level_embedding)
        for projection in self.input_projections:
            assert isinstance(projection, nn.Sequential)
            nn.init.xavier_uniform_(projection[0].weight)  # type: ignore[arg-type]
            nn.init.zeros_(projection[0].bias)  # type: ignore[arg-type]
        for head in self.class_heads:
            nn.init.constant_(head.bias, focal_bias())  # type: ignore[arg-type]
        for index, head in enumerate(self.box_heads):
            assert isinstance(head, MLP)
            nn.init.zeros_(head.layers[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(head.layers[-1].bias)  # type: ignore[arg-type]
            if index == 0:
                head.layers[-1].bias[2:] = -2.0  # type: ignore[index]
        for layer in self.controller.layers:
            nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def freeze(self) -> None:
        """Keep the text tower and the lowest layers of a ResNet as they are in training."""
        self.text_encoder.requires_grad_(False)
        if isinstance(self.backbone, ResNet):
            self.backbone.freeze_low()

    def look(self, frames: Tensor, padding: Tensor | None = None, keep: Sequence[int] | None = None) -> Sight:
        """See some videos.

        frames: (num_videos, time, 3, height, width), normalised. padding: (num_videos, time, height, width) bool; None
        where nothing is padded. keep: of each video the one frame that matters; the backbone still sees all.
        """
        batch, time = frames.shape[:2]
        maps = [found.unflatten(0, (batch, time)) for found in self.backbone(frames)]
        if keep is not None:
            maps = [
                torch.stack([video[index, None] for video, index in zip(found, keep, strict=True)]) for found in maps
            ]
            if padding is not None:
                padding = torch.stack([video[index, None] for video, index in zip(padding, keep, strict=True)])
            time = 1
        projected = [
            projection(found.flatten(0, 1))
            for projection, found in zip(self.input_projections, [*maps[1:], maps[3]], strict=True)
        ]
        levels = [level.permute(0, 2, 3, 1).unflatten(0, (batch, time)) for level in projected]
        finest = maps[0].permute(0, 1, 3, 4, 2)
        paddings, positions = self._places(padding, [finest, *levels])
        finest = self.pixel_decoder.level(3, finest, positions[0], paddings[0] if padding is not None else None)
        return Sight(finest, levels, paddings, positions, padding is not None)

    def read(self, token_ids: Tensor, padding: Tensor) -> Sentences:
        """Encode sentences. token_ids: (num_sentences, length) int64. padding: the same shape, bool."""
        words, vectors = run_roberta(self.text_encoder, token_ids, padding)
        hidden = padding if bool(padding.any()) else None
        positions = sine_1d(padding, self.config.width)
        return Sentences(Words(self.text_projection(words), positions, hidden), self.text_projection(vectors))

    def forward(
        self, sight: Sight, sentences: Sentences, sizes: Sequence[tuple[int, int]], *, every_layer: bool = False
    ) -> Predictions:
        """Everything that the last decoder layer, or every one, says of each sentence.

        sight: of one video, which all sentences are about, or of as many as there are sentences. sizes: height and
        width of each sight in pixels, without padding.
        """
        state = self._decode(sight, sentences)
        maps = self.pixel_decoder.mask_features(state.pyramid.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        layers = range(0 if every_layer else len(state.states) - 1, len(state.states))
        found = [self._predict(state, layer, maps, sight.num_frames, sizes) for layer in layers]
        return replace(found[-1], earlier=found[:-1])

    def answer(self, sight: Sight, sentences: Sentences, sizes: Sequence[tuple[int, int]]) -> Answers:
        """The query of highest mean score for each sentence and its masks; the masks of the others are never made.

        Arguments as in `forward`.
        """
        state, frames = self._decode(sight, sentences), sight.num_frames
        split = (-1, frames)
        logits = self.class_heads[-1](state.states[-1]).unflatten(0, split)
        scores = logits.sigmoid().mean(1).amax(-1)
        query = scores.argmax(-1)
        rows = torch.arange(len(state.pyramid), device=query.device)
        best = query.repeat_interleave(frames)
        boxes = state.boxes[-1]
        masks = masks_before(
            state.pyramid,
            self.pixel_decoder.mask_features,
            self.controller(state.states[-1][rows, best]),
            self._in_pixels(boxes[rows, best][:, None], frames, sizes)[:, 0],
            channels=self.config.mask_channels,
            stride=MASK_STRIDE,
        )
        points = state.points.unflatten(0, split)
        return Answers(scores, query, masks.unflatten(0, split), logits, boxes.unflatten(0, split), points)

    def _decode(self, sight: Sight, sentences: Sentences) -> _State:
        frames, words = sight.num_frames, sentences.words
        fused = [self.fusion(level.flatten(1, 3), words).unflatten(1, level.shape[1:4]) for level in sight.levels]
        shapes = [(level.shape[2], level.shape[3]) for level in fused]
        tokens = torch.cat([level.flatten(0, 1).flatten(1, 2) for level in fused], dim=1)
        del fused
        padding, ratios, positions = self._spread(sight, len(tokens))
        memory = self.encoder(tokens, positions, ratios, shapes, padding)
        del tokens

        queries = self.query_positions.weight.expand(len(memory), -1, -1)
        target = sentences.vectors.repeat_interleave(frames, dim=0)[:, None].expand_as(queries)
        start = self.first_reference(queries).sigmoid()
        states, references = self.decoder(target, queries, start, memory, ratios, shapes, padding, list(self.box_heads))
        entering = [start, *references[:-1]]
        boxes = [
            refine(head(state), before) for head, state, before in zip(self.box_heads, states, entering, strict=True)
        ]
        parts = memory.split([height * width for height, width in shapes], dim=1)
        levels = []
        for index, level in enumerate((2, 1, 0)):
            maps = parts[level].unflatten(1, shapes[level]).unflatten(0, (-1, frames))
            hidden = sight.paddings[level + 1] if sight.padded else None
            levels.append(self.pixel_decoder.level(index, maps, sight.positions[level + 1], hidden))
        del memory, parts
        pyramid = self.pixel_decoder([*levels, sight.finest], [sight.positions[level] for level in (3, 2, 1, 0)], words)
        return _State(states, boxes, entering[-1][..., :2], pyramid)

    def _predict(
        self, state: _State, layer: int, maps: Tensor, frames: int, sizes: Sequence[tuple[int, int]]
    ) -> Predictions:
        boxes = state.boxes[layer]
        masks = masks_of(
            maps,
            self.controller(state.states[layer]),
            # The centre says where the mask is, but masks do not train boxes.
            self._in_pixels(boxes.detach(), frames, sizes),
            channels=self.config.mask_channels,
            stride=MASK_STRIDE,
        )
        logits = self.class_heads[layer](state.states[layer])
        logits, boxes, masks, points = (x.unflatten(0, (-1, frames)) for x in (logits, boxes, masks, state.points))
        return Predictions(logits, boxes, masks, points)

    @staticmethod
    def _in_pixels(boxes: Tensor, frames: int, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """Centres of boxes in pixels, x first. boxes: (num_sentences * frames, num_queries, 4)."""
        scale = boxes.new_tensor([(width, height) for height, width in sizes])
        repeats = len(boxes) // len(scale)
        return boxes[..., :2] * scale.repeat_interleave(repeats, dim=0)[:, None]

    def _places(self, padding: Tensor | None, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Padding and positions for maps (num_videos, time, h, w, channels)."""
        paddings, positions = [], []
        for found in maps:
            if padding is None:
                hidden = torch.zeros(1, 1, *found.shape[2:4], dtype=torch.bool, device=found.device)
            else:
                hidden = F.interpolate(padding.float(), found.shape[2:4], mode="nearest").bool()
            places = sine_2d(hidden.flatten(0, 1), self.config.width).unflatten(0, hidden.shape[:2])
            paddings.append(hidden)
            positions.append(places)
        return paddings, positions

    def _spread(self, sight: Sight, batch: int) -> tuple[Tensor | None, Tensor, Tensor]:
        """Padding (batch, tokens) or None, valid ratios and positions with the levels' own vectors, for the encoder."""
        hidden = [level.flatten(0, 1) for level in sight.paddings[1:]]
        positions = torch.cat(
            [
                places.flatten(0, 1).flatten(1, 2) + vector
                for places, vector in zip(sight.positions[1:], self.level_embedding, strict=True)
            ],
            dim=1,
        )
        ratios = valid_ratios(hidden)
        if not sight.padded:
            return None, ratios, positions
        padding = torch.cat([level.flatten(1) for level in hidden], dim=1)
        if len(padding) < batch:
            times = batch // len(padding)
            padding, ratios, positions = (
                part.repeat(times, *[1] * (part.ndim - 1)) for part in (padding, ratios, positions)
            )
        return padding, ratios, positions
