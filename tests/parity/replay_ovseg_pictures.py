"""OVSeg end to end on a real frame, in every variant of its ensemble and by the rule of its demo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.ovseg_network import PART, network_of, picture_of, variant_of, words_of

from singleout.systems.ovseg.network import OVSegNetwork, cosines
from singleout.systems.ovseg.pictures import Opinions, Rules, ask_clip, judge, look, paint, with_others
from singleout.systems.ovseg.regions import Cutting

__all__ = ["PART"]
SYSTEM = "OVSeg end to end"
KNOWN = {
    "eval": "as configured",
    "clip_only": "CLIP_ENSEMBLE_WEIGHT 0.0",
    "no_ensemble": "CLIP_ENSEMBLE False",
    "no_prompt": "MASK_PROMPT_FWD False",
    "demo": (
        "OVSegDEMO arithmetic, CLIP_ENSEMBLE_WEIGHT 0.0, same threshold; demo_label is the drawn map with 255 where "
        "channel 0 is exactly 0"
    ),
}


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    return spec_of(path).get("system") == SYSTEM


@torch.inference_mode()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    spec = golden.spec
    overrides = dict(zip(spec["overrides"][::2], spec["overrides"][1::2], strict=True))
    short = overrides.pop("INPUT.MIN_SIZE_TEST")
    longest = overrides.pop("INPUT.MAX_SIZE_TEST", None)
    queries = overrides.pop("MODEL.MASK_FORMER.NUM_OBJECT_QUERIES", None)
    if overrides:
        raise CannotReplayError(f"unknown settings: {', '.join(overrides)}")
    manifest = f"keys-{spec['config'].removeprefix('ovseg_').removesuffix('_bs32_120k.yaml').lower()}.json"
    side_file = context.side_file(path, PART, manifest)
    network = network_of(variant_of(spec["config"]), side_file, spec["salt"], queries)
    sequence, file = picture_of(spec["frame"], context)
    frame = np.array(Image.open(context.frame(sequence, file)).convert("RGB"))
    yield from _compare(golden, network, frame, (short, longest or network.config.longest))


def _compare(golden: Golden, network: OVSegNetwork, frame: np.ndarray, sides: tuple[int, int]) -> Iterator[Comparison]:
    spec = golden.spec
    words, size = words_of(network.clip), (frame.shape[0], frame.shape[1])
    seen = look(network, frame, *sides)
    rules = Rules(Cutting(float(spec["mask_thr"])), float(spec["ensemble_weight"]))
    ours = {
        "eval": rules,
        "clip_only": replace(rules, weight=0.0),
        "no_ensemble": replace(rules, weight=None),
        "no_prompt": replace(rules, prompts=False),
        "demo": replace(rules, weight=0.0, demo=True),
        "demo_one": replace(rules, weight=0.0, demo=True),
    }
    rows = network.rows(words.embed_names(spec["class_names"]))
    opinions = judge(network, seen, rows, rules)
    yield golden.compare("pred_embedding", seen.embeds.numpy())
    yield golden.compare("proposal_logits", opinions.proposals.numpy())
    yield golden.compare("clip_logits", opinions.seen.numpy())
    valid = [region.query for region in opinions.regions]
    yield golden.compare("valid", np.isin(np.arange(len(seen.shares)), valid))
    yield golden.compare("boxes", np.array([region.box for region in opinions.regions], np.float32))
    yield golden.compare("text", rows.numpy())
    every, step = _steps(spec["arrays"])
    masks = seen.geometry.crop(seen.geometry.enlarge(seen.masks))
    yield golden.compare("pred_masks_small", masks[:, ::step, ::step].numpy())
    for name, said in spec["variants"].items():
        one = re.fullmatch(r"demo with the single name '(.*)' \('others' is appended\)", said)
        if name not in ours or (one is None and KNOWN.get(name) != said):
            raise CannotReplayError(f"unknown variant {name}: {said}")
        compared = None
        here = opinions
        if one is not None:
            names, compared = with_others([one[1]])
            here = judge(network, seen, network.rows(words.embed_names(names)), ours[name])
        elif name == "no_prompt":
            logits = ask_clip(network.clip.images, seen.picture, seen.shares, rows, ours[name])[1]
            yield golden.compare("clip_logits_no_prompt", logits.numpy())
            here = Opinions(cosines(seen.embeds, rows), opinions.regions, logits)
        canvas = paint(seen.shares, here, ours[name], size, compared=compared)
        yield golden.compare(f"{name}_map", canvas.whole()[:, ::every, ::every].numpy())
        found = canvas.labels()
        yield golden.compare(f"{name}_argmax", found.labels.numpy().astype(np.uint8))
        if f"{name}_label" in golden:
            yield golden.compare(f"{name}_label", found.labels.masked_fill(found.blank, 255).numpy().astype(np.uint8))


def _steps(text: str) -> list[int]:
    """The steps at which maps and masks are stored."""
    found = [int(step) for step in re.findall(r"pixels ::(\d+)", text)]
    if len(found) != 2:
        raise CannotReplayError(f"unknown arrays: {text}")
    return found
