"""The network of AOT and DeAOT: a frame, what is remembered and whose it was in; scores of each identity out.

What is seen of a frame (`look`) is shared by all objects. The rest runs for groups of ten objects at once, the groups
being the batch: `refer` for a frame whose objects are given, `follow` for one in which they are looked for, `decode`
for the scores. `remember` puts the decided labels into what the blocks keep of a frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.backbones.mobilenet_v2 import MobileNetV2
from singleout.nn.backbones.resnet import ResNet, ResNetConfig
from singleout.nn.backbones.swin import Swin, SwinConfig
from singleout.nn.positions import waves
from singleout.systems.aot.blocks import AOTBlock, as_map, as_tokens, joined
from singleout.systems.aot.config import AOTConfig
from singleout.systems.aot.decoder import Decoder
from singleout.systems.aot.gated_blocks import GatedBlock
from singleout.systems.aot.values import Entry, Recall, Record, Sight, Size, Streams

STRIDE = 16


class AOTNetwork(nn.Module):
    """See the module."""

    encoder: MobileNetV2 | ResNet | Swin
    identity_norm: nn.LayerNorm | None

    def __init__(self, config: AOTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        if isinstance(config.encoder, ResNetConfig):
            self.encoder = ResNet(config.encoder)
        elif isinstance(config.encoder, SwinConfig):
            self.encoder = Swin(config.encoder)
        else:
            self.encoder = MobileNetV2()
        channels = self.encoder.channels
        deepest = channels[3] if isinstance(self.encoder, MobileNetV2) else channels[2]
        self.projector = nn.Conv2d(deepest, width, 1)
        blocks = [
            GatedBlock(config, first=index == 0) if config.gated else AOTBlock(config)
            for index in range(config.num_blocks)
        ]
        self.blocks = nn.ModuleList(blocks)
        # DeAOT's statistics run over the whole frame, those of AOT over each token.
        norms = [nn.GroupNorm(2, 2 * width)] if config.gated else [nn.LayerNorm(width) for _ in blocks]
        self.norms = nn.ModuleList(norms)
        given = 2 * width if config.gated else width * (config.num_blocks + 1)
        self.decoder = Decoder(given, width, channels[:3], config.num_ids, align_corners=config.align_corners)
        padding = 8 if config.align_corners else 0
        self.identity_bank = nn.Conv2d(config.num_ids + 1, width, config.patch, STRIDE, padding)
        self.identity_norm = nn.LayerNorm(width) if config.gated else None

    def initialise(self) -> None:
        """Draw the weights that training begins with, as published; the encoder's come from elsewhere."""
        for part in (self.projector, self.blocks, self.norms, self.decoder):
            for parameter in part.parameters():
                if parameter.ndim > 1:
                    nn.init.xavier_uniform_(parameter)
        nn.init.orthogonal_(self.identity_bank.weight.view(self.config.width, -1).t(), gain=self.config.patch**-2)

    def look(self, picture: Tensor) -> Sight:
        """What is seen of a frame. picture: (1, 3, height, width), normalised; a batch of frames in training."""
        maps = self.encoder(picture[:, None])
        projected = self.projector(maps[-1])
        return Sight(
            (maps[0], maps[1], maps[2]), as_tokens(projected).float(), (projected.shape[2], projected.shape[3])
        )

    def positions(self, size: Size) -> Tensor:
        """Where each token is, (tokens, width): rows and columns counted from 0 and scaled to a whole turn."""
        device = self.projector.weight.device
        half = self.config.width // 2
        angles = [torch.arange(n, dtype=torch.float32, device=device) / (n - 1 + 1e-6) * (2 * math.pi) for n in size]
        rows, columns = (waves(angle, half) for angle in angles)
        grid = torch.cat([rows[:, None].expand(*size, half), columns[None].expand(*size, half)], dim=-1)
        return grid.flatten(0, 1)

    def identify(self, labels: Tensor) -> Tensor:
        """Whose each place is. labels: (groups, height, width) whole numbers, 0 for nobody, at the network's size.

        Numbers that are no identity count as nothing, not even as background. Returns (groups, tokens, width).
        """
        most = min(int(labels.max()), self.config.num_ids) if labels.numel() else 0
        numbers = torch.arange(most + 1, device=labels.device)
        return self.identify_shares((labels[:, None] == numbers[:, None, None]).to(self.identity_bank.weight.dtype))

    def identify_shares(self, shares: Tensor) -> Tensor:
        """The same of one map for each identity, (groups, background and identities, height, width); those after the
        last one given are nobody's."""
        bank = self.identity_bank
        kernel = bank.weight[:, : shares.shape[1]]
        tokens = as_tokens(F.conv2d(shares, kernel, bank.bias, bank.stride, bank.padding))
        return tokens if self.identity_norm is None else self.identity_norm(tokens.float())

    def refer(self, sight: Sight, position: Tensor, identity: Tensor) -> tuple[list[Streams], list[Record]]:
        """Go through a frame whose objects are given; it is its own memory. identity: of `identify`."""
        return self._run(sight, position, [None] * len(self.blocks), identity)

    def follow(self, sight: Sight, position: Tensor, recalls: Sequence[Recall]) -> tuple[list[Streams], list[Record]]:
        """Go through a frame with what each block remembers."""
        return self._run(sight, position, recalls, None)

    def _run(
        self, sight: Sight, position: Tensor, recalls: Sequence[Recall | None], identity: Tensor | None
    ) -> tuple[list[Streams], list[Record]]:
        streams = Streams(sight.tokens)
        passed, records = [], []
        for block, recall in zip(self.blocks, recalls, strict=True):
            streams, record = block(streams, sight.size, position, recall, identity)
            passed.append(streams)
            records.append(record)
        return passed, records

    def remember(self, records: Sequence[Record], identity: Tensor) -> list[Entry]:
        """What the memory keeps of a frame, for each block. identity: of `identify`."""
        return [block.remember(record, identity) for block, record in zip(self.blocks, records, strict=True)]  # type: ignore[operator]

    def told(self, sight: Sight, passed: Sequence[Streams]) -> list[Tensor]:
        """What the blocks tell the decoder: (groups, tokens, channels) each."""
        if not self.config.gated:
            return [norm(streams.picture) for norm, streams in zip(self.norms, passed, strict=True)]
        last = passed[-1]
        assert last.identity is not None
        both = as_map(torch.cat(joined(last.picture, last.identity), dim=-1), sight.size)
        return [as_tokens(self.norms[0](both.float()))]

    def decode(self, sight: Sight, passed: Sequence[Streams]) -> Tensor:
        """Scores of background and identities, (groups, num_ids + 1, h, w) at stride 4."""
        told = self.told(sight, passed)
        if not self.config.gated:
            # DeAOT's decoder sees the picture only through the shortcuts.
            told = joined(sight.tokens, *told)
        scores: Tensor = self.decoder(as_map(torch.cat(told, dim=-1), sight.size), sight.maps)
        return scores
