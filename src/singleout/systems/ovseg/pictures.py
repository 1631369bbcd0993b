"""One picture through OVSeg: proposals, what CLIP says of their regions, and a class at each pixel."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from singleout.nn.clip_images import ClipImageTower
from singleout.nn.linear import products_in
from singleout.nn.mask2former.geometry import Geometry, Picture, Size
from singleout.nn.threads import side_by_side
from singleout.systems.ovseg.ensemble import Canvas, best_of_each, mix
from singleout.systems.ovseg.network import OVSegNetwork, cosines
from singleout.systems.ovseg.regions import Cutting, cut_all, find_regions, normalised
from singleout.systems.ovseg.values import Region

_ENLARGED = 8  # masks that are enlarged at a time


@dataclass(frozen=True)
class Rules:
    """How proposals become classes; see `options.Options`, which says what each is for.

    weight: that of CLIP in the ensemble, None for the proposals alone. demo: the rule of the published demo. rough:
    CLIP multiplies in bfloat16.
    """

    cutting: Cutting
    weight: float | None
    prompts: bool = True
    demo: bool = False
    batch: int = 16
    rough: bool = False


@dataclass(frozen=True)
class Seen:
    """What is seen of a picture before names come in.

    picture: (3, height, width) float32, 0 to 255, at the size that it is looked at. shares: (num_queries, height,
    width), the probability of each pixel to be of a proposal. embeds: (num_queries, space). masks: (num_queries, h, w),
    logits as the network gives them, at stride 4 of `geometry`'s padded size.
    """

    picture: Tensor
    shares: Tensor
    embeds: Tensor
    masks: Tensor
    geometry: Geometry


@dataclass(frozen=True)
class Opinions:
    """What both branches say of names: logits whose last column is that of no object.

    proposals: (num_queries, num_names + 1). regions: those that cover a pixel. seen: (num_regions, num_names + 1).
    """

    proposals: Tensor
    regions: list[Region]
    seen: Tensor


def look(network: OVSegNetwork, picture: Picture, short: int, longest: int) -> Seen:
    """Proposals for a picture, (height, width, 3) uint8 RGB; short, longest: pixels of the sides it is brought to."""
    size = (picture.shape[0], picture.shape[1])
    resized = Geometry.of(size, short, longest).resize(picture)
    seen = (resized.shape[0], resized.shape[1])
    geometry = Geometry.of(seen, min(seen), max(seen))
    device = network.no_object.device
    proposals = network(geometry.prepare([resized]).to(device))[-1]
    masks = proposals.masks[0]
    shares = masks.new_empty(len(masks), *seen)

    def enlarge(start: int) -> None:
        some = slice(start, start + _ENLARGED)
        torch.sigmoid(geometry.crop(geometry.enlarge(masks[some])), out=shares[some])

    deque(side_by_side(enlarge, range(0, len(masks), _ENLARGED), device), maxlen=0)
    values = torch.from_numpy(resized).permute(2, 0, 1).to(device).float()
    return Seen(values, shares, proposals.embeds[0], masks, geometry)


def ask_clip(
    tower: ClipImageTower, picture: Tensor, shares: Tensor, rows: Tensor, rules: Rules
) -> tuple[list[Region], Tensor]:
    """The regions of proposals and what CLIP says of them, (num_regions, num_rows) logits.

    picture, shares: as in `Seen`. rows: vectors of length 1, of names and of no object. `Rules.batch` regions are cut
    out and looked at together, by which memory is bounded; the result does not depend on it.
    """
    regions = find_regions(shares, rules.cutting)
    if not regions:
        return regions, rows.new_zeros(0, len(rows))
    prepared = normalised(picture)

    def ask(some: Sequence[Region]) -> Tensor:
        parts, inside = cut_all(prepared, shares, some, rules.cutting, tower.size.side)
        with products_in(torch.bfloat16 if rules.rough else torch.float32, rows.device):
            vectors = tower(parts, inside if rules.prompts else None)
        return cosines(vectors.float(), rows)

    batches = [regions[start : start + rules.batch] for start in range(0, len(regions), rules.batch)]
    return regions, torch.cat(list(side_by_side(ask, batches, rows.device)))


def judge(network: OVSegNetwork, seen: Seen, rows: Tensor, rules: Rules) -> Opinions:
    """What both branches say; CLIP is only asked where its answer is read. rows: of `OVSegNetwork.rows`."""
    proposals = cosines(seen.embeds, rows)
    if rules.weight is None:
        return Opinions(proposals, [], rows.new_zeros(0, len(rows)))
    regions, logits = ask_clip(network.clip.images, seen.picture, seen.shares, rows, rules)
    return Opinions(proposals, regions, logits)


def paint(shares: Tensor, opinions: Opinions, rules: Rules, size: Size, *, compared: int | None = None) -> Canvas:
    """The sums that classes of pixels are decided by, at a size of the caller's.

    compared: in the demo's rule, the number of names that look for a proposal, where others only stand against them.
    """
    valid = [region.query for region in opinions.regions]
    found = mix(opinions.proposals, opinions.seen, valid, rules.weight)
    if rules.demo:
        found = best_of_each(found, compared)
        masks = (shares[found.queries] > rules.cutting.threshold).to(shares.dtype)
    else:
        masks = shares if len(found.queries) == len(shares) else shares[found.queries]
    return Canvas(masks, found.scores, size)


def with_others(names: Sequence[str]) -> tuple[list[str], int | None]:
    """The demo's names, and how many of them look for a proposal: a single one gets "others" to stand against."""
    return ([*names, "others"], 1) if len(names) == 1 else ([*names], None)
