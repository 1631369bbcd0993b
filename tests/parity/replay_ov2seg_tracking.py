"""OV2Seg's matching, names and suppression on given outputs of the network: section 4 of its README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.ov2seg_network import pairs_in_order

from singleout.systems.ov2seg.tracking import Memory, Sharpness, best_pairs, hidden_in, pair_scores

PART = "ov2seg"
WHAT = "matching, momentum memory, score rule and frame suppression on given outputs"


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return spec_of(path).get("what") == WHAT


def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    logits, objects, masks, embeds = (
        torch.from_numpy(golden.input(f"in_pred_{name}")) for name in ("logits", "object_logits", "masks", "embds")
    )
    _check_sizes(golden, logits.shape)
    memory = Memory()
    matches = [memory.match(frame) for frame in embeds]
    yield golden.compare("permutations", np.stack([match.queries.numpy() for match in matches[1:]]))
    yield golden.compare("cos", np.stack([match.cosines.numpy() for match in matches[1:]]))
    orders = [match.queries for match in matches]
    logits, objects, masks = (
        torch.stack([frame[order] for frame, order in zip(values, orders, strict=True)])
        for values in (logits, objects, masks)
    )
    yield golden.compare("mean_logits", logits.mean(0).numpy())
    yield golden.compare("mean_obj_logits", objects.mean(0).numpy())
    found = best_pairs(logits.mean(0)[:, :-1], objects.mean(0), golden.spec["topk"])
    order = pairs_in_order(found, golden.input("queries"), golden.input("labels"))
    pairs = found[order]
    yield golden.compare("queries", pairs.tracks.numpy())
    yield golden.compare("labels", pairs.names.numpy())
    yield golden.compare("pair_scores", pairs.scores.numpy())
    own = pair_scores(logits[:, pairs.tracks, pairs.names], objects[:, pairs.tracks])
    hidden = hidden_in(pairs, own)
    yield golden.compare("ignored", hidden.t().numpy())
    kept = masks[:, pairs.tracks].masked_fill(hidden[..., None, None], -1.0)
    yield golden.compare("masks", kept.transpose(0, 1).numpy())
    found_sums = Sharpness.of(kept)
    sharp = Sharpness(found_sums.inside.sum(0), found_sums.count.sum(0)).mean()
    yield golden.compare("scores", (pairs.scores * sharp).numpy())


def _check_sizes(golden: Golden, shape: torch.Size) -> None:
    spec = golden.spec
    if tuple(shape) != (spec["T"], spec["queries"], spec["classes"] + 1):
        raise CannotReplayError(f"logits are {list(shape)}, which is not what the spec says")
