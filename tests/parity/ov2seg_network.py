"""Networks, tables of names and drawn inputs as OV2Seg's goldens describe them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tests.parity.goldens import CannotReplayError, Context, Golden, Values
from tests.parity.weights import input_tensor, official_state
from torch import Tensor
from torch.nn import functional as F

from singleout.systems.ov2seg.checkpoint import convert_names, load_network
from singleout.systems.ov2seg.config import VARIANTS
from singleout.systems.ov2seg.network import OV2SegNetwork
from singleout.systems.ov2seg.tracking import Pairs

PART = "ov2seg"
VARIANT_OF = {"r50": "resnet-50", "swinb": "swin-b"}
_DRAW = r"input_tensor\('([\w.]+)', ?\(([\d, ]+)\)(?:, ?salt='([^']*)')?\)"


def network_of(golden: Golden, context: Context, config: str) -> OV2SegNetwork:
    """The network of a golden's spec with its weights; config: as the manifests are called."""
    if config not in VARIANT_OF:
        raise CannotReplayError(f"unknown configuration {config}")
    return _network(context.side_file(golden.path, PART, f"keys-{config}-lvvis.json"), config, golden.spec["salt"])


@lru_cache(maxsize=1)
def _network(manifest: Path, config: str, salt: str) -> OV2SegNetwork:
    return load_network(VARIANTS[VARIANT_OF[config]], convert_names(official_state(manifest, salt)).state)


def classifier_of(spec: dict[str, Any]) -> Tensor:
    """The table of names of a golden's spec, (num_names, width)."""
    said = spec["classifier"]
    if not re.fullmatch(rf"rows L2-normalised of {_DRAW}", said):
        raise CannotReplayError(f"unknown classifier: {said!r}")
    return F.normalize(drawn(said, spec["salt"]), dim=-1)


def drawn(said: str, salt: str) -> Tensor:
    """The input that a sentence of a spec speaks of; the salt is the golden's where the sentence has none."""
    found = re.search(_DRAW, said)
    if found is None:
        raise CannotReplayError(f"no input is described by {said!r}")
    sizes = [int(size) for size in found[2].replace(" ", "").strip(",").split(",")]
    return input_tensor(found[1], sizes, salt if found[3] is None else found[3])


def with_nothing(classifier: Tensor) -> Tensor:
    """The official table: a column for each name, and one of zeros for nothing, (width, num_names + 1)."""
    return F.normalize(torch.cat([classifier, torch.zeros(1, classifier.shape[1])]).t(), dim=0, eps=1e-12)


def one_more(logits: Tensor) -> Tensor:
    """Logits of names with the official last one, which always is 0."""
    return F.pad(logits, (0, 1))


def pairs_in_order(pairs: Pairs, queries: Values, labels: Values) -> Tensor:
    """Where the golden's pairs stand in ours: the official selection is in no order, so both are sets."""
    ours = {pair: place for place, pair in enumerate(zip(pairs.tracks.tolist(), pairs.names.tolist(), strict=True))}
    theirs = list(zip(queries.tolist(), labels.tolist(), strict=True))
    if set(ours) != set(theirs):
        raise CannotReplayError(f"{len(set(ours) - set(theirs))} of our {len(ours)} pairs are not among the official")
    return torch.tensor([ours[pair] for pair in theirs])
