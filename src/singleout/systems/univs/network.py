"""The network of UniVS (Li et al. 2024, "Unified Video Segmentation with Prompts as Queries"): frames and prompts in,
masks, scores and embeddings out.

What is seen of a frame depends on that frame alone: `encode`. Clips overlap, so whoever goes along a video keeps it and
gives it to `decode` for every clip that the frame is part of.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from singleout.nn.backbones.building import build_backbone
from singleout.nn.mask2former.decoder import resized
from singleout.nn.mask2former.pixel_decoder import PixelDecoder
from singleout.nn.threads import side_by_side
from singleout.systems.univs.config import UniVSConfig
from singleout.systems.univs.decoder import ClipDecoder
from singleout.systems.univs.values import Decoded, DensePrompts, FrameFeatures, Prompts, SelfAttention
from singleout.systems.univs.word_prompts import WordEncoder

STRIDE = 32  # height and width of frames are multiples of it


class UniVSNetwork(nn.Module):
    """See the module.

    keep_keys: whether features hold what the decoder's layers make of them, which clips that share a frame share then;
    it takes about as much memory again as the frame did.
    """

    keep_keys: bool = True

    def __init__(self, config: UniVSConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.backbone = build_backbone(config.backbone)
        self.pixel_decoder = PixelDecoder(
            self.backbone.channels,
            width,
            mask_width=width,
            num_layers=config.encoder_layers,
            hidden=config.encoder_hidden,
            num_heads=config.num_heads,
            num_points=config.num_points,
        )
        self.words = WordEncoder(config.text_width, width, config.num_heads)
        self.decoder = ClipDecoder(config)
        # What tells queries of the three kinds of prompts apart.
        self.category_mark = nn.Parameter(torch.randn(1, width))
        self.sentence_mark = nn.Parameter(torch.randn(1, width))
        self.visual_mark = nn.Parameter(torch.randn(1, width))

    def encode(self, frames: Tensor) -> list[FrameFeatures]:
        """What is seen of each frame; frames: (num_frames, 3, height, width), normalised, multiples of 32.

        Without gradients, frames go through one by one, which keeps what is worked on in the cache; on a CPU several
        of them side by side.
        """
        if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[2] % STRIDE or frames.shape[3] % STRIDE:
            raise ValueError(f"expected frames (n, 3, multiples of {STRIDE}), got {tuple(frames.shape)}")
        if torch.is_grad_enabled():
            return self._see(frames)
        return [found for (found,) in side_by_side(self._see, frames.split(1), frames.device)]

    def decode(
        self,
        features: Sequence[FrameFeatures],
        prompts: Prompts | None = None,
        names: Tensor | None = None,
        *,
        attention: SelfAttention = "sep",
        learnable: bool = True,
        every_head: bool = False,
        shuffles: Sequence[Tensor] | None = None,
    ) -> Decoded:
        """What the queries find in a clip of these frames.

        names: embeddings of category names to be scored, (num_names, text width), no more than are read; sentences are
        scored instead where they are the prompts. attention: see `SelfAttention`; for sentences it is ``sep-blocked``.
        learnable: without the learnable queries, which are most of the work, prompts find the same, except where they
        look at them, which is a ValueError. every_head: what is read before and after each layer, for losses. shuffles:
        for training, a permutation of the frames for each head, by which masks change frames.
        """
        if prompts is not None and not len(prompts.queries):
            prompts = None
        if not learnable and (prompts is None or prompts.sentences is not None or attention in ("none", "sep-l2p")):
            raise ValueError("learnable queries can be left out only where prompts do not look at them")
        return self.decoder(  # type: ignore[no-any-return]
            features,
            prompts,
            names,
            attention=attention,
            learnable=learnable,
            every_head=every_head,
            shuffles=shuffles,
        )

    def visual_prompts(
        self, recent: Sequence[DensePrompts], seen: DensePrompts, *, by_features: bool = False
    ) -> Prompts:
        """Objects as prompts of a clip.

        recent: for each frame of the clip, the points from which the query of that frame is made. seen: all points that
        queries may look at, in all frames the same. by_features: queries have features as their positions, which
        training does half of the time.
        """
        features = torch.stack([mean_of_points(frame.features) for frame in recent], dim=1)
        positions = torch.stack([mean_of_points(frame.positions) for frame in recent], dim=1)
        return Prompts(
            features + self.visual_mark,
            features if by_features else positions,
            seen.features[:, None],
            seen.positions[:, None],
        )

    def category_prompts(self, features: Sequence[FrameFeatures], names: Tensor, *, look: bool = True) -> Prompts:
        """Category names as prompts of a clip; names: (num_names, text width). look: of `WordEncoder`."""
        found = self.words(features, names, look=look)
        return Prompts(found + self.category_mark, found, found[:, :, None])

    def sentence_prompts(
        self, features: Sequence[FrameFeatures], sentences: Tensor, words: Tensor, *, look: bool = True
    ) -> Prompts:
        """Sentences as prompts of a clip; words that fill up a sentence are looked at as well, as in training.

        sentences: (num_sentences, text width). words: (num_sentences, num_words, text width). look: of `WordEncoder`.
        """
        tokens = torch.cat([sentences[:, None], words], dim=1)
        found = self.words(features, tokens.flatten(0, 1), look=look).unflatten(0, tokens.shape[:2])
        whole = found[:, 0]
        return Prompts(whole + self.sentence_mark, whole, found.transpose(1, 2), sentences=sentences)

    def _see(self, frames: Tensor) -> list[FrameFeatures]:
        maps = self.pixel_decoder(self.backbone(frames[None]))
        marked = [level + mark for level, mark in zip(maps.levels, self.decoder.level_embedding, strict=True)]
        return [self._features(levels, finest) for *levels, finest in zip(*marked, maps.finest, strict=True)]

    def _features(self, levels: Sequence[Tensor], finest: Tensor) -> FrameFeatures:
        keys = self.decoder.keys(levels) if self.keep_keys and not torch.is_grad_enabled() else ()
        return FrameFeatures(tuple(levels), finest, tuple(resized(finest, levels)), keys)  # type: ignore[arg-type]


def mean_of_points(points: Tensor) -> Tensor:
    """The mean of the points that are not zero: (num_objects, num_points, width) to (num_objects, width)."""
    count = (points != 0).any(-1).sum(-1, keepdim=True)
    return points.sum(1) / count.clamp(min=1)
