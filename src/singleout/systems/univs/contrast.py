"""How UniVS learns embeddings by which objects are told apart: those of one object near each other, all others far."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# Columns that are compared with: so many of tokens that belong to somebody, so many of the others.
_OWNED, _OTHERS = 15, 5
_FARTHEST = 10.0  # a difference that no longer adds to the loss


class Draws:
    """What is drawn in training; goldens replace it."""

    def uniform(self, *sizes: int, device: torch.device) -> Tensor:
        """Numbers from 0 to 1."""
        return torch.rand(*sizes, device=device)

    def order(self, count: int) -> Tensor:
        """The numbers from 0 to count - 1 in any order."""
        return torch.randperm(count)

    def picks(self, owned: Tensor, count: int) -> Tensor:
        """For each row some of its columns, (num_rows, count) int64; one may be taken twice. owned: (rows, columns)."""
        return torch.multinomial(owned.float(), count, replacement=True)


@dataclass(frozen=True)
class Tokens:
    """Embeddings of queries in single frames.

    embeds: (num_tokens, width). owners: (num_tokens,), the object or category of each, -1 for none. videos:
    (num_tokens,) int64, where it is seen; objects of different videos have nothing in common.
    """

    embeds: Tensor
    owners: Tensor
    videos: Tensor

    def owned(self) -> Tokens:
        """Only those that belong to somebody."""
        keep = self.owners >= 0
        return Tokens(self.embeds[keep], self.owners[keep], self.videos[keep])


def contrast(rows: Tokens, columns: Tokens, draws: Draws) -> tuple[Tensor, Tensor]:
    """The contrastive loss and that of cosines, of rows that have something in common with any column.

    For each row the loss is the log of one and of what all columns of others add: the exponent of how much nearer they
    are than the row's first companion, and than the mean of its companions. Nearness is the dot product over the root
    of the width. Zero where there are no such rows.
    """
    rows, columns = rows.owned(), columns.owned()
    common = (rows.owners[:, None] == columns.owners) & (rows.videos[:, None] == columns.videos)
    keep = common.any(1)
    if not bool(keep.any()):
        nothing = rows.embeds.sum() * 0 + columns.embeds.sum() * 0
        return nothing, nothing
    embeds, common = rows.embeds[keep], common[keep]
    near = embeds @ columns.embeds.t() / embeds.shape[1] ** 0.5
    owned = common.float()
    first = near.gather(1, owned.argmax(1, keepdim=True))
    mean = (near * owned).sum(1, keepdim=True) / owned.sum(1, keepdim=True)
    chosen = _columns(common, draws)
    loss = _farther(near[:, chosen], torch.cat([first, mean], dim=1), common[:, chosen])
    # The official code draws columns anew here.
    chosen = _columns(common, draws)
    return loss, _cosines(embeds, columns.embeds[chosen], owned[:, chosen])


def contrast_clips(embeds: Tensor, owners: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """The two losses over all clips of a video: one token of each object against all tokens.

    embeds: (num_tokens, width). owners: (num_tokens,), -1 for none, which everything is held away from. Other than in a
    clip, each object has three companions, drawn with repetition; itself may be among them, as published.
    """
    order = draws.order(len(owners)).to(embeds.device)
    embeds, owners = embeds[order], owners[order]
    objects = owners[owners >= 0].unique()
    if not len(objects):
        nothing = embeds.sum() * 0
        return nothing, nothing
    common = objects[:, None] == owners
    rows = embeds[common.float().argmax(1)]
    near = rows @ embeds.t() / embeds.shape[1] ** 0.5
    companions = near.gather(1, draws.picks(common, 3).to(near.device))
    most = min(max(3 * len(rows), 30), 50)
    losses = []
    for values in (companions, None):
        chosen = draws.order(len(owners))[:most].to(embeds.device)
        if values is not None:
            losses.append(_farther(near[:, chosen], values, common[:, chosen]))
        else:
            losses.append(_cosines(rows, embeds[chosen], common[:, chosen].float()))
    return losses[0], losses[1]


def _columns(common: Tensor, draws: Draws) -> Tensor:
    """Columns to compare with, in their order: some that rows have something in common with, and a few others."""
    limit = min(_OWNED + _OTHERS, 3 * len(common))
    parts = []
    for kind, share in ((common.any(0), _OWNED), (~common.any(0), _OTHERS)):
        places = kind.nonzero()[:, 0]
        count = int(share / (_OWNED + _OTHERS) * limit)
        parts.append(places[draws.order(len(places)).to(places.device)[:count]])
    return torch.cat(parts).sort().values


def _farther(near: Tensor, companions: Tensor, common: Tensor) -> Tensor:
    """The mean over rows; near, common: (rows, columns). companions: (rows, companions)."""
    nearer = (near[:, :, None] - companions[:, None]).clamp(max=_FARTHEST).exp() * ~common[:, :, None]
    return nearer.flatten(1).sum(1).log1p().mean()


def _cosines(rows: Tensor, columns: Tensor, wanted: Tensor) -> Tensor:
    found = (F.normalize(rows, dim=-1) @ F.normalize(columns, dim=-1).t()).clamp(min=0)
    return F.smooth_l1_loss(found, wanted, reduction="sum") / len(rows)
