"""The decoder of UniVS: learnable queries and prompts look at the frames of a clip together (Li et al. 2024, 3.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from singleout.nn.attention import Attention
from singleout.nn.mask2former.decoder import MaskedDecoder, tokens_of
from singleout.nn.mask2former.layers import Group, Keys, hide_outside
from singleout.nn.mask2former.pixel_decoder import LEVELS
from singleout.systems.univs.config import UniVSConfig
from singleout.systems.univs.values import Decoded, FrameFeatures, Head, Prompts, SelfAttention


class PromptLayer(nn.Module):
    """The query of a prompt looks at itself and at the prompt's features, in each frame by itself."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.multihead_attn = Attention(width, num_heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, positions: Tensor | None, prompts: Prompts) -> Tensor:
        """queries, positions: (time, num_prompts, width); positions is None where the features have none."""
        owned = queries if positions is None else queries + positions
        seen = _read_few(self.multihead_attn, owned, queries, prompts.keys, prompts.features)
        out: Tensor = self.norm(queries + seen)
        return out


def _read_few(attention: Attention, owned: Tensor, values: Tensor, keys: Tensor, features: Tensor) -> Tensor:
    """Attention of single queries to themselves and to many features; what it adds to them, (time, num_prompts, width).

    owned, values: (time, num_prompts, width). keys, features: (num_prompts, time or 1, num_points, width). Projections
    go to the few queries and results instead of to the many features. What the keys' bias adds to scores is the same
    for all of them, so it is left out.
    """
    time, count, width = owned.shape
    heads = attention.num_heads
    into_keys, into_values = attention.in_proj_weight[width:].view(2, heads, -1, width)
    ask = attention.project_query(owned).permute(2, 0, 1, 3)
    asked = torch.einsum("pthd,hdw->pthw", ask * ask.shape[-1] ** -0.5, into_keys)
    own = torch.einsum("pthw,tpw->pth", asked, owned)[..., None]
    rows = asked.flatten(1, 2)[:, None] if keys.shape[1] == 1 else asked
    scores = (rows @ keys.transpose(-1, -2)).view(count, time, heads, -1)
    shares = torch.cat([own, scores], dim=-1).softmax(-1)
    told = (shares[..., 1:].reshape(*rows.shape[:-1], -1) @ features).view(count, time, heads, width)
    told = told + shares[..., :1] * values.transpose(0, 1)[:, :, None]
    out = torch.einsum("pthw,hdw->tphd", told, into_values).flatten(2) + attention.in_proj_bias[2 * width :]
    return F.linear(out, attention.out_proj.weight, attention.out_proj.bias)


class ClipDecoder(MaskedDecoder):
    """See the module."""

    def __init__(self, config: UniVSConfig) -> None:
        width = config.width
        super().__init__(
            width,
            num_queries=config.num_queries,
            num_layers=config.decoder_layers,
            hidden=config.decoder_hidden,
            num_heads=config.num_heads,
        )
        self.prompt_layers = nn.ModuleList(PromptLayer(width, config.num_heads) for _ in range(config.decoder_layers))
        self.name_head = nn.Linear(width, config.text_width)
        self.name_scale = nn.Parameter(torch.full((1, 1), math.log(1 / 0.07)))

    def keys(self, levels: Sequence[Tensor]) -> tuple[Keys, ...]:
        """Keys and values of a frame for each layer; levels: of `FrameFeatures`.

        The number of the frame is not among the positions: it would add the same to every score of a query.
        """
        seen = tokens_of(levels)
        return tuple(layer.keys(*seen[i % LEVELS]) for i, layer in enumerate(self.masked_layers()))

    def forward(
        self,
        features: Sequence[FrameFeatures],
        prompts: Prompts | None,
        names: Tensor | None,
        *,
        attention: SelfAttention = "sep",
        learnable: bool = True,
        every_head: bool = False,
        shuffles: Sequence[Tensor] | None = None,
    ) -> Decoded:
        """What the queries find in a clip; see `UniVSNetwork.decode`."""
        keys = [frame.keys or self.keys(frame.levels) for frame in features]
        num_learnable = len(self.query_features) if learnable else 0
        queries, positions = self._begin(len(features), num_learnable, prompts)
        sentences = None if prompts is None else prompts.sentences
        groups = who_sees_whom("sep-blocked" if sentences is not None else attention, num_learnable, queries.shape[1])
        read = _Reader(self, num_learnable, sentences, names, shuffles)
        heads = [read(queries, 0, named=every_head)]
        for i, layer in enumerate(self.masked_layers()):
            if prompts is not None and i > 0:
                queries = self._ask_prompts(i, queries, positions, num_learnable, prompts)
            masks = hidden_from(heads[-1].mask_embeds, features, i % LEVELS)
            queries = layer.look(queries, positions, [frame[i] for frame in keys], masks)
            queries = layer.think(layer.talk(queries, positions, groups))
            last = i + 1 == len(self.layers)
            head = read(queries, i + 1, named=every_head or last)
            heads = [*heads, head] if every_head or last else [head]
        final = heads[-1]
        return Decoded(
            final.embeds,
            final.mask_embeds,
            final.logits,
            final.similarity,
            num_learnable,
            tuple(frame.finest for frame in features),
            tuple(heads[:-1]) if every_head else (),
        )

    def _begin(self, time: int, num_learnable: int, prompts: Prompts | None) -> tuple[Tensor, Tensor]:
        """Queries and their positions before the first layer, (time, num_queries, width)."""
        queries = self.query_features[:num_learnable].expand(time, -1, -1)
        positions = self.query_positions[:num_learnable].expand(time, -1, -1)
        if prompts is None:
            return queries, positions
        own = prompts.positions.transpose(0, 1) if prompts.feature_positions is not None else None
        asked = self._prompt_layer(0)(prompts.queries.transpose(0, 1), own, prompts)
        # From here on prompts have what they found as their positions, too: the weights were trained so.
        return torch.cat([queries, asked], dim=1), torch.cat([positions, asked], dim=1)

    def _ask_prompts(
        self, index: int, queries: Tensor, positions: Tensor, num_learnable: int, prompts: Prompts
    ) -> Tensor:
        """Prompts look at what they stand for once more; queries, positions: (time, num_queries, width)."""
        own = positions[:, num_learnable:] if prompts.feature_positions is not None else None
        asked = self._prompt_layer(index)(queries[:, num_learnable:], own, prompts)
        return torch.cat([queries[:, :num_learnable], asked], dim=1)

    def _prompt_layer(self, index: int) -> PromptLayer:
        layer = self.prompt_layers[index]
        assert isinstance(layer, PromptLayer)
        return layer


class _Reader:
    """Reads a `Head` off the queries; shuffles: of each head, see `UniVSNetwork.decode`."""

    def __init__(
        self,
        decoder: ClipDecoder,
        num_learnable: int,
        sentences: Tensor | None,
        names: Tensor | None,
        shuffles: Sequence[Tensor] | None,
    ) -> None:
        self.decoder, self.num_learnable, self.sentences, self.shuffles = decoder, num_learnable, sentences, shuffles
        self.names = None if names is None else F.normalize(names, dim=-1)

    def __call__(self, queries: Tensor, index: int, *, named: bool) -> Head:
        """queries: (time, num_queries, width). index: of the head. named: whether logits are wanted."""
        embeds = self.decoder.norm(queries)
        mask_embeds = self.decoder.mask_head(embeds)
        similarity = None
        if self.sentences is not None and not self.decoder.training:
            similarity = self._similarity(embeds)
            best = similarity[: self.num_learnable].argmax(0)
            own = mask_embeds[:, self.num_learnable :]
            # Masks are linear in these, so that the mean of two masks is the mask of their mean.
            mask_embeds = torch.cat([mask_embeds[:, : self.num_learnable], (own + mask_embeds[:, best]) / 2], dim=1)
        if self.shuffles is not None:
            mask_embeds = mask_embeds[self.shuffles[index]]
        logits = self._logits(embeds) if named else None
        return Head(embeds.transpose(0, 1), mask_embeds.transpose(0, 1), logits, similarity)

    def _similarity(self, embeds: Tensor) -> Tensor:
        """The cosine of every query with every prompt, the mean over frames."""
        unit = F.normalize(embeds, dim=-1)
        return (unit @ unit[:, self.num_learnable :].transpose(1, 2)).mean(0)

    def _logits(self, embeds: Tensor) -> Tensor | None:
        if self.sentences is None and self.names is None:
            return None
        spoken = self.decoder.name_head(embeds)
        if self.sentences is not None:
            scores: Tensor = spoken.mean(0) @ self.sentences.t()
            # Only in training they are brought to a size that a loss can bear.
            return scores / embeds.shape[-1] if self.decoder.training else scores
        assert self.names is not None
        scores = F.normalize(spoken, dim=-1).mean(0) @ self.names.t()
        return scores * self.decoder.name_scale.exp()


def hidden_from(mask_embeds: Tensor, features: Sequence[FrameFeatures], level: int) -> Iterator[Tensor]:
    """For each frame what its queries do not see of a level, (num_queries, tokens), to be added to scores.

    mask_embeds: (num_queries, time, width).
    """
    with torch.no_grad():
        for t, frame in enumerate(features):
            yield hide_outside(mask_embeds[:, t] @ frame.coarser[level].t())


def who_sees_whom(attention: SelfAttention, num_learnable: int, num_queries: int) -> list[Group]:
    """The groups of `SelfAttention`, for so many queries of which the first are learnable."""
    everyone = slice(0, num_queries)
    learnable, prompts = slice(0, num_learnable), slice(num_learnable, num_queries)
    if attention == "none":
        return [Group(everyone, everyone)]
    first = [Group(learnable, learnable)] if num_learnable else []
    if num_learnable == num_queries:
        return first
    return [*first, Group(prompts, everyone if attention == "sep-l2p" else prompts, apart=attention == "sep-blocked")]
