"""AOT and DeAOT: stages, scores, closed loops, test-time augmentation and the challenge's use, against their goldens.

What a golden holds follows from the arrays and the spec that it has; section numbers are those of its README.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.parity.aot_network import (
    CPU,
    PART,
    decoded,
    inputs_of,
    log_of,
    network_of,
    tracker_of,
    variant_of,
)
from tests.parity.aot_training import TRAINING, replay_training
from tests.parity.goldens import CannotReplayError, Comparison, Context, Golden, spec_of
from tests.parity.weights import shapes_of
from torch import Tensor
from torch.nn import functional as F

from singleout.media import Video
from singleout.systems.aot import SYSTEM
from singleout.systems.aot.challenge import PUBLISHED, refine
from singleout.systems.aot.decisions import joint_logits
from singleout.systems.aot.engine import Engine, group_sizes
from singleout.systems.aot.network import AOTNetwork
from singleout.systems.aot.options import Options
from singleout.systems.aot.pictures import network_size, prepare, resize_labels
from singleout.systems.aot.tracker import Tracker
from singleout.systems.aot.values import Sight, Streams

__all__ = ["PART", "claims", "golden_of", "replay"]

# The challenge's repository holds other systems as well.
_REFERENCES = ("yoxu515/aot-benchmark ", "RobertLuo1/iccv2023_RVOS_Challenge ")
_SCORES = re.compile(r"(?:engine(?P<group>\d+)_)?logits_t(?P<frame>\d+)")


def claims(path: Path) -> bool:
    """See `tests.parity.check`."""
    if path.suffix == ".npz":
        reference = str(spec_of(path).get("reference", ""))
        return reference.startswith(_REFERENCES[0]) or (reference.startswith(_REFERENCES[1]) and "/AOT" in reference)
    if path.name.startswith("keys-"):
        shapes = shapes_of(path)
        return SYSTEM.recognise(shapes) is not None or "patch_wise_id_bank.weight" in shapes
    return path.name.startswith("optim") and "ema" in json.loads(path.read_text(encoding="utf-8"))


def golden_of(path: Path) -> Path | None:
    """The first golden that a file of frames and labels belongs to."""
    if path.name.startswith("inputs-"):
        for golden in sorted(path.parent.glob("golden-*.npz")):
            if claims(golden) and str(spec_of(golden).get("inputs", "")).split(" ")[0] == path.name:
                return golden
    return None


@torch.no_grad()
def replay(path: Path, context: Context) -> Iterator[Comparison]:
    """See `tests.parity.check`."""
    golden = context.open(path)
    if path.name.startswith("keys-"):
        yield from _keys(golden)
    elif path.suffix == ".json" or any(name in golden for name in TRAINING):
        yield from replay_training(golden, context)
    elif "forced_logits" in golden:
        yield from _forced(golden, context)
        if "loop_logits_t7" in golden or "masks" in golden:
            yield from _loop(golden, context)
    elif "key_frame" in golden.spec:
        yield from _refined(golden, context)
    elif golden.names("masks20"):
        yield from _davis(golden, context)
    elif "aug_stride4_hw" in golden:
        yield from _augmented(golden, context)
    elif "masks" in golden:
        yield from _loop(golden, context)
    else:
        raise CannotReplayError("unknown case: neither scores nor masks")


def _keys(golden: Golden) -> Iterator[Comparison]:
    """A list of official names and shapes: each is taken in, and nothing of ours is left without."""
    for name in golden.names():
        golden.input(name)
    official = shapes_of(golden.path)
    variant = SYSTEM.recognise(official)
    if any(".conv2.fc1." in name for name in official):
        # ResNeSt: no weights were ever published, and the system says that it does not know it.
        yield Comparison("variant of an encoder that is left out", str(variant), "None")
        return
    with torch.device("meta"):
        network = SYSTEM.build(str(variant), SYSTEM.configure(str(variant), official))
        conversion = SYSTEM.convert_names({name: torch.empty(shape) for name, shape in official.items()})
    expected = variant_of(golden.path.stem.removeprefix("keys-"))
    # B and L have the same tensors, so names cannot tell them apart.
    yield Comparison("variant", variant, re.sub(r"^((?:de)?aot)b$", r"\1l", expected))
    ours, theirs = (
        [f"{name} {list(one.shape)}" for name, one in sorted(state.items())]
        for state in (network.state_dict(), conversion.state)
    )
    yield Comparison("names and shapes", np.array(ours), np.array(theirs))
    spare = [name for name in official if name == "LSTT.mask_token" or not golden.names(f"keys/{name}")]
    yield Comparison("names that are not needed", np.array(sorted(conversion.ignored)), np.array(sorted(spare)))


def _forced(golden: Golden, context: Context) -> Iterator[Comparison]:
    """Section 10: the memory is told the true labels after every frame."""
    spec, given, network = golden.spec, inputs_of(golden, context), network_of(golden, context)
    frames = given["frames"]
    truth = golden.input("labels") if "labels" in golden else given[spec["labels"]]
    height, width = frames.shape[1:3]
    size = network_size((height, width), align_corners=network.config.align_corners)
    yield Comparison("input_size", np.array(size), np.array(spec["input_size"]))
    engine = Engine(network, Options().rule(network.config))
    yield Comparison("long_term_mem_gap", engine.rule.gap, spec["long_term_mem_gap"])
    # What is not said to be thinned out, is every second number.
    times = spec.get("forced_t", list(range(1, len(frames))))
    thin = 1 if "forced_t" in spec else 2
    scores = []
    for time, frame in enumerate(frames):
        sight = network.look(prepare(frame, size))
        labels = resize_labels(torch.from_numpy(truth[time]).long(), size)
        if time == 0:
            passed = engine.refer(sight, labels, int(truth[0].max()))
            stages = _seen(network, sight, labels) | _blocks(network, sight, passed, "ref") | _kept(engine)
        else:
            passed = engine.follow(sight)
            if time in times:
                scores.append(network.decode(sight, passed)[0, :4, ::thin, ::thin])
            engine.update(labels)
            stages = _blocks(network, sight, passed, "t1") | _short(engine, sight) if time == 1 else {}
        for name in [name for name in golden.names() if name in stages]:
            yield golden.compare(name, stages[name][:, :: spec[f"{name}_step"]].numpy())
    yield golden.compare("forced_logits", torch.stack(scores).numpy())
    if "long_term_tokens_end" in spec:
        tokens = engine.stores[0].entry(0)[0].shape[1]
        ends = [None if one is None else tokens for one in spec["long_term_tokens_end"]]
        yield Comparison("long_term_tokens_end", str(ends), str(spec["long_term_tokens_end"]))


def _seen(network: AOTNetwork, sight: Sight, labels: Tensor) -> dict[str, Tensor]:
    stages = {f"ref_enc{index}": found for index, found in enumerate(sight.maps)}
    stages["ref_enc3"] = sight.tokens.transpose(1, 2).unflatten(2, sight.size)
    stages["ref_pos_emb"] = network.positions(sight.size).t()[None]
    stages["ref_id_emb"] = network.identify(labels[None]).transpose(1, 2)
    return stages


def _blocks(network: AOTNetwork, sight: Sight, passed: list[Streams], when: str) -> dict[str, Tensor]:
    """What the decoder is told; of DeAOT's blocks before the last one, what they hand on."""
    told = network.told(sight, passed)
    if network.config.gated:
        before = [torch.cat([one.picture, one.identity], -1) for one in passed[:-1] if one.identity is not None]
        told = [*before, *told]
    return {f"{when}_lstt{index}": one.transpose(1, 2) for index, one in enumerate(told)}


def _kept(engine: Engine) -> dict[str, Tensor]:
    """The first block's long-term memory as (1, channels, tokens)."""
    key, value = engine.stores[0].entry(0)
    return _memory(engine, "ref_mem0", key, value)


def _short(engine: Engine, sight: Sight) -> dict[str, Tensor]:
    """The first block's short-term memory as (1, channels, h, w)."""
    entry = engine.short[0][0]
    found = _memory(engine, "t1_short0", entry.key[0], entry.value[0])
    return {name: part.unflatten(2, sight.size) for name, part in found.items()}


def _memory(engine: Engine, name: str, key: Tensor, value: Tensor) -> dict[str, Tensor]:
    keys, values = (part.transpose(0, 1).flatten(1).t()[None] for part in (key, value))
    if not engine.network.config.gated:
        return {f"{name}_0": keys, f"{name}_1": values}
    seen, whose = values.chunk(2, dim=1)
    return {f"{name}_0": keys, f"{name}_1": seen, f"{name}_3": whose}


def _annotations(golden: Golden, context: Context) -> dict[int, np.ndarray]:
    """The pictures of ids that are given, by frame."""
    own = {int(name.removeprefix("label")): golden.input(name) for name in golden.names("label") if name[5:].isdigit()}
    if own:
        return own
    return {0: inputs_of(golden, context)[golden.spec["labels"].split("[")[0]][0]}


def _loop(golden: Golden, context: Context) -> Iterator[Comparison]:
    """The official evaluator: the memory is told what was decided; objects enter when they are given."""
    spec = golden.spec
    given = _annotations(golden, context)
    tracker = tracker_of(golden, context, Options())
    scores: dict[int, Tensor] = {}
    pictures, log = [], []
    merged: Tensor | None = None
    with decoded(tracker.network) as found:
        for time, frame in enumerate(inputs_of(golden, context)["frames"][: spec["frames"]]):
            tracker.see(frame)
            if found:
                scores[time] = found.pop()
            if f"merged_logits_t{time}" in golden:
                merged = _merged(tracker, scores[time])
                yield golden.compare(f"merged_logits_t{time}", merged[:, ::8, ::8].numpy())
            if time in given:
                tracker.mark(given[time].astype(np.int32))
            # The picture of the first frame is copied as it is.
            pictures.append(tracker.id_map() if time else given[0])
            tracker.commit()
            if time:
                log.append(log_of(tracker, 0))
    yield golden.compare("masks", np.stack(pictures).astype(np.uint8))
    yield Comparison("memory_log", json.dumps(log), json.dumps(spec["memory_log"]))
    for name in golden.names():
        match = _SCORES.fullmatch(name.removeprefix("loop_"))
        if match is None:
            continue
        of_frame = scores[int(match["frame"])][int(match["group"] or 0)]
        if name.startswith("loop_"):
            yield golden.compare(name, of_frame[:4].numpy())
        elif match["group"] is None:
            # Channels of identities without an object hold the number that the official code puts there.
            yield golden.compare(name, _masked(of_frame, tracker, int(match["frame"]), given)[:5, ::2, ::2].numpy())
        else:
            rows = golden.input(name).shape[0]
            yield golden.compare(name, of_frame[:rows, ::2, ::2].numpy())


def _masked(scores: Tensor, tracker: Tracker, time: int, given: dict[int, np.ndarray]) -> Tensor:
    entered = {int(one) for at, ids in given.items() if at < time for one in np.unique(ids) if one}
    active = torch.arange(len(scores)) <= len(entered)
    return torch.where(active[:, None, None], scores, torch.tensor(-1e10))


def _merged(tracker: Tracker, scores: Tensor) -> Tensor:
    config = tracker.network.config
    counts = group_sizes(tracker.num_objects, config.num_ids)
    large = F.interpolate(scores, tracker.decision_size, mode="bilinear", align_corners=config.align_corners)
    return joint_logits([own[: count + 1].softmax(0) for own, count in zip(large, counts, strict=True)], config.num_ids)


def _augmented(golden: Golden, context: Context) -> Iterator[Comparison]:
    """Several scales, and mirrored frames: each remembers its own decision."""
    spec = golden.spec
    options = Options(flip=spec["flip"], scales=tuple(spec["multi_scale"]), shortest=spec["max_short_edge"])
    tracker = tracker_of(golden, context, options)
    align = tracker.network.config.align_corners
    given = inputs_of(golden, context)
    pictures, log = [], []
    with decoded(tracker.network) as found:
        for time, frame in enumerate(given["frames"][: spec["frames"]]):
            found.clear()
            tracker.see(frame)
            if time == 0:
                tracker.mark(given["labels3"][0].astype(np.int32))
            pictures.append(tracker.id_map())
            tracker.commit()
            log += [log_of(tracker, look) for look in range(len(tracker.looks))] if time else []
        large = [F.interpolate(one, tracker.size, mode="bilinear", align_corners=align)[0, :4] for one in found]
        sizes = [one.shape[-2:] for one in found]
    yield golden.compare("masks", np.stack(pictures).astype(np.uint8))
    yield golden.compare(f"aug_logits_t{spec['frames'] - 1}", torch.stack(large)[..., ::4, ::4].numpy())
    yield golden.compare("aug_stride4_hw", np.array(sizes))
    yield Comparison("memory_log", json.dumps(log), json.dumps(spec["memory_log"]))


def _davis(golden: Golden, context: Context) -> Iterator[Comparison]:
    """Section 5: masks of 480 rows; in 2016 all objects are one."""
    given = inputs_of(golden, context)
    annotation = given["labels3"][0].astype(np.int32)
    for year in [name.removeprefix("masks") for name in golden.names("masks")]:
        ids = (annotation > 0).astype(np.int32) if year == "2016" else annotation
        tracker = tracker_of(golden, context, Options(davis=True))
        pictures = []
        for time in range(1 + len(golden.input(f"masks{year}"))):
            tracker.see(given["frames"][time])
            if time == 0:
                tracker.mark(ids)
            pictures.append(tracker.id_map())
        yield golden.compare(f"frame0_{year}", pictures[0].astype(np.uint8))
        yield golden.compare(f"masks{year}", np.stack(pictures[1:]).astype(np.uint8))


def _refined(golden: Golden, context: Context) -> Iterator[Comparison]:
    """Section 5, challenge use: forwards, then backwards with the same memory."""
    spec, key = golden.spec, golden.spec["key_frame"]
    options = Options(
        flip=spec["flip"], scales=tuple(spec["multi_scale"]), shortest=PUBLISHED.shortest, joint=PUBLISHED.joint
    )
    network = network_of(golden, context)
    frames = inputs_of(golden, context)["frames"][: spec["frames"]]
    started: list[Tracker] = []

    def start(chosen: Options) -> Tracker:
        started.append(Tracker(network, chosen, (frames.shape[1], frames.shape[2]), CPU, open_ids=True))
        return started[-1]

    masks: dict[int, np.ndarray] = {}
    shares: dict[int, Tensor] = {}
    log: list[Any] = []
    with decoded(network) as found, Video(frames) as video:
        for number, mask in refine(start, video, key, golden.input("key_masks")[key] > 0, options):
            masks[number] = mask
            if number != key:
                tracker = started[0]
                assert tracker.shares is not None
                shares[number] = tracker.shares
                tracker.commit()
                log += [log_of(tracker, look) for look in range(len(tracker.looks))]
        last = found[-1][0]
    yield golden.compare("masks", np.stack([masks[number] for number in range(len(frames))]).astype(np.uint8))
    places = {"prob_forward_last": len(frames) - 1, "prob_backward_first": key - 1, "prob_backward_last": 0}
    for name, number in places.items():
        if name in golden:
            yield golden.compare(name, shares[number][:, ::4, ::4].numpy())
    yield golden.compare("raw_last", last[:, ::2, ::2].numpy())
    yield Comparison("memory_log", json.dumps(log), json.dumps(spec["memory_log"]))
