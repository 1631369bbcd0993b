"""The network of ReferFormer without what makes it one of several: frames and token ids in; scores, boxes, masks out.

The same query is the same object in every frame, so nothing has to be tracked (Wu et al. 2022). What knows no words is
computed once for a video, however many sentences are asked: `look`. The rest runs for all sentences together:
`forward` for everything that training and single pictures need, `answer` for the best query only.

Networks built on it say where queries start (`_targets`), what is read off the decoder (`_voices`) and what makes the
map of masks (`_build_pyramid`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.building import build_backbone, sees_time
from singleout.nn.backbones.resnet import ResNet
from singleout.nn.cross_modal_fpn import CrossModalFPN
from singleout.nn.deformable_transformer import Decoder, Encoder, Ground, focal_bias, refine, valid_ratios
from singleout.nn.dynamic_mask import count, masks_before, masks_of
from singleout.nn.mask_pyramid import MaskPyramid
from singleout.nn.mlp import MLP
from singleout.nn.positions import sine_1d, sine_2d
from singleout.nn.referring.config import ReferringConfig
from singleout.nn.referring.pieces import Piece, Whole, pieces
from singleout.nn.referring.values import MASK_STRIDE, Answers, Contrast, Predictions, Sentences, Sight
from singleout.nn.text.roberta import build_roberta, run_roberta
from singleout.nn.threads import side_by_side
from singleout.nn.vision_language import WordFusion, Words

Result = TypeVar("Result")

LEVELS = 4  # maps that encoder and decoder look at: strides 8, 16, 32, 64
FINEST = 3  # place of the level at stride 4 in the pyramid


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


@dataclass(frozen=True)
class Decoded:
    """What the decoder left.

    states, boxes: of each layer, (num_sentences, time, num_queries, …). points: centres of the references that entered
    the last layer. levels: tokens of the pyramid's levels, coarsest first, through their wordless halves.
    """

    states: list[Tensor]
    boxes: list[Tensor]
    points: Tensor
    levels: list[Tensor]


@dataclass(frozen=True)
class Voice:
    """What is read off the decoder for one layer of predictions.

    logits: (num_sentences, time, num_queries, num_classes). boxes: (..., 4). states: (..., width), from which masks are
    made up. centres: (..., 2 or more), x and y that masks are told relative to, in 0..1. contrast: see `Predictions`.
    """

    logits: Tensor
    boxes: Tensor
    states: Tensor
    centres: Tensor
    contrast: Contrast | None = None


class ReferringNetwork(nn.Module, ABC):
    """See the module. add_words: whether the fusion adds what is read of the words, or multiplies by it.

    rows_at_once: how many frames, counted for each sentence, go through at a time where no gradient is asked for and
    frames do not depend on each other. It bounds memory and keeps what is worked on in the cache.
    """

    rows_at_once: int = 1

    def __init__(self, config: ReferringConfig, *, add_words: bool = False) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.backbone = build_backbone(config.backbone)
        self.text_encoder = build_roberta(config.text)
        self.text_projection = TextProjection(config.text.width, width, config.dropout)
        channels = self.backbone.channels
        projections = [nn.Conv2d(wide, width, 1) for wide in channels[1:]]
        projections.append(nn.Conv2d(channels[-1], width, 3, stride=2, padding=1))
        self.input_projections = nn.ModuleList(nn.Sequential(conv, nn.GroupNorm(32, width)) for conv in projections)
        self.fusion = WordFusion(width, config.num_heads, add=add_words)
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
        self.pixel_decoder = self._build_pyramid([width, width, width, channels[0]])
        self._reset()

    def _build_pyramid(self, channels: Sequence[int]) -> MaskPyramid:
        """What makes the map of masks; channels: of strides 32, 16, 8 and 4."""
        config = self.config
        shape = {"hidden": config.feedforward, "num_heads": config.num_heads, "dropout": config.dropout}
        return CrossModalFPN(channels, config.width, config.mask_width, **shape)  # type: ignore[arg-type]

    @torch.no_grad()
    def _reset(self) -> None:
        """Start values of training from scratch, where they are not those of the layers themselves."""
        for part in (self.encoder, self.decoder, self.pixel_decoder.transformer_parts):
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
                nn.init.constant_(head.layers[-1].bias[2:], -2.0)  # type: ignore[index]
        for layer in self.controller.layers:
            nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def freeze(self, *, text: bool = True) -> None:
        """Keep the text tower, if so asked, and the lowest layers of a ResNet as they are in training."""
        self.text_encoder.requires_grad_(not text)
        if isinstance(self.backbone, ResNet):
            self.backbone.freeze_low()

    def look(self, frames: Tensor, padding: Tensor | None = None, keep: Sequence[int] | None = None) -> Sight:
        """See some videos.

        frames: (num_videos, time, 3, height, width), normalised. padding: (num_videos, time, height, width) bool; None
        where nothing is padded. keep: of each video the one frame that matters; the backbone still sees all.
        """
        apart = keep is None and not sees_time(self.config.backbone)
        step = max(1, self.rows_at_once // len(frames)) if apart and not torch.is_grad_enabled() else frames.shape[1]
        found = [self._look_at(part, keep) for part in frames.split(step, dim=1)]
        finest, *levels = (torch.cat(maps, dim=1) for maps in zip(*found, strict=True))
        if padding is not None and keep is not None:
            padding = _kept(padding, keep)
        paddings, positions = self._places(padding, [finest, *levels])
        hidden = paddings[0] if padding is not None else None
        finest = self.pixel_decoder.see_frames(FINEST, finest, positions[0], hidden)
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
        voices = self._voices(state, sight, sentences, every_layer=every_layer)
        masks = [Whole(len(sentences.vectors), sight.num_frames) for _ in voices]
        shape = {"channels": self.config.mask_channels, "stride": MASK_STRIDE}

        def draw(piece: Piece) -> list[Tensor]:
            maps = self._pyramid(state, sight, sentences, piece)
            maps = self.pixel_decoder.mask_features(maps).permute(0, 2, 3, 1)
            drawn = []
            for voice in voices:
                # The centre says where the mask is, but masks do not train boxes.
                centres = self._in_pixels(voice.centres.detach(), sizes)[piece.sentences, piece.frames]
                states = voice.states[piece.sentences, piece.frames]
                numbers = self.controller(states.flatten(0, 1))
                found = masks_of(maps, numbers, centres.flatten(0, 1), **shape)
                drawn.append(found.unflatten(0, states.shape[:2]))
            return drawn

        for piece, drawn in self._each_piece(draw, sight, sentences):
            for made, part in zip(masks, drawn, strict=True):
                made.put(part, piece)
        predictions = [
            Predictions(voice.logits, voice.boxes, made.tensor, state.points, voice.contrast)
            for made, voice in zip(masks, voices, strict=True)
        ]
        return replace(predictions[-1], earlier=predictions[:-1])

    def answer(
        self, sight: Sight, sentences: Sentences, sizes: Sequence[tuple[int, int]], *, corrected: bool = False
    ) -> Answers:
        """The query of highest mean score for each sentence and its masks; the masks of the others are never made.

        corrected: without the slips of the published evaluation, where it has some. Else as in `forward`.
        """
        state = self._decode(sight, sentences)
        (voice,) = self._voices(state, sight, sentences, every_layer=False, corrected=corrected)
        scores = voice.logits.sigmoid().mean(1).amax(-1)
        query = scores.argmax(-1)
        rows = torch.arange(len(query), device=query.device)
        numbers = self.controller(voice.states[rows, :, query])
        centres = self._in_pixels(voice.centres[rows, :, query][:, :, None], sizes)[:, :, 0]
        masks = Whole(len(query), sight.num_frames)

        def draw(piece: Piece) -> Tensor:
            here = (piece.sentences, piece.frames)
            made = masks_before(
                self._pyramid(state, sight, sentences, piece),
                self.pixel_decoder.mask_features,
                numbers[here].flatten(0, 1),
                centres[here].flatten(0, 1),
                channels=self.config.mask_channels,
                stride=MASK_STRIDE,
            )
            drawn: Tensor = made.unflatten(0, numbers[here].shape[:2])
            return drawn

        for piece, made in self._each_piece(draw, sight, sentences):
            masks.put(made, piece)
        return Answers(scores, query, masks.tensor, voice.logits, voice.boxes, state.points)

    @abstractmethod
    def _targets(self, sight: Sight, sentences: Sentences) -> Tensor:
        """What the queries of each sentence are before the decoder, (num_sentences, width)."""

    @abstractmethod
    def _voices(
        self, state: Decoded, sight: Sight, sentences: Sentences, *, every_layer: bool, corrected: bool = False
    ) -> list[Voice]:
        """What is predicted from: of every layer as in training, the last one last, or only what is evaluated."""

    def _each_piece(
        self, run: Callable[[Piece], Result], sight: Sight, sentences: Sentences
    ) -> Iterator[tuple[Piece, Result]]:
        at_once = None if torch.is_grad_enabled() else self.rows_at_once
        parts = list(pieces(len(sentences.vectors), sight.num_frames, at_once))
        return zip(parts, side_by_side(run, parts, sight.finest.device), strict=True)

    def _look_at(self, frames: Tensor, keep: Sequence[int] | None) -> list[Tensor]:
        """Finest map, through its lateral convolution, and levels, each (num_videos, time, h, w, width)."""
        maps = [found.unflatten(0, frames.shape[:2]) for found in self.backbone(frames)]
        if keep is not None:
            maps = [_kept(found, keep) for found in maps]
        levels = [
            projection(found.flatten(0, 1)).permute(0, 2, 3, 1).unflatten(0, found.shape[:2])
            for projection, found in zip(self.input_projections, [*maps[1:], maps[3]], strict=True)
        ]
        return [self.pixel_decoder.lateral(FINEST, maps[0].permute(0, 1, 3, 4, 2)), *levels]

    def _decode(self, sight: Sight, sentences: Sentences) -> Decoded:
        targets = self._targets(sight, sentences)
        count, layers = len(targets), self.config.decoder_layers
        # One place for each result: parts that are put together afterwards would take twice the memory.
        wholes = [Whole(count, sight.num_frames) for _ in range(2 * layers + LEVELS)]
        ground = None if sight.padded else self._ground(sight)

        def decode(piece: Piece) -> list[Tensor]:
            words = sentences.words.part(piece.sentences)
            return self._decode_part(sight.part(piece), words, targets[piece.sentences], ground)

        for piece, found in self._each_piece(decode, sight, sentences):
            for whole, part in zip(wholes, found, strict=True):
                whole.put(part, piece)
        tensors = [whole.tensor for whole in wholes]
        states, boxes, (points, *laterals) = tensors[:layers], tensors[layers : 2 * layers], tensors[2 * layers :]
        levels = []
        for index, tokens in enumerate(laterals):
            place = FINEST - index
            hidden = sight.paddings[place] if sight.padded else None
            levels.append(self.pixel_decoder.see_frames(index, tokens, sight.positions[place], hidden))
        return Decoded(states, boxes, points, levels)

    def _decode_part(self, sight: Sight, words: Words, targets: Tensor, ground: Ground | None) -> list[Tensor]:
        """Encoder and decoder for what fits in at once: states, boxes, points and laterals of the pyramid.

        ground: that of all pictures, where none is padded.
        """
        frames = sight.num_frames
        fused = [self.fusion(level.flatten(1, 3), words).unflatten(1, level.shape[1:4]) for level in sight.levels]
        shapes = [(level.shape[2], level.shape[3]) for level in fused]
        tokens = torch.cat([level.flatten(0, 1).flatten(1, 2) for level in fused], dim=1)
        padding = None
        if sight.padded:
            padding = torch.cat([level.flatten(0, 1).flatten(1) for level in sight.paddings[1:]], dim=1)
            padding = padding.repeat(len(tokens) // len(padding), 1)
        ground = self._ground(sight, len(tokens)) if ground is None else ground
        memory = self.encoder(tokens, ground, padding)

        queries = self.query_positions.weight.expand(len(memory), -1, -1)
        target = targets.repeat_interleave(frames, dim=0)[:, None].expand_as(queries)
        start = self.first_reference(queries).sigmoid()
        states, references = self.decoder(
            target,
            queries,
            start,
            memory=memory,
            ratios=ground.ratios,
            shapes=shapes,
            padding=padding,
            box_heads=list(self.box_heads),
        )
        entering = [start, *references[:-1]]
        boxes = [
            refine(head(state), before) for head, state, before in zip(self.box_heads, states, entering, strict=True)
        ]
        parts = memory.split([height * width for height, width in shapes], dim=1)
        split = (-1, frames)
        laterals = [
            self.pixel_decoder.lateral(index, parts[level].unflatten(1, shapes[level]).unflatten(0, split))
            for index, level in enumerate((2, 1, 0))
        ]
        return [*(x.unflatten(0, split) for x in (*states, *boxes, entering[-1][..., :2])), *laterals]

    def _pyramid(self, state: Decoded, sight: Sight, sentences: Sentences, piece: Piece) -> Tensor:
        """The pyramid's last map for a piece, (num_sentences * frames, width, h, w)."""
        here = sight.part(piece)
        levels = [*(level[piece.sentences, piece.frames] for level in state.levels), here.finest]
        words = sentences.words.part(piece.sentences)
        last: Tensor = self.pixel_decoder(levels, [here.positions[level] for level in (3, 2, 1, 0)], words)
        return last

    @staticmethod
    def _in_pixels(centres: Tensor, sizes: Sequence[tuple[int, int]]) -> Tensor:
        """The same in pixels, x first. centres: (num_sentences, time, num_queries, 2 or more)."""
        scale = centres.new_tensor([(width, height) for height, width in sizes])
        return centres[..., :2] * scale[:, None, None]

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

    def _ground(self, sight: Sight, batch: int = 1) -> Ground:
        """Positions with the levels' own vectors and the like for the encoder.

        batch: how many pictures there are, where some are padded.
        """
        hidden = [level.flatten(0, 1) for level in sight.paddings[1:]]
        positions = torch.cat(
            [
                places.flatten(0, 1).flatten(1, 2) + vector
                for places, vector in zip(sight.positions[1:], self.level_embedding, strict=True)
            ],
            dim=1,
        )
        times, ratios = max(batch // len(positions), 1), valid_ratios(hidden)
        shapes = [(level.shape[1], level.shape[2]) for level in hidden]
        return self.encoder.ground(positions.repeat(times, 1, 1), ratios.repeat(times, 1, 1), shapes)


def _kept(x: Tensor, keep: Sequence[int]) -> Tensor:
    """The one frame of each video that matters. x: (num_videos, time, …), to (num_videos, 1, …)."""
    return x[torch.arange(len(x), device=x.device), torch.as_tensor(keep, device=x.device)][:, None]
